"""Which cells of the tables differ between two commits, releases or scales, and which of their inputs do.

Values are those in the column `run` of each side's table CSVs, matched by table, row and column. The inputs of a cell are
those of the stages that led to it and that made something else on the other side: data, code modules, parameters and
commands from each side's dvc.lock and fingerprints, packages and machine from run records. A commit has no records: those
at hand serve where they are of the same outputs, and else requirements.lock tells the packages.
"""

import csv
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import md5
from stages.core.metrics import Dataset, MetricsFile
from stages.core.stage import PACKAGES
from stages.tables.transcript import Table
from workflow import runs
from workflow.audit.explain import SOURCE, SOURCES, code, flat
from workflow.audit.target import RELEASES, Evidence, Origin, at_hand, choose, entry, evidence_of, load, of_release, published
from workflow.lock import PIPELINES, Lock, load_yaml

PARTS = ("dvc.lock", PIPELINES.as_posix(), "params.yaml", "requirements.lock", "reports/code", "reports/metrics", "reports/tables")
FACTS = ("device", "gpu", "threads", "precision")
NOTHING = "nothing"

Key = tuple[str, str, str]
"""Table, row and column of a cell."""


@dataclass
class Side:
    """One of the two: its results, where its params.yaml and requirements.lock are, and what its cells say."""

    name: str
    origin: Origin
    root: Path
    scale: str
    cells: dict[Key, str]
    commit: bool
    files: dict[str, dict[str, MetricsFile]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    """What the other side calls a stage -> what this one does, where it makes the same under another name."""

    def own(self, stage: str) -> str:
        """What this side calls a stage of the other's name."""
        return self.renamed.get(stage, stage)

    def metrics(self, chapter: str) -> dict[str, MetricsFile]:
        """The metrics files of a chapter, by experiment."""
        if chapter not in self.files:
            found = {}
            for file in sorted((self.origin.reports / "metrics" / chapter).glob("*.json")):
                if file.name != "layers.json":
                    found[file.stem] = metrics.read(file)
            self.files[chapter] = found
        return self.files[chapter]

    def record(self, stage: str) -> dict[str, Any] | None:
        """The stage's run record, if there is one that is not of another run."""
        stage = self.own(stage)
        found = runs.read(stage, self.origin.lock.stages.get(stage, {"cmd": ""}), self.origin.runs)
        if found is None:
            return None
        made = found.get("made")
        outs = {out["path"]: out.get("md5") for out in self.origin.lock.stages.get(stage, {}).get("outs", [])}
        # A record that does not say what it made is believed of the results that it was written with only.
        return found if made == outs or (made is None and not self.commit) else None

    def requirements(self) -> dict[str, str]:
        file = self.root / "requirements.lock"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        pins = dict(line.split()[0].split("==", 1) for line in lines if "==" in line and not line.startswith(("#", " ")))
        return {name: version for name, version in pins.items() if name in PACKAGES}


def diff(a: str, b: str) -> str:
    """The cells that differ between `a` and `b`, grouped by the inputs that do. Raises UserError where either is not known."""
    with ExitStack() as stack:
        return _compare(side(a, stack), side(b, stack))


# ---------------------------------------------------------------------------------------------------------- sides


def side(name: str, stack: ExitStack) -> Side:
    """The working tree ("."), a release, a scale or a commit, as one side of the comparison."""
    if name == ".":
        return _working_tree()
    releases = _releases()
    if name in releases:
        return _release(name, releases[name])
    here = _scale(Path())
    if name == here:
        return _working_tree()
    of_scale = sorted((str(facts.get("date")), release) for release, facts in releases.items() if facts.get("scale") == name)
    if of_scale:
        newest = of_scale[-1][1]
        return _release(newest, releases[newest])
    scales = [file.stem for file in Path("workflow/scales/scale").glob("*.yaml")]
    if name in scales:
        raise UserError(f"scale {name} has no release, and the working tree is at scale {here or 'of none'}: give a commit or a release")
    commit = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    if not commit:
        refs = _git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags").split()
        names = [".", *releases, *scales, *refs]
        raise UserError(f"there is no commit, release or scale {name}: {choose(name, dict.fromkeys(names))}")
    return _commit(name, commit, Path(stack.enter_context(tempfile.TemporaryDirectory())))


def _working_tree() -> Side:
    return _side("the working tree", at_hand(), Path(), "the working tree has no dvc.lock or no tables: run `dvc repro`")


def _release(name: str, facts: dict[str, Any]) -> Side:
    commit = str(facts.get("commit") or "")[:7]
    about = f"release {name}, commit {commit or 'not stated'}"
    return _side(about, of_release(name), RELEASES / name, f"release {name} has no dvc.lock or no tables: restore it from git")


def _commit(name: str, commit: str, folder: Path) -> Side:
    short = commit[:7]
    about = f"commit {short}" if commit.startswith(name) else f"commit {short} ({name})"
    present = _git("ls-tree", "--name-only", commit, *PARTS).split("\n")
    present = [part for part in present if part]
    if present:
        done = subprocess.run(["git", "archive", commit, *present], capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:  # Python before 3.11.4; git's own archive stays in its folder anyway
                archive.extractall(folder)
    origin = Origin("", folder / "reports", Lock(folder), Path("data/runs"))
    return _side(about, origin, folder, f"{about} has no dvc.lock or no tables: nothing had run there", commit=True)


def _side(name: str, origin: Origin, root: Path, empty: str, commit: bool = False) -> Side:
    cells = _cells(origin.reports / "tables")
    if not origin.lock.stages or not cells:
        raise UserError(empty)
    return Side(name, origin, root, _scale(root), cells, commit)


def _cells(folder: Path) -> dict[Key, str]:
    """The value of each cell that has one, with the deviation over seeds."""
    found = {}
    for file in sorted(folder.glob("*/*.csv")):
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            if not {"table", "row", "column", "run"} <= set(reader.fieldnames or []):
                continue
            for row in reader:
                if row["run"]:
                    found[row["table"], row["row"], row["column"]] = row["run"] + (f" ± {row['run_sd']}" if row.get("run_sd") else "")
    return found


def _releases() -> dict[str, dict[str, Any]]:
    found = {}
    for file in sorted(RELEASES.glob("[!.]*/release.json")):
        try:
            found[file.parent.name] = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise UserError(f"{file} is not valid JSON: restore it from git") from None
    return found


def _scale(root: Path) -> str:
    file = root / "params.yaml"
    try:
        values = load_yaml(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return str(values.get("scale", ""))
    except (yaml.YAMLError, AttributeError):
        raise UserError(f"{file} is not a file of parameters: restore it from git, or run `python -m workflow.scale mini`") from None


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


# ------------------------------------------------------------------------------------------------------ comparison


def _renamed(a: Side, b: Side) -> dict[str, str]:
    """A's names of stages that make what a stage of B makes under a name that A has not, each with B's."""
    of_a, of_b = (
        {frozenset(_unscaled(out["path"]) for out in one.get("outs", [])): name for name, one in side.origin.lock.stages.items()}
        for side in (a, b)
    )
    return {of_a[outs]: name for outs, name in of_b.items() if outs in of_a and name not in a.origin.lock.stages}


def _compare(a: Side, b: Side) -> str:
    b.renamed = _renamed(a, b)
    keys = list(dict.fromkeys([*a.cells, *b.cells]))
    differing = [key for key in keys if a.cells.get(key) != b.cells.get(key)]
    one_sided = [sum(key not in other.cells for key in differing) for other in (b, a)]
    lines = [f"A: {a.name}, scale {a.scale or 'not stated'}", f"B: {b.name}, scale {b.scale or 'not stated'}"]
    both = len(keys) - sum(one_sided)
    counted = (
        f"{both} cells on both sides, of which {len(differing) - sum(one_sided)} differ; {one_sided[0]} in A only, {one_sided[1]} in B only"
    )
    if behind := [name for one in (a, b) if one.root == Path() for name in _behind(one)]:
        made = f"reports/tables of {', '.join(dict.fromkeys(behind))}"
        lines += [f"The working tree's metrics have changed since {made} were made: `python -m workflow.repro` makes them again."]
    if not differing:
        same = f"{len(keys)} cells, the same values."
        return "\n".join([*lines, f"The tables as they are: {same}" if behind else f"Nothing differs: {same}"])
    tables = {table.id: table for table in (load(file) for file in published().values())}
    groups: dict[tuple[str, ...], list[Key]] = {}
    for key in differing:
        groups.setdefault(tuple(_causes(a, b, key, tables.get(key[0]))), []).append(key)
    lines += [counted]
    for causes, members in groups.items():
        lines += ["", f"{len(members)} cell{'s' if len(members) > 1 else ''}, A -> B"]
        lines += [f"  {_title(key, tables)}: {a.cells.get(key, NOTHING)} -> {b.cells.get(key, NOTHING)}" for key in members]
        lines += ["what differs in what led to them:" if causes else "what differs in what led to them: nothing that is recorded"]
        lines += [f"  {cause}" for cause in causes]
    return "\n".join(lines)


def _behind(side: Side) -> list[str]:
    """The chapters whose tables at hand are not made of the metrics at hand, by the lock's checksums."""
    inputs = {
        chapter: dep
        for name, one in side.origin.lock.stages.items()
        for dep in one.get("deps", [])
        if dep["path"] == f"reports/metrics/{(chapter := name.partition('@')[2])}" and name == f"tables@{chapter}"
    }
    return [chapter for chapter, dep in inputs.items() if not Path(dep["path"]).exists() or md5(Path(dep["path"])) != dep.get("md5")]


def _title(key: Key, tables: dict[str, Table]) -> str:
    name = tables[key[0]].title if key[0] in tables else f"Table {key[0]}"
    return f"{name} {key[1]} {key[2]}"


def _causes(a: Side, b: Side, key: Key, table: Table | None) -> list[str]:
    """What differs between the two chains of a cell: data, code, parameters, packages, machine, in this order."""
    found = [_evidence(one, key, table) if key in one.cells else None for one in (a, b)]
    absent = [place for place, one in enumerate(found) if one is None]
    if len(absent) == 2 or any(one is None and key in s.cells for one, s in zip(found, (a, b), strict=True)):
        return ["not known: the transcribed tables or the lock do not lead to this cell"]
    known = [one for one in found if one]
    of_a = {theirs: ours for ours, theirs in b.renamed.items()}
    chain = list(dict.fromkeys(of_a.get(name, name) for one in known for name in one.chain))
    stages = [name for name in chain if _differs(a, b, name)]
    if not stages and table:  # the same numbers: it is how the table was made of them
        stages = [name for name in (f"tables@{table.chapter}",) if _differs(a, b, name)]
    causes = [*_made(a, b, stages), *_data(a, b, stages, [one.dataset if one else None for one in found])]
    causes += [*_code(a, b, stages), *_parameters(a, b, stages), *_records(a, b, stages)]
    return list(dict.fromkeys(causes))


def _evidence(one: Side, key: Key, table: Table | None) -> Evidence | None:
    if table is None:
        return None
    row = next((row for row in table.rows if row.id == key[1]), None)
    column = next((column for column in table.columns if column.id == key[2]), None)
    if row is None or column is None or not column.is_own(row):
        return None
    try:
        return evidence_of(one.origin, table, row, column, one.metrics(table.chapter))
    except UserError:
        return None  # no stage of that side's lock made the file


def _entry(one: Side, stage: str) -> dict[str, Any]:
    return one.origin.lock.stages.get(one.own(stage), {})


def _differs(a: Side, b: Side, stage: str) -> bool:
    """Whether a stage's outputs do: inputs that changed without changing these are no reason for anything.

    The stage `code` is none either: it reads all of stages/, and what a stage ran with is in its own fingerprint.
    """
    x, y = _entry(a, stage), _entry(b, stage)
    outs = [{_unscaled(out["path"]): out.get("md5") for out in one.get("outs", [])} for one in (x, y)]
    return outs[0] != outs[1] and "reports/code" not in outs[0].keys() | outs[1]


def _shared(a: Side, b: Side, stages: Iterable[str]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    return [(name, _entry(a, name), _entry(b, name)) for name in stages if _entry(a, name) and _entry(b, name)]


def _made(a: Side, b: Side, stages: list[str]) -> list[str]:
    """Stages that one side has not, by entry: so that the models of one list make one group. And changed commands."""
    causes = []
    for name in stages:
        for one, other, letter in ((a, b, "B"), (b, a, "A")):
            if _entry(one, name) and not _entry(other, name):
                causes.append(f"stage       {letter} has no such instance of {entry(name)}")
    return causes + [f"command     {x['cmd']} -> {y['cmd']}" for _, x, y in _shared(a, b, stages) if x.get("cmd") != y.get("cmd")]


def _data(a: Side, b: Side, stages: list[str], stated: list[Dataset | None]) -> list[str]:
    causes = []
    kinds = [found.kind if found else None for found in stated]
    if all(kinds) and kinds[0] != kinds[1]:
        causes.append(f"data        kind: {kinds[0]} -> {kinds[1]}")
    for _, x, y in _shared(a, b, stages):
        for one, other in _outs(x, y):
            if (match := SOURCE.fullmatch(one["path"])) and one.get("md5") != other.get("md5"):
                causes.append(f"data        {match[1]}: md5 {one.get('md5')} -> {other.get('md5')}")
        archives = [flat(entry_.get("params", {}).get(SOURCES, {})) for entry_ in (x, y)]
        if archives[0].keys() & archives[1].keys():  # else the one is official and the other generated, which has been said
            causes += [f"data        {change}" for change in _changes(*archives)]
    for _, x, y in _shared(a, b, stages):
        given = [{d["path"]: d.get("md5") for d in e.get("deps", []) if not s.origin.lock.maker(d["path"])} for e, s in ((x, a), (y, b))]
        inside = [[path for path in paths if _is_input(s.origin.lock, path)] for paths, s in zip(given, (a, b), strict=True)]
        for path in sorted({*inside[0]} & {*inside[1]}):
            if given[0][path] != given[1][path]:
                causes.append(f"data        {path}: md5 {given[0][path]} -> {given[1][path]}")
    return causes


def _outs(x: dict[str, Any], y: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The outputs of a stage's two entries, in pairs: below data/, the scale is part of the path."""
    outs = [{_unscaled(out["path"]): out for out in one.get("outs", [])} for one in (x, y)]
    return [(outs[0][path], outs[1][path]) for path in outs[0] if path in outs[1]]


def _unscaled(path: str) -> str:
    parts = path.split("/")
    return "/".join(["data", *parts[2:]]) if parts[0] == "data" and len(parts) > 2 else path


def _is_input(lock: Lock, path: str) -> bool:
    """Whether no stage makes it or anything in it."""
    return not any(out.startswith(path + "/") for out in lock.makers)


def _code(a: Side, b: Side, stages: list[str]) -> list[str]:
    causes = []
    for name, x, y in _shared(a, b, stages):
        hashes = [[dep.get("md5") for dep in one.get("deps", []) if dep["path"].startswith("reports/code/")] for one in (x, y)]
        if hashes[0] == hashes[1]:
            continue
        (before, gone), (after, lost) = code(a.origin, name), code(b.origin, b.own(name))
        if gone or lost:
            which = ", ".join(dep["path"] for dep in y.get("deps", []) if dep["path"].startswith("reports/code/"))
            causes.append(f"code        {which}; modules not known: the fingerprint that the stage ran with is not there")
            continue
        for module in sorted(before.keys() | after):
            if before.get(module) != after.get(module):
                what = "changed" if module in before and module in after else "in A only" if module in before else "in B only"
                causes.append(f"code        {module} {what}")
    return sorted(set(causes))


def _parameters(a: Side, b: Side, stages: list[str]) -> list[str]:
    causes = []
    for _, x, y in _shared(a, b, stages):
        for file in sorted((x.get("params", {}).keys() | y.get("params", {}).keys()) - {SOURCES}):
            values = [flat(one.get("params", {}).get(file, {})) for one in (x, y)]
            causes += [f"parameter   {change}" for change in _changes(*values)]
    return sorted(set(causes))


def _changes(x: dict[str, Any], y: dict[str, Any]) -> list[str]:
    return [f"{key}: {_shown(x, key)} -> {_shown(y, key)}" for key in sorted(x.keys() | y.keys()) if _shown(x, key) != _shown(y, key)]


def _shown(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return NOTHING
    return values[key] if isinstance(values[key], str) else json.dumps(values[key])


def _records(a: Side, b: Side, stages: list[str]) -> list[str]:
    """Packages and machines by the stages' run records; where one side has none of a stage, packages by requirements.lock."""
    shared = [name for name, _, _ in _shared(a, b, stages)]
    pairs = [(x, y) for name in shared if (x := a.record(name)) and (y := b.record(name))]
    packages, machines = [], []
    for x, y in pairs:
        packages += [f"package     {change}" for change in _changes(x.get("packages", {}), y.get("packages", {}))]
        facts = [{**one.get("machine", {}), **{key: one[key] for key in FACTS if one.get(key) is not None}} for one in (x, y)]
        machines += [f"machine     {change}" for change in _changes(*facts)]
    if len(pairs) < len(shared):
        if not packages:
            packages = [f"package     {change} (requirements.lock)" for change in _changes(a.requirements(), b.requirements())]
        if not machines:
            without = [letter for one, letter in ((a, "A"), (b, "B")) if not all(one.record(name) for name in shared)]
            machines = [f"machine     not known: {' and '.join(without)} without run records of these results"]
    return [*packages, *machines]
