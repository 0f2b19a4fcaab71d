"""Does every number still follow from what is said to have made it?

From the tables down: tables and metrics files are made again from what they were made from (stored predictions, no model);
every result belongs to a stage of dvc.lock; what the lock says of commands, parameters and checksums is what is in force
here, in the working tree and in DVC's cache; and code, packages and run records are those that made it. Releases likewise,
by their own locks. Sentences name the file and say what is wrong.
"""

import argparse
import configparser
import contextlib
import hashlib
import importlib
import io
import json
import re
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core import metrics, stage
from stages.core.errors import UserError
from stages.core.files import files_of, md5_of_folder, sha256
from workflow import code, environment, kept, runs
from workflow.audit.compare import differences
from workflow.audit.record import Record
from workflow.lock import BEFORE_STAGES, Lock, committed, lock_files, nested_params, untrained

RELEASES = Path("reports/releases")
RESULTS = ("reports/metrics", "reports/tables", "reports/figures")
# What can be made again in seconds, from stored predictions or from metrics files alone.
RECOMPUTED = ("reports/metrics/", "reports/tables/", "reports/conclusions.md")
INPUTS = ("/predictions/", "reports/metrics/", "reports/tables/")
# Folders of results that stages depend on as a whole, for the lists of what is in them are parameters.
COARSE = re.compile(r"^data/[^/]+/models/|^reports/metrics/")


@dataclass
class Report:
    """What holds, what does not (`breaks`) and what could not be judged here (`notes`), a sentence each."""

    holds: list[str] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, breaks: list[str], holds: str) -> None:
        """The outcome of one check: its breaks, or if there are none what holds."""
        self.breaks += breaks
        if not breaks:
            self.holds.append(holds)

    def text(self) -> str:
        parts = {"holds": self.holds, "note ": self.notes, "BREAK": self.breaks}
        lines = [f"{mark}  {sentence}" for mark, sentences in parts.items() for sentence in sentences]
        return "\n".join([*lines, f"{len(self.breaks)} breaks" if self.breaks else "every number is accounted for"])


@dataclass
class Replay(stage.Job):
    """A stage run for its outputs alone, which go to `folder`."""

    folder: Path = Path()

    def out(self, path: str) -> Path:
        aside = self.folder / path
        aside.parent.mkdir(parents=True, exist_ok=True)
        return aside


class Files:
    """Checksums of files, each file read once however many names it has."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], str] = {}
        self.bytes = 0
        self.pool = ThreadPoolExecutor(4)  # hashing lets other threads run

    def md5(self, path: Path) -> str:
        """As dvc.lock has it."""
        files = files_of(path)
        sums = dict(zip(files, self.pool.map(self._one, files) if len(files) > 1 else map(self._one, files), strict=True))
        return md5_of_folder({file.relative_to(path).as_posix(): value for file, value in sums.items()}) if path.is_dir() else sums[path]

    def _one(self, file: Path) -> str:
        facts = file.stat()
        key = (facts.st_dev, facts.st_ino)
        if key not in self.known:
            with file.open("rb") as stream:
                self.known[key] = hashlib.file_digest(stream, "md5").hexdigest()
            self.bytes += facts.st_size
        return self.known[key]


def problems() -> list[str]:
    """What does not hold, with everything recomputed; empty if all does. Raises UserError where nothing has run."""
    return verify(everything=True).breaks


def verify(everything: bool = False) -> Report:
    """Check everything. Raises UserError where nothing has run, or the lock or a parameter file cannot be read.

    everything : also recompute what an earlier audit found equal, and of which nothing has changed since.
    """
    if not lock_files():
        raise UserError("nothing has run here, there is no dvc.lock: run `dvc repro` first")
    lock, report, files = Lock(), Report(), Files()
    declared = graph()
    if absent := sorted(untrained({name: job.outs for name, job in declared.items()}, lock)):
        report.notes.append(f"{len(absent)} trainings have never run, such as {absent[0]}: no number is of them")
        declared = {name: job for name, job in declared.items() if name not in absent}
    report.add(declarations(declared, lock), f"{len(declared)} stages: commands, paths and parameters in dvc.lock are those in force")
    fingerprints = code.contents()
    report.add(code_changes(fingerprints), "the code fingerprints are those of the code")
    report.add(packages(), f"{len(environment.pins(Path('requirements.lock')))} packages are those of requirements.lock")
    checksums(lock, declared, files, report)
    run_records(lock, declared, report)
    report.add(list(unclaimed(lock)), "every file of reports/metrics, tables and figures was made by a stage of dvc.lock")
    record = Record(files.md5, fingerprints, everything)
    recompute(declared, report, record)
    from workflow.audit import releases

    for folder in sorted(place for place in RELEASES.glob("[!.]*") if place.is_dir()):  # one with a dot is being written
        releases.check(folder, files, report, record)
    record.write()
    return report


def graph() -> dict[str, stage.Job]:
    """Every stage instance as dvc.yaml declares it, by name: from data/graph.json while that is current, else resolved by DVC."""
    if stage.GRAPH.exists():
        content = json.loads(stage.GRAPH.read_text())
        if all(Path(file).exists() and sha256(Path(file)) == digest for file, digest in content["made_from"].items()):
            return {about["name"]: stage.Job(command=command, **about) for command, about in content["stages"].items()}
    from workflow.graph import resolve

    return {step.name: stage.Job(step.name, step.command, step.deps, step.outs, step.params, step.file) for step in resolve()}


def declarations(declared: dict[str, stage.Job], lock: Lock) -> list[str]:
    """Where dvc.lock says otherwise than dvc.yaml and the parameter files."""
    sentences = []
    for name, job in declared.items():
        entry = lock.stages.get(name)
        if entry is None:
            sentences.append(f"{name} has not run: dvc.lock has no entry for it")
            continue
        if entry["cmd"] != job.command:
            sentences.append(f"{name}: {lock.files[name]} has the command `{entry['cmd']}`, {job.file} `{job.command}`")
        for key, ours in (("deps", job.deps), ("outs", job.outs)):
            theirs = [item["path"] for item in entry.get(key, [])]
            if unlike := sorted(set(ours) ^ set(theirs)):
                sentences.append(f"{name}: {unlike[0]} is among its {key} in only one of {job.file} and {lock.files[name]}")
        sentences += [
            f"{name}: made with {key} = {text(theirs)}, in force is {text(ours)}"
            for key, theirs, ours in _unlike(nested_params(entry), job.params)
        ]
    return sentences


def code_changes(wanted: dict[str, str]) -> list[str]:
    """Code fingerprints that are not those of the code at hand, which are `wanted`."""
    return [f"{file} is not the fingerprint of the code as it is: run `dvc repro code`" for file in code.changes(wanted)]


def packages() -> list[str]:
    """Packages that are not those of requirements.lock."""
    return environment.differences(environment.pins(Path("requirements.lock")))


def checksums(lock: Lock, declared: dict[str, stage.Job], files: Files, report: Report) -> None:
    """Every output and every input against the checksum in dvc.lock, in the working tree and in DVC's cache."""
    breaks: list[str] = []
    missing: list[str] = []
    left: list[str] = []
    objects = 0
    cache = cache_folder()
    for name in declared.keys() & lock.stages.keys():
        entry = lock.stages[name]
        for out in entry.get("outs", []):
            stored = list(_objects(cache, out["md5"]))
            objects += sum(place.exists() for place, _ in stored)
            spoilt = [place for place, value in stored if place.exists() and files.md5(place) != value]
            breaks += [f"{out['path']}: its copy in the cache, {place}, has been changed or is damaged" for place in spoilt]
            path = Path(out["path"])
            if path.exists():
                if files.md5(path) != out["md5"]:
                    breaks.append(f"{out['path']} is not what {name} made: {_which(path, cache, out['md5'], files)}")
            elif not all(place.exists() for place, _ in stored) or not stored:
                (left if _is_left(name, entry) else missing).append(out["path"])
        for dep in entry.get("deps", []):
            path, maker = Path(dep["path"]), lock.hashes.get(dep["path"])
            if name in BEFORE_STAGES:
                continue  # their inputs count by what they do, and that has been checked
            if maker and maker != dep["md5"]:
                breaks.append(f"{name} was made from another {dep['path']} than the one that {lock.maker(dep['path'])} made")
            elif not maker and path.exists() and files.md5(path) != dep["md5"]:
                breaks.append(f"{name} was made from another {dep['path']} than the one here: run `python -m workflow.repro {name}`")
    if missing:
        breaks.append(
            f"{len(missing)} outputs are neither here nor in DVC's cache, such as {missing[0]}: run `dvc pull` or `dvc repro`; "
            "all else that is reported here was verified without them"
        )
    if left:
        report.notes.append(f"{len(left)} outputs were left where a bundle made them, such as {left[0]}: dvc.lock has their checksums")
    report.add(
        breaks, f"{len(files.known)} files and {objects} objects in the cache ({files.bytes / 1e6:.0f} MB): the checksums of dvc.lock"
    )


def _is_left(stage: str, entry: dict[str, Any]) -> bool:
    """Whether a bundle made the stage's outputs elsewhere, and left them there."""
    return not (runs.read(stage, entry) or {}).get("returned", True)


def cache_folder() -> Path:
    """Where DVC keeps its cache."""
    config = configparser.ConfigParser()
    config.read([".dvc/config", ".dvc/config.local"])
    place = config.get("cache", "dir", fallback="cache").strip("\"'")
    return Path(".dvc") / place / "files/md5"


def _objects(cache: Path, value: str) -> Iterator[tuple[Path, str]]:
    """The objects in the cache that make up one output, with their checksums."""
    place = cache / value[:2] / value[2:]
    yield place, value.removesuffix(".dir")
    if value.endswith(".dir") and place.exists():
        try:
            members = json.loads(place.read_text())
            yield from ((cache / item["md5"][:2] / item["md5"][2:], item["md5"]) for item in members)
        except (ValueError, KeyError, TypeError):
            return  # its own checksum says so


def _which(path: Path, cache: Path, value: str, files: Files) -> str:
    """Which file of an output differs from what the lock has, as far as DVC's cache or git can tell."""
    place = cache / value[:2] / value[2:]
    if not path.is_dir():
        return "its checksum differs"
    if place.exists():
        try:
            then = {item["relpath"]: item["md5"] for item in json.loads(place.read_text())}
        except (ValueError, KeyError, TypeError):
            return "its checksum differs, and its list in the cache is damaged"
        now = {file.relative_to(path).as_posix(): files.md5(file) for file in path.rglob("*") if not file.is_dir()}
        return f"{', '.join(sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name)))} differs"
    from workflow.release import git

    changed = [line[3:] for line in git("status", "--porcelain", "--", str(path)).splitlines()]
    return f"{', '.join(changed)} differs from the commit" if changed else "its checksum differs"


def run_records(lock: Lock, declared: dict[str, stage.Job], report: Report) -> None:
    """Run records against the lock: the same outputs, made with the packages in force unless a bundle made them elsewhere.

    A stage that never opened what it depends on is noted, for it is made again for nothing; and another Python than the one in
    force, if it is one of ours: over those, code fingerprints and results are the same.
    """
    now = stage.packages()
    breaks: list[str] = []
    absent, elsewhere, coarse, wide = [], [], [], []
    then = committed()
    before = then.stages if then else {}
    others: dict[str, list[str]] = {}
    chosen = {name: lock.stages[name] for name in (declared.keys() & lock.stages.keys()) - BEFORE_STAGES}
    for name, entry in sorted(chosen.items()):
        record = runs.read(name, entry)
        if record is None:
            absent.append(name)
            if runs.others(name) and entry != before.get(name):
                breaks.append(
                    f"{name}: of what dvc.lock has of it there is no run record, though there are of other runs: was it committed by hand? "
                    f"`make pull` may fetch the record, `python -m workflow.repro -f -s {name}` makes it"
                )
            continue
        outs = {out["path"]: out["md5"] for out in entry.get("outs", [])}
        unopened = record.get("unopened", [])
        coarse += [f"{name} of {path}" for path in unopened if COARSE.search(path)][:1]
        wide += [f"{name} {path}" for path in unopened if not COARSE.search(path)][:1]
        if record.get("made") != outs:
            breaks.append(f"{runs.record_path(name, entry)} is the record of another run of {name} than the one in dvc.lock")
        elif "bundle" in record:
            elsewhere.append(name)
        elif unlike := [key for key, then in record["packages"].items() if not _alike(key, then, now.get(key, "none"))]:
            then = record["packages"][unlike[0]]
            breaks.append(
                f"{name} was made with {unlike[0]} {then}, in force is {now.get(unlike[0], 'none')}: "
                f"run `python -m workflow.repro -f -s {name}`"
            )
        elif (python := record["packages"]["python"]) != now["python"]:
            others.setdefault(python, []).append(name)
    report.add(breaks, f"{len(chosen) - len(absent)} run records: of these very outputs, with the packages in force")
    if elsewhere:
        report.notes.append(f"made elsewhere, by a bundle, with the machine and packages in their run records: {', '.join(elsewhere)}")
    report.notes += [
        f"made by Python {python}, in force is {now['python']}, with the same packages: {len(names)} stages, such as {names[0]}"
        for python, names in sorted(others.items())
    ]
    if wide:
        report.notes.append(f"{len(wide)} stages declare what they never opened, such as {wide[0]}: their entries in dvc.yaml are too wide")
    if coarse:
        report.notes.append(f"{len(coarse)} stages depend on a whole folder of results and need some of them: no need {coarse[0]}")
    if absent:
        report.notes.append(f"{len(absent)} stages have no run record here, such as {absent[0]}: when and where they ran is not known")


def unclaimed(lock: Lock) -> Iterator[str]:
    """Results, and predictions named by results, that no stage of the lock made."""
    for folder in RESULTS:
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file() and lock.maker(file.as_posix()) is None:
                yield f"{file}: no stage of dvc.lock made it"
    for file in sorted(Path("reports/metrics").glob("*/*.json")):
        if not kept.is_metrics(file):
            continue  # facts that are not metrics, such as layer descriptions
        try:
            records = metrics.read(file).records
        except UserError as error:
            yield str(error)
            continue
        for place in sorted({folder for record in records for folder in record.networks}):
            maker = lock.maker(file.as_posix())
            if maker and lock.maker(place) not in lock.chain(maker):
                yield f"{file} names {place} as what was trained for it, which the stage that made it does not come from"
        for path in sorted({record.predictions for record in records if record.predictions}):
            if lock.maker(path) is None:
                yield f"{file} names the predictions {path}, which no stage of dvc.lock made"
            elif Path(_out_of(path, lock)).exists() and not Path(path).exists():
                yield f"{file} names the predictions {path}, which {lock.maker(path)} did not make"


def recompute(declared: dict[str, stage.Job], report: Report, record: Record) -> None:
    """Make metrics files and tables again from stored predictions and metrics files, and compare them byte by byte.

    Not those that the record knows: of them nothing has changed since they came out equal.
    """
    breaks: list[str] = []
    now, before = Counter[str](), Counter[str]()
    for name, job in declared.items():
        if not (all(out.startswith(RECOMPUTED) for out in job.outs) and any(part in f"{dep}/" for dep in job.deps for part in INPUTS)):
            continue
        absent = [path for path in job.deps if not Path(path).exists()]
        if absent:
            report.notes.append(f"{name} cannot be recomputed: {absent[0]} is not here")
            continue
        key = record.key([job], map(Path, [*job.deps, *job.outs]))
        if known := record.ask(name, key):
            before.update(known)
            continue
        found = _unlike_again(name, job)
        breaks += found
        if not found:
            equal = [Path(out) for out in job.outs if Path(out).exists()]
            made = {"outputs": len(equal), "numbers": sum(map(_count, equal))}
            now.update(made)
            record.add(name, key, **made)
    known_before = f"; {before['outputs']} with {before['numbers']} as recorded by an earlier audit" if before["outputs"] else ""
    report.add(
        breaks,
        f"recomputed from stored predictions and metrics files: {now['outputs']} outputs with {now['numbers']} numbers and cells, "
        f"all equal{known_before}",
    )


def _unlike_again(name: str, job: stage.Job) -> list[str]:
    """What comes out otherwise when a stage's outputs are made again, or why they cannot be."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            replay(job, Path(folder))
        except Exception as error:  # what changed inputs make a stage do, above all
            return [f"{name} cannot be recomputed from what is here: {type(error).__name__}: {error}"]
        return [
            f"{out}, recomputed by {name}: {sentence}"
            for out in job.outs
            if Path(out).exists()
            for sentence in differences(Path(out), Path(folder) / out)
        ]


def replay(job: stage.Job, folder: Path, root: Path = Path()) -> None:
    """Run a stage's `main` in this process, with what it reads below `root` and its outputs below `folder`."""
    _, _, module, *words = shlex.split(job.command)
    loaded = importlib.import_module(module)
    parser = loaded.parser() if hasattr(loaded, "parser") else argparse.ArgumentParser()
    again = Replay(job.name, job.command, job.deps, job.outs, job.params, folder=folder)
    with contextlib.chdir(root), contextlib.redirect_stderr(io.StringIO()):  # what it says to whoever runs it
        loaded.main(parser.parse_args(words), again)


def _out_of(path: str, lock: Lock) -> str:
    """The output that `path` is or lies in."""
    return next(place for place in (path, *map(str, Path(path).parents)) if place in lock.makers)


def _count(path: Path) -> int:
    """Numbers of a metrics file, cells of tables."""
    if path.is_dir():
        return sum(max(0, len(file.read_text().splitlines()) - 1) for file in path.glob("table_*.csv"))
    return path.read_text().count('"value":') if path.suffix == ".json" else 0


def read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is not valid JSON ({error}): {restored(file)}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file} holds no JSON object: {restored(file)}")
    return content


def restored(file: Path) -> str:
    """What brings a file of results back: the stage that made it, or for a release's git."""
    return "restore it from git" if file.is_relative_to(RELEASES) else "run the stage again"


def get(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _unlike(then: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted keys under which two nested mappings differ, with both values."""
    if isinstance(then, dict) and isinstance(now, dict):
        for part in [*then, *(part for part in now if part not in then)]:
            yield from _unlike(then.get(part), now.get(part), f"{key}.{part}".strip("."))
    elif then != now:
        yield key, then, now


def text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


def _alike(package: str, then: str, now: str) -> bool:
    """Whether results made with the one version are those of the other."""
    if package == "python":
        return environment.minor(then) in environment.PYTHONS
    return _public(then) == _public(now)


def _public(version: str) -> str:
    return version.partition("+")[0]
