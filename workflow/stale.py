"""What is out of date: the stages that DVC finds changed, and those that read what these make."""

import sys

from workflow import code
from workflow.graph import Step


def upstream(steps: list[Step]) -> dict[str, list[str]]:
    """For each stage, the stages whose outputs it reads: DVC's own edges, which follow from the paths."""
    return {step.name: [other.name for other in steps if other is not step and _reads(step, other.outs)] for step in steps}


def outdated(steps: list[Step]) -> set[str]:
    """The stages that a run may have to run: those that `dvc status` lists, and all downstream of them.

    `steps` is in an order in which they can run. Leaves with one sentence and status 1 where DVC cannot tell, as while it runs.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        changed = Repo().status()
    except DvcException as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    names: set[str] = set()
    outs: list[str] = []
    for step in steps:
        if step.name in changed or _reads(step, outs):
            names.add(step.name)
            # All others read what `code` makes, and few of its files change at a time.
            outs += code.changes() if step.command == code.COMMAND else step.outs
    return names


def _reads(step: Step, outs: list[str]) -> bool:
    return any(dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/") for dep in step.deps for out in outs)
