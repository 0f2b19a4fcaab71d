"""What is out of date: the stages that DVC finds changed, and those that read what these make."""

import sys

from workflow import code, parameters
from workflow.graph import Step
from workflow.lock import Lock, name_of, nested_params


def upstream(steps: list[Step]) -> dict[str, list[str]]:
    """For each stage, the stages whose outputs it reads: DVC's own edges, which follow from the paths; with parameters also `params`."""
    first = [step.name for step in steps if step.command == parameters.COMMAND]
    return {
        step.name: [other.name for other in steps if other is not step and _reads(step, other.outs)] + (first if step.params else [])
        for step in steps
    }


def outdated(steps: list[Step]) -> set[str]:
    """The stages that a run may have to run: those that `dvc status` lists, and all downstream of them.

    `steps` is in an order in which they can run. Leaves with one sentence and status 1 where DVC cannot tell, as while it runs.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        changed = {name_of(address) for address in Repo().status()}
    except DvcException as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    made = Lock().stages
    names: set[str] = set()
    outs: list[str] = []
    for step in steps:
        # DVC compares parameters with reports/params, which the stage `params` has yet to write.
        if step.name in changed or nested_params(made.get(step.name, {})) != step.params or _reads(step, outs):
            names.add(step.name)
            # All others read what `code` makes, and few of its files change at a time; `params` has been judged above.
            outs += code.changes() if step.command == code.COMMAND else [] if step.command == parameters.COMMAND else step.outs
    return names


def _reads(step: Step, outs: list[str]) -> bool:
    return any(dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/") for dep in step.deps for out in outs)
