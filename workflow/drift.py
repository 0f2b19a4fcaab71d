"""Where results came out otherwise than committed, though command, parameters and code are the committed ones.

    python -m workflow.drift        # `make repro` ends with it

One line a stage, in the order of the pipeline. `first` is said of a stage that read nothing but committed bytes: there this
machine computes differently; `follows` of one whose inputs had come out otherwise before. Of metrics it says how many moved,
and which one farthest relative to its size. Says nothing where all is as committed, or there is no commit to compare with.
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
from workflow.lock import FILE, Lock

COMMIT = "HEAD"


def committed(path: str) -> str | None:
    """The text of a file as the commit has it; None where it has none, or there is no git."""
    try:
        return subprocess.run(["git", "show", f"{COMMIT}:{path}"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def drifted(then: Lock, now: Lock) -> Iterator[tuple[str, list[str], list[str]]]:
    """Stages that were made alike and whose outputs differ, in the order of `now`: name, these outputs, stages that it follows."""
    differ: set[str] = set()
    for name in now.in_order():
        old, new = then.stages.get(name), now.stages[name]
        if old is None or _made_by(old) != _made_by(new):
            continue
        before = {out["path"]: out.get("md5") for out in old.get("outs", [])}
        outs = [out["path"] for out in new.get("outs", []) if out.get("md5") != before.get(out["path"])]
        if outs:
            differ.add(name)
            yield name, outs, [other for other in now.before(name) if other in differ]


def _made_by(entry: dict[str, Any]) -> Any:
    """What makes two runs of a stage the same computation, its data apart."""
    return entry["cmd"], entry.get("params"), [dep for dep in entry.get("deps", []) if dep["path"].startswith(CODE)]


def moved(file: str) -> str:
    """How far the numbers of a metrics file lie from those of the commit, in words; nothing where it holds none."""
    old, new = _numbers(committed(file)), _numbers(Path(file).read_text(encoding="utf-8") if Path(file).exists() else None)
    changed = {key: new[key] - old[key] for key in old.keys() & new.keys() if old[key] != new[key]}
    if not old or not new or not changed:
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


def line(name: str, outs: list[str], follows: list[str]) -> str:
    """A stage's line."""
    why = f"follows {follows[0]}" + (f" and {len(follows) - 1} more" if len(follows) > 1 else "") if follows else "first"
    numbers = [text for text in map(moved, outs) if text]
    return f"{name}: {why}: {'; '.join(numbers) or ', '.join(outs)}"


def report() -> list[str]:
    """The lines, with one before them that says what they are."""
    text = committed(FILE.as_posix())
    if text is None or not FILE.exists():
        return []
    lines = [line(*found) for found in drifted(Lock(text=text), Lock())]
    if not lines:
        return []
    number = "1 stage" if len(lines) == 1 else f"{len(lines)} stages"
    return [f"{number} came out otherwise than committed, by the same command, parameters and code:", *lines]


def main() -> None:
    try:
        lines = report()
    except UserError as error:
        sys.exit(f"error: {error}")
    print("\n".join(lines), end="\n" if lines else "")


if __name__ == "__main__":
    main()
