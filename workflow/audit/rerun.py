"""Run again what made a number, from nothing, and compare: a temporary clone with an empty cache, in this environment.

The clone is the commit plus what the working tree has changed, so that what runs is what is in force. The stages that led to the
target run, of a cell no other trainings than its own: a stage that would read these too does without them, and of what it makes
the target's own part is compared. All other outputs are compared whole, by their checksums in dvc.lock.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import md5
from stages.core.metrics import Record
from stages.tables.results import Results
from workflow.audit.compare import differences
from workflow.audit.target import TableCell, Target, find
from workflow.kept import is_metrics
from workflow.lock import BEFORE_STAGES, Lock, lock_files
from workflow.release import git


def rerun(words: list[str], dry: bool = False) -> tuple[str, bool]:
    """Make a cell, file, figure or stage again; what came out, and whether it is the same (within the tolerance of its cells).

    dry : only say which stages would run.

    Raises UserError for an unknown target, results that are not those in force, and a stage that fails.
    """
    target = find(words)
    if target.release:
        raise UserError(f"{target.title} comes from the release {target.release}: check out its commit, `git checkout {_commit(target)}`")
    if not target.stages:
        raise UserError(f"no stage of this project has made {target.title}: there is nothing to run again")
    lock = Lock()
    chain = in_order(target, lock)
    if dry:
        return "\n".join(chain), True
    partial = partly(chain, lock)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        clone_here(clone)
        print(f"running {len(chain)} stages again, in a clone with an empty cache", file=sys.stderr)
        _repro(chain, clone)
        again = Lock(clone)
        lines, same = [], True
        for name in chain:
            unlike, what = _compare_part(name, lock, clone, target) if name in partial else _compare(name, lock, again, clone)
            lines += [f"{name}: {sentence}" for sentence in unlike] or [f"{name}: {what}"]
            same = same and not unlike
        if not same and target.cells:
            judged = [_judge(one, clone) for one in target.placed]
            lines += [sentence for sentence, _ in judged]
            same = all(within for _, within in judged)
    verdict = "the same came out" if same else "something else came out"
    return "\n".join([*lines, f"{target.title}: {verdict}"]), same


def in_order(target: Target, lock: Lock) -> list[str]:
    """The stages to run, in an order in which they can: those that led to the target, and whatever they cannot do without.

    Of a folder that several stages fill, a stage can do with some; what one stage alone makes it needs, though the target may not
    come from it.
    """
    wanted = set(target.chain)
    pending = list(wanted)
    while pending:
        for dep in lock.stages[pending.pop()].get("deps", []):
            maker = lock.maker(dep["path"])
            if maker and maker not in wanted:
                wanted.add(maker)
                pending.append(maker)
    return [name for name in lock.in_order() if name in wanted]


def partly(chain: list[str], lock: Lock) -> set[str]:
    """The stages of the chain that are to read less than dvc.lock says, or what such a stage makes."""
    found: set[str] = set()
    for name in chain:
        before = lock.before(name)
        if any(other not in chain or other in found for other in before):
            found.add(name)
    return found


def _commit(target: Target) -> str:
    return json.loads(Path(f"reports/releases/{target.release}/release.json").read_text())["commit"]


def clone_here(clone: Path) -> None:
    """Clone the commit, and over it whatever differs from it here; without the results of any stage."""
    git("clone", "--quiet", "--no-hardlinks", ".", str(clone))
    changed = git("-c", "core.quotePath=false", "status", "--porcelain", "--untracked-files=all", "--no-renames")
    for line in changed.splitlines():
        file = Path(line[3:].strip('"'))
        if file.is_dir():  # a repository of its own in this one: no part of it
            continue
        if file.exists():
            (clone / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, clone / file)
        else:
            (clone / file).unlink(missing_ok=True)
    # Results that came with the clone would be taken as they are; and DVC writes all entries of its lock again for each stage that runs.
    for name, entry in Lock(clone).stages.items():
        for out in entry["outs"]:
            place = clone / out["path"]
            if name not in BEFORE_STAGES and place.exists():
                shutil.rmtree(place) if place.is_dir() else place.unlink()
    for file in lock_files(clone):
        file.unlink()


def _repro(stages: list[str], clone: Path) -> None:
    """Run these stages, one after the other."""
    mine = Path(sys.executable).parent
    place = {"PATH": f"{mine}{os.pathsep}{os.environ['PATH']}", "DVC_SITE_CACHE_DIR": str(clone.parent / "site"), "DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "workflow.repro", "--force", "--single-item", *stages]
    done = subprocess.run(command, cwd=clone, env={**os.environ, **place}, capture_output=True, text=True)
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("error:", "ERROR:"))]
        raise UserError(f"the run in the clone failed: {' '.join(last) or done.stderr[-500:]}")


def _compare(name: str, lock: Lock, again: Lock, clone: Path) -> tuple[list[str], str]:
    """How a stage's outputs differ from those in dvc.lock, a sentence for each file; and what to say if none does."""
    outs = lock.stages[name]["outs"]
    sentences = []
    for out in outs:
        now = again.hashes.get(out["path"])
        if now == out["md5"]:
            continue
        here = Path(out["path"])
        if here.exists() and md5(here) == out["md5"]:
            sentences += [f"{out['path']}: {sentence}" for sentence in differences(here, clone / here)]
        else:
            sentences.append(f"{out['path']} has the checksum {now}, in dvc.lock it is {out['md5']}; the output itself is not here")
    return sentences, f"equal bytes ({len(outs)} outputs)"


def _compare_part(name: str, lock: Lock, clone: Path, target: Target) -> tuple[list[str], str]:
    """The same of a stage that read less than then: of what it made only the target's part can be compared, if it made any."""
    outs = [out["path"] for out in lock.stages[name]["outs"]]
    named = {record.predictions for record in target.records if record.predictions} | set(target.files)
    part = sorted(path for path in named if any(path == out or path.startswith(f"{out}/") for out in outs))
    unlike: list[str] = []
    for path in map(Path, part):
        if is_metrics(path):
            unlike += _other_values(target.records, path, clone / path)
        elif not path.exists() or not (clone / path).exists():
            unlike.append(f"{path} is not {'here to compare with' if not path.exists() else 'made again'}")
        else:
            unlike += [f"{path}: {sentence}" for sentence in differences(path, clone / path)]
    return unlike, "this number's part is equal" if part else "made without what this number does not come from"


def _other_values(records: list[Record], here: Path, there: Path) -> Iterator[str]:
    """Which of these records of a metrics file have another value in another, or none."""
    then, now = ({record.identity: record.value for record in metrics.read(file).records} for file in (here, there))
    for record in records:
        key = record.identity
        if key in then and now.get(key) != then[key]:
            seed = "" if record.seed is None else f", seed {record.seed}"
            yield f"{record.model} {record.metric}{seed}: value was {then[key]}, is {now.get(key, 'not there')}"


def _judge(one: TableCell, clone: Path) -> tuple[str, bool]:
    """Whether a cell's new value lies within its tolerance of the one at hand."""
    table, cell = one.table, one.cell
    name = f"{cell.row.label}, {cell.column.heading}"
    if cell.run is None or not cell.run.values:
        return f"{name}: no value of this run to compare", True
    experiment = cell.run.experiment  # a stand-in's is another than the column's
    files = {file.stem: metrics.read(file) for file in (clone / f"reports/metrics/{table.chapter}").glob(f"{experiment}.json")}
    now = cell.column.measure(table.rows, cell.row, Results("rerun", files))
    if now is None:
        return f"{name}: the run in the clone has no such value", False
    away = abs(now.mean - cell.run.mean)
    within = away == 0 or (cell.tolerance is not None and away <= cell.tolerance)
    bound = f"within the stated tolerance of {cell.tolerance:.4g}" if within else f"the stated tolerance is {cell.tolerance or 0:.4g}"
    return f"{name}: was {cell.run.mean:g}, is {now.mean:g}; {'equal' if away == 0 else bound}", within
