"""The audit: does every number still follow from what is said to have made it? `python -m workflow.audit --help`."""
