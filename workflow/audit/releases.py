"""Do releases hold? Each by its own lock file; and its numbers, computed again from the predictions that it keeps."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from stages.core import stage
from stages.core.errors import UserError
from stages.core.files import files_of, md5, md5_of_folder
from workflow import kept
from workflow.audit import verdicts
from workflow.audit.record import Record
from workflow.audit.verify import Files, Report, get, read_json, replay, text
from workflow.lock import Lock, git, load_yaml, nested_params

RELEASED = re.compile("reports/(code|metrics|tables|figures)(/|$)")
NEEDED = ("dvc.lock", "release.json", "params.yaml", "requirements.lock")


def differences(folder: Path, files: Files) -> Iterator[str]:
    """What in a release is not as its own lock file has it."""
    lock = Lock(folder)
    claimed = {folder / "release.json", folder / "params.yaml", folder / "dvc.lock", folder / "requirements.lock"}
    listed: dict[str, dict[str, str]] = {}
    claimed |= {folder / name for name in ("verdicts.csv", "claims.json", kept.FACTS)}
    if (folder / kept.FACTS).exists():
        claimed |= kept.packed_files(kept.facts(folder), folder)
        listed = kept.facts(folder)["figures"]
    commit = read_json(folder / "release.json").get("commit")
    lists = "FIGURES =" in (git("show", f"{commit}:workflow/kept.py") or "") if verdicts.is_commit(commit) else False
    for name, entry in lock.stages.items():
        for out in entry.get("outs", []):
            if not RELEASED.match(out["path"]):
                continue  # data is judged by itself, reports/params, conclusions.md and figures.md are of what the release has
            copy = folder / Path(out["path"]).relative_to("reports")
            claimed |= {copy, *copy.rglob("*")}
            if "figures" in copy.parts:
                if out["path"] in listed:
                    yield from _other_figures(copy, out, listed[out["path"]], name)
                elif lists:
                    yield f"{folder / kept.FACTS} does not speak of {out['path']}, which {name} made: restore it from git"
                elif copy.exists() and files.md5(copy) != out["md5"]:  # of an older release, perhaps only for what was left out
                    yield from (f"{file} is not as git has it since the release" for file in _changed_since(folder, copy))
                continue
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
        if file.is_file() and file not in claimed:
            yield f"{file}: no stage of the release's dvc.lock made it"


def _changed_since(folder: Path, place: Path) -> list[str]:
    """Files below a place of a release that are not as in the commit that the release came with; none where git does not know."""
    since = (git("log", "-1", "--diff-filter=A", "--format=%H", "--", f"{folder / 'release.json'}") or "").strip()
    return (git("diff", "--name-only", "--relative", since, "--", place.as_posix()) or "").splitlines() if since else []


def _other_figures(copy: Path, out: dict[str, Any], listed: dict[str, str], stage: str) -> Iterator[str]:
    """Figures of one output that are not those that the stage made: by the checksums of all that it made, of which not all is released."""
    if (md5_of_folder(listed) if list(listed) != ["."] else listed["."]) != out["md5"]:
        yield f"{copy}: the checksums in {kept.FACTS} are not those of what {stage} made, by the release's dvc.lock"
        return
    for file in files_of(copy) if copy.exists() else []:
        if listed.get(file.relative_to(copy).as_posix()) != md5(file):
            yield f"{file} is not what {stage} made, by the release's dvc.lock"


def _unjudged_figures(folder: Path, files: Files) -> Iterator[str]:
    """Folders of figures of which the release has a part, and not the checksums of all: they are in kept.json since kept.py lists them."""
    listed = kept.facts(folder)["figures"]
    for path, md5_then in Lock(folder).hashes.items():
        copy = folder / Path(path).relative_to("reports") if path.startswith(kept.FIGURES) and path not in listed else None
        if copy and copy.exists() and files.md5(copy) != md5_then:
            yield path


def check(folder: Path, files: Files, report: Report, record: Record) -> None:
    """All of a release; what it lacks, or what cannot be read, is a break."""
    if absent := [name for name in NEEDED if not (folder / name).is_file()]:
        report.breaks.append(f"{folder / absent[0]} is missing: every release has one; restore it from git")
        return
    try:
        report.add(
            list(differences(folder, files)), f"release {folder.name}: metrics, tables, code and parameters are those of its own dvc.lock"
        )
        if places := list(_unjudged_figures(folder, files)):
            report.notes.append(f"release {folder.name}: figures not judged, for they were released without others of {', '.join(places)}")
        recompute(folder, report, record)
        verdicts.check(folder, report, record)
    except UserError as error:
        report.breaks.append(str(error))


def recompute(folder: Path, report: Report, record: Record) -> None:
    """Compute a release's metrics again from the predictions that it keeps: by the evaluation's code in force, else by its own commit's.

    Not if the record knows them: of the release and the code nothing has changed since they came out equal.
    """
    title, lock = f"release {folder.name}", Lock(folder)
    if not (folder / kept.FACTS).exists() and not _keeps(folder, report):
        return
    facts = kept.facts(folder)
    report.breaks += (unspoken := list(kept.unspoken(facts, folder, lock)))
    if left := list(facts["left"]):
        report.notes.append(f"{title}: not recomputed from predictions that are too large to keep: {len(left)}, such as {left[0]}")
    jobs = [job_of(name, lock) for name in kept.evaluations(facts, lock)]
    if unspoken or not jobs:
        return
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
    if not numbers and not breaks:
        breaks.append(f"{title}: the metrics that its predictions are for have no numbers")
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


def _keeps(folder: Path, report: Report) -> bool:
    """Whether a release without kept.json should have one, for the code of its commit writes it where metrics name predictions."""
    try:
        with verdicts.code_of(read_json(folder / "release.json").get("commit")) as then:
            return (then / "workflow/kept.py").exists()
    except verdicts.NotHereError as error:
        report.notes.append(f"release {folder.name}: it has no {kept.FACTS}; whether it should is not known: {error}")
        return False


def _replay_then(folder: Path, job: stage.Job, outs: str, root: str) -> None:
    """Run a release's stage by the code of its commit, in a process of its own."""
    with verdicts.code_of(read_json(folder / "release.json").get("commit")) as code_then:
        what = json.dumps([outs, [job.name, job.command, job.deps, job.outs, job.params]])
        command = [sys.executable, "-c", REPLAY, what]
        done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(code_then)}, capture_output=True, text=True)
    if done.returncode:
        raise UserError(done.stderr.strip().rpartition("\n")[2])


def job_of(name: str, lock: Lock) -> stage.Job:
    """A stage as a lock file has it."""
    entry = lock.stages[name]
    deps, outs = ([item["path"] for item in entry.get(key, [])] for key in ("deps", "outs"))
    return stage.Job(name, entry["cmd"], deps, outs, nested_params(entry))
