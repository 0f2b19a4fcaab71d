"""What is out of date: the stages that DVC finds changed, and those that read what these make."""

import sys
from pathlib import Path
from typing import Any

from workflow import code, parameters
from workflow.graph import Step
from workflow.lock import Lock, name_of, nested_params


def upstream(steps: list[Step]) -> dict[str, list[str]]:
    """For each stage, the stages whose outputs it reads: DVC's own edges, which follow from the paths; with parameters also `params`."""
    makers = {out: step.name for step in steps for out in step.outs}
    inside: dict[str, list[str]] = {}  # by each folder around an output, the stages that make something in it
    for out, name in makers.items():
        for folder in Path(out).parents:
            inside.setdefault(folder.as_posix(), []).append(name)
    first = [step.name for step in steps if step.command == parameters.COMMAND]
    place = {step.name: number for number, step in enumerate(steps)}
    found = {}
    for step in steps:
        around = [makers[path] for dep in step.deps for path in (dep, *map(str, Path(dep).parents)) if path in makers]
        names = {*around, *(name for dep in step.deps for name in inside.get(dep, [])), *(first if step.params else [])}
        found[step.name] = sorted(names - {step.name}, key=place.__getitem__)
    return found


def outdated(steps: list[Step], repo: Any = None) -> set[str]:
    """The stages that a run may have to run: those that `dvc status` lists, and all downstream of them.

    `steps` is in an order in which they can run; `repo` is DVC's, which they were read from. Leaves with one sentence
    and status 1 where DVC cannot tell, as while it runs.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        changed = {name_of(address) for address in (repo or Repo()).status()}
    except DvcException as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    made, before = Lock().stages, upstream(steps)
    first = {step.name for step in steps if step.command in (code.COMMAND, parameters.COMMAND)}
    names: set[str] = set()
    fingerprints: set[str] = set()
    for step in steps:
        # All stages read what `code` and `params` make, and few of these files change at a time; DVC compares parameters with those
        # of reports/params, which `params` has yet to write.
        of_others = names.difference(first).intersection(before[step.name])
        unlike = nested_params(made.get(step.name, {})) != step.params
        if step.name in changed or of_others or unlike or fingerprints.intersection(step.deps):
            names.add(step.name)
            fingerprints |= set(code.changes()) if step.command == code.COMMAND else set()
    return names
