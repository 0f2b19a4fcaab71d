"""The data sets in their official layouts, a reader each: a module by the set's name in workflow/sources.yaml.

What a reader offers depends on the kind that its entry states: see the modules `edges`, `labelled`, `retrieval`,
`captioned`, `word_vectors` and `cifar`.
"""

from typing import Any

from stages.core.modules import named_module

AGAIN = "download the data set again"


def reader(name: str) -> Any:
    """The reader of a data set, stages/datasets/<name>.py; a UserError where there is none.

    A stage that asks declares reports/code/datasets.<name>.json among its deps.
    """
    return named_module("datasets", name, "reader of the data set")
