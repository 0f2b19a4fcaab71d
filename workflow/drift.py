"""Are the results the committed ones? If not: which came out otherwise though nothing that made them has changed, and by how much.

    python -m workflow.drift        # `make repro` ends with it

Of stages whose command, parameters and code are the committed ones and whose outputs are not, it prints one line each, in the
order of the pipeline. `first` is said of a stage that read nothing but committed bytes: there this machine computes differently;
`follows` of one whose inputs had come out otherwise before. Of metrics it says how many moved, and which one farthest relative to
its size.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.stage import CODE
from workflow import lock
from workflow.lock import Lock

COMMIT = "HEAD"


def committed(path: str) -> str | None:
    """The text of a file as the commit has it; None where it has none, or there is no git."""
    try:
        return subprocess.run(["git", "show", f"{COMMIT}:{path}"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def report(names: set[str] | None = None) -> list[str]:
    """The answer in a line, and a line for each stage that came out otherwise; nothing where there is no commit to compare with.

    names : the stages in force; the lock has those of other scales too. None for all.
    """
    then, now = lock.committed(COMMIT), Lock()
    if then is None or not now.stages:
        return []
    names = now.stages.keys() & (names if names is not None else now.stages.keys())
    same = {name for name in names if _outs(then, name) == _outs(now, name)}
    if same == names:
        return [f"All {len(names)} stages: the committed results, to the byte"]
    drifted = [found for found in _drifted(then, now) if found[0] in names]
    counts = {
        "as committed, to the byte": len(same),
        "made otherwise than committed (command, parameters, code or data)": len(names) - len(same) - len(drifted),
        "came out otherwise by the same command, parameters and code": len(drifted),
    }
    return [f"{len(names)} stages: {'; '.join(f'{n} {what}' for what, n in counts.items() if n)}", *(_line(*found) for found in drifted)]


def _outs(lock: Lock, name: str) -> dict[str, str | None]:
    return {out["path"]: out.get("md5") for out in lock.stages.get(name, {}).get("outs", [])}


def _drifted(then: Lock, now: Lock) -> Iterator[tuple[str, list[str], list[str]]]:
    """Stages that were made alike and whose outputs differ, in an order in which they run: name, these outputs, stages that it follows.

    One whose data was made otherwise, on purpose, is none of them.
    """
    differ: set[str] = set()
    otherwise: set[str] = set()
    for name in now.in_order():
        before = now.before(name)
        if name not in then.stages or _made_by(name, then) != _made_by(name, now) or otherwise.intersection(before):
            otherwise.add(name)
            continue
        if outs := [path for path, md5 in _outs(now, name).items() if md5 != _outs(then, name).get(path)]:
            differ.add(name)
            yield name, outs, [other for other in before if other in differ]


def _made_by(name: str, lock: Lock) -> Any:
    """What makes two runs of a stage the same computation, apart from what other stages made: command, parameters, code, files of ours."""
    entry = lock.stages[name]
    deps = [dep for dep in entry.get("deps", []) if dep["path"].startswith(CODE) or not lock.made_in(dep["path"])]
    return entry["cmd"], entry.get("params"), deps


def moved(file: str) -> str:
    """How far the numbers of a metrics file lie from those of the commit, in words; nothing where it holds none."""
    old, new = _numbers(committed(file)), _numbers(Path(file).read_text(encoding="utf-8") if Path(file).is_file() else None)
    changed = {key: new[key] - old[key] for key in old.keys() & new.keys() if old[key] != new[key]}
    if not changed:
        return ""
    key = max(sorted(changed), key=lambda key: abs(changed[key]) / max(abs(old[key]), 1e-12))
    what = " ".join(part for part in key if part)
    return f"{len(changed)} of {len(new)} numbers moved, farthest {what}: {old[key]:.6g}, now {new[key]:.6g} ({changed[key]:+.2g})"


def _numbers(text: str | None) -> dict[tuple[str, ...], float]:
    try:
        records = json.loads(text or "")["records"]
        found = [metrics.Record(**record) for record in records]
    except (ValueError, KeyError, TypeError):
        return {}
    return {(r.dataset or "", r.model, r.encoder or "", r.metric, f"seed {r.seed}" if r.seed is not None else ""): r.value for r in found}


def _line(name: str, outs: list[str], follows: list[str]) -> str:
    why = f"follows {follows[0]}" + (f" and {len(follows) - 1} more" if len(follows) > 1 else "") if follows else "first"
    numbers = [text for text in map(moved, outs) if text]
    return f"{name}: {why}: {'; '.join(numbers) or ', '.join(outs)}"


def in_force() -> set[str]:
    """The stages of the pipeline with the lists now in params.yaml."""
    from workflow.audit.verify import graph

    return set(graph())


def main() -> None:
    try:
        lines = report(in_force())
    except UserError as error:
        sys.exit(f"error: {error}")
    print("\n".join(lines), end="\n" if lines else "")


if __name__ == "__main__":
    main()
