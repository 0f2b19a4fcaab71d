"""Do releases hold? Each by its own lock file; and its numbers, computed again from the predictions that it keeps."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from stages.core import stage
from stages.core.errors import UserError
from workflow import kept
from workflow.audit.record import Record
from workflow.audit.verify import Files, Report, get, read_json, replay, text
from workflow.lock import Lock, load_yaml, nested_params


def differences(folder: Path, files: Files) -> Iterator[str]:
    """What in a release is not as its own lock file has it."""
    lock = Lock(folder)
    claimed = {folder / "release.json", folder / "params.yaml", folder / "dvc.lock", folder / "requirements.lock"}
    claimed |= {folder / name for name in ("verdicts.csv", "claims.json", kept.FACTS)}
    if (folder / kept.FACTS).exists():
        claimed |= kept.packed_files(read_json(folder / kept.FACTS), folder)
    for name, entry in lock.stages.items():
        for out in entry.get("outs", []):
            copy = folder / Path(out["path"]).relative_to("reports") if out["path"].startswith("reports/") else None
            if copy is None or "figures" in copy.parts:
                continue  # data is judged by itself, and figures that show photos are not released
            claimed |= {copy, *copy.rglob("*")}
            if not copy.exists():
                yield f"{copy} is missing: {name} made it"
            elif files.md5(copy) != out["md5"]:
                yield f"{copy} is not what {name} made, by the release's dvc.lock"
        record = folder / "runs" / f"{name}.json"
        claimed.add(record)
        if record.exists():
            made = read_json(record).get("made")
            if made is not None and made != {out["path"]: out["md5"] for out in entry.get("outs", [])}:
                yield f"{record} is the record of another run than the one in the release's dvc.lock"
    params = load_yaml((folder / "params.yaml").read_text())
    for name, entry in lock.stages.items():
        for key, value in entry.get("params", {}).get("params.yaml", {}).items():
            if (ours := get(params, key)) != value:
                yield f"{folder / 'params.yaml'}: {key} is {text(ours)}, and {name} was made with {text(value)}"
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file not in claimed and "figures" not in file.relative_to(folder).parts:
            yield f"{file}: no stage of the release's dvc.lock made it"


def recompute(folder: Path, report: Report, record: Record) -> None:
    """Compute a release's metrics again from the predictions that it keeps: by the evaluation's code in force, else by its own commit's.

    Not if the record knows them: of the release and the code nothing has changed since they came out equal.
    """
    if not (folder / kept.FACTS).exists():
        return
    facts, lock = read_json(folder / kept.FACTS), Lock(folder)
    title = f"release {folder.name}"
    jobs = [job_of(name, lock) for name in kept.evaluations(facts, lock)]
    key = record.key(jobs, [folder])
    if known := record.ask(title, key):
        report.notes += known["notes"]
        report.holds.append(f"{title}: {known['numbers']} numbers as recorded by an earlier audit")
        return
    breaks: list[str] = []
    notes: list[str] = []
    numbers = 0
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as parent:
        outs = f"{parent}/outs"
        breaks += kept.restore(facts, folder, lock, Path(root))
        for again in jobs if not breaks else []:
            unlike = _other_numbers(folder, again, Path(outs), partial(replay, again, Path(outs), Path(root)))
            then = _other_numbers(folder, again, Path(outs), partial(_replay_then, folder, again, outs, root)) if unlike else []
            breaks += [f"{title}, {again.name} recomputed by its own code: {sentence}" for sentence in then]
            if unlike and not then:
                notes.append(f"{title}, {again.name}: as released by its own code; that in force computes {unlike[0]}")
            if not then:
                numbers += sum(len(kept.values(folder / Path(out).relative_to("reports"))) for out in again.outs)
    report.notes += notes
    report.add(breaks, f"{title}: {numbers} numbers recomputed from the predictions that it keeps")
    if not breaks:
        record.add(title, key, numbers=numbers, notes=notes)


def _other_numbers(folder: Path, job: stage.Job, again: Path, compute: Callable[[], object]) -> list[str]:
    """How numbers of a release differ from those that `compute` writes below `again`; or why it did not."""
    shutil.rmtree(again, ignore_errors=True)
    again.mkdir()
    try:
        compute()
    except Exception as error:  # whatever code of another time makes of them
        return [f"{type(error).__name__}: {error}"]
    sentences = []
    for out in job.outs:
        then, now = kept.values(folder / Path(out).relative_to("reports")), kept.values(again / out)
        for key in sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key)):
            sentences.append(f"{out}: {', '.join(str(part) for part in key if part)} was {then.get(key)}, is {now.get(key)}")
    return sentences


REPLAY = """
import argparse, importlib, json, shlex, sys
from pathlib import Path
from stages.core import stage

class Replay(stage.Job):
    def out(self, path):
        (Path(outs) / path).parent.mkdir(parents=True, exist_ok=True)
        return Path(outs) / path

outs, job = json.loads(sys.argv[1])
_, _, module, *words = shlex.split(job[1])
loaded = importlib.import_module(module)
parser = loaded.parser() if hasattr(loaded, "parser") else argparse.ArgumentParser()
loaded.main(parser.parse_args(words), Replay(*job))
"""


def _replay_then(folder: Path, job: stage.Job, outs: str, root: str) -> None:
    """Run a release's stage by the code of its commit, in a process of its own."""
    commit = read_json(folder / "release.json")["commit"]
    archive = subprocess.run(["git", "archive", commit, "stages"], capture_output=True)
    if archive.returncode:
        raise UserError(f"its commit {commit[:8]} is not here, whose code could tell: `git fetch --unshallow`")
    with tempfile.TemporaryDirectory() as code_then:
        subprocess.run(["tar", "x", "-C", code_then], input=archive.stdout, check=True)
        what = json.dumps([outs, [job.name, job.command, job.deps, job.outs, job.params]])
        command = [sys.executable, "-c", REPLAY, what]
        done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": code_then}, capture_output=True, text=True)
    if done.returncode:
        raise UserError(done.stderr.strip().rpartition("\n")[2])


def job_of(name: str, lock: Lock) -> stage.Job:
    """A stage as a lock file has it."""
    entry = lock.stages[name]
    deps, outs = ([item["path"] for item in entry.get(key, [])] for key in ("deps", "outs"))
    return stage.Job(name, entry["cmd"], deps, outs, nested_params(entry))
