"""What a user means by "table 2.2" cfn-b cifar10, a figure, a file or a stage; and which stages of a lock file made it.

`find` answers with a Target. Each of its numbers has Evidence: the metrics file and records that it is read from, and the
chain of stages that led there, without those that the last stages read too and that this number does not come from.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.metrics import Dataset, MetricsFile, Record
from stages.tables import ledger, transcript
from stages.tables.columns import Column, Row, Times
from stages.tables.ledger import Cell
from stages.tables.results import THIS_RUN, Measurement, Results, load_releases, load_results
from stages.tables.transcript import Table
from workflow.kept import is_metrics
from workflow.lock import FILE, Lock, descriptions, is_training, name_of

PUBLISHED = Path("stages/tables/published")
RELEASES = Path("reports/releases")
FIGURES = Path("reports/figures")
FIGURE = re.compile(r"fig(?:ure)?s?[\s._]*(\d+[._]\d+[a-z]?)", re.IGNORECASE)


@dataclass(frozen=True)
class Origin:
    """A whole set of results: those at hand, or a release's. `reports` is where it keeps what dvc.lock has under reports/."""

    release: str
    reports: Path
    lock: Lock
    runs: Path

    @property
    def name(self) -> str:
        return f"release {self.release}" if self.release else THIS_RUN

    @property
    def lock_file(self) -> str:
        return (self.reports / FILE.name if self.release else FILE).as_posix()

    def path(self, path: str) -> Path:
        """Where a file lies that dvc.lock has as `path`."""
        return self.reports / Path(path).relative_to("reports") if path.startswith("reports/") else Path(path)


@dataclass(frozen=True)
class Evidence:
    """Where one value comes from.

    `file` is a metrics file or an output, as dvc.lock has it ("" for times, which stand in run records); `records` those of
    its records that the value is made of; `stages` made it; `chain` is they and what led to them, nearest first; `aside` are
    stages that the chain reads too and that the value does not come from.
    """

    origin: Origin
    file: str
    stages: tuple[str, ...]
    chain: tuple[str, ...]
    aside: tuple[str, ...] = ()
    records: tuple[Record, ...] = ()
    dataset: Dataset | None = None
    measurement: Measurement | None = None


@dataclass(frozen=True)
class TableCell:
    """A cell of the ledger with the evidence for its values: this run's first, then the releases'."""

    table: Table
    cell: Cell
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Target:
    """What the user means; `kind` is table, figure, stage or file. `placed` holds a table's cells, `others` the evidence for the rest."""

    kind: str
    title: str
    placed: tuple[TableCell, ...] = ()
    others: tuple[Evidence, ...] = ()

    @property
    def cells(self) -> list[Cell]:
        return [found.cell for found in self.placed]

    @property
    def evidence(self) -> list[Evidence]:
        return [*(evidence for found in self.placed for evidence in found.evidence), *self.others]

    @property
    def release(self) -> str:
        """The release that it comes from, where it does not come from the results at hand."""
        names = [evidence.origin.release for evidence in self.evidence]
        return names[0] if names and all(names) else ""

    @property
    def stages(self) -> list[str]:
        """The stages of dvc.lock, not of a release's, that made it."""
        return self._at_hand("stages")

    @property
    def chain(self) -> list[str]:
        """Those stages and what led to them, nearest first."""
        return self._at_hand("chain")

    @property
    def files(self) -> list[str]:
        """The metrics files or outputs at hand that hold it."""
        return list(dict.fromkeys(e.file for e in self.evidence if e.file and not e.origin.release))

    @property
    def records(self) -> list[Record]:
        return list(dict.fromkeys(record for e in self.evidence if not e.origin.release for record in e.records))

    def _at_hand(self, what: str) -> list[str]:
        return list(dict.fromkeys(name for e in self.evidence if not e.origin.release for name in getattr(e, what)))


def find(words: list[str]) -> Target:
    """The target that the words name. Raises UserError with near matches, or where nothing has run."""
    words = [word for part in words for word in part.split()]
    if not words:
        raise UserError('say what is meant: a cell such as "table 2.2" cfn-b cifar10, a figure, a file or a stage')
    for reading in (_table, _figure, _stage, _file):
        if target := reading(words):
            return target
    raise UserError(f"there is no {' '.join(words)}: {_near(words)}")


def at_hand(root: Path = Path()) -> Origin:
    """The results in a working tree."""
    return Origin("", root / "reports", Lock(root), root / "data/runs")


def of_release(name: str) -> Origin:
    """The results of a release."""
    folder = RELEASES / name
    return Origin(name, folder, Lock(folder), folder / "runs")


def entry(stage: str) -> str:
    """The entry of dvc.yaml that a stage instance belongs to."""
    return stage.partition("@")[0]


# --------------------------------------------------------------------------------------------------------- tables


def published() -> dict[str, Path]:
    """The transcribed tables by name, such as "table 2.2", without reading them."""
    files = [file for chapter in transcript.chapters(PUBLISHED) for file in transcript.table_files(PUBLISHED / chapter)]
    names = {" ".join(file.stem.split("_", 1)).replace("_", "."): file for file in files}
    return dict(sorted(names.items()))


def load(file: Path) -> Table:
    """One transcribed table."""
    return transcript.load_table(file, transcript.load_references(PUBLISHED))


def _table(words: list[str]) -> Target | None:
    names = {_key(name): file for name, file in published().items()}
    count = next((n for n in (1, 2) if _key(" ".join(words[:n])) in names), None)
    if count is None:
        return None
    table = load(names[_key(" ".join(words[:count]))])
    rows, columns = _place(table, words[count:])
    where = ", ".join([table.title, *([rows[0].label] if len(rows) == 1 else []), *([columns[0].heading] if len(columns) == 1 else [])])
    run = load_results(Path("reports/metrics") / table.chapter)
    releases = load_releases(RELEASES, table.chapter)
    origins = {THIS_RUN: at_hand()}
    cells = []
    for cell in ledger.resolve(table, run, releases):
        if cell.row in rows and cell.column in columns:
            cells.append(TableCell(table, cell, tuple(_cell_evidence(table, cell, [run, *releases], origins))))
    if not cells:
        filled = ", ".join(column.id for column in table.columns if column.id in rows[0].cells)
        raise UserError(f"{where}: the thesis prints nothing there; row {rows[0].id} has {filled}")
    ours = [cell for cell in cells if cell.cell.verdict]
    if ours and not any(cell.evidence for cell in ours) and not origins[THIS_RUN].lock.stages:
        raise UserError(f"{where}: {_nothing_has_run()}")
    return Target("table", where, tuple(cells))


def _place(table: Table, words: list[str]) -> tuple[list[Row], list[Column]]:
    """The rows and columns that the words name; all where they name none. Labels may be of several words."""
    if not words:
        return list(table.rows), list(table.columns)
    rows: list[Row] = []
    rest = words
    for count in range(len(words), 0, -1):
        found = _named(table.rows, "label", " ".join(words[:count]))
        if found and count == len(words):
            return found, list(table.columns)
        if found and (columns := _named(table.columns, "heading", " ".join(words[count:]))):
            return found, columns
        if found and not rows:
            rows, rest = found, words[count:]
    if not rows:
        raise UserError(f"{table.title} has no row {words[0]}: {choose(words[0], [row.id for row in table.rows])}")
    wanted = " ".join(rest)
    raise UserError(f"{table.title} has no column {wanted}: {choose(wanted, [column.id for column in table.columns])}")


def _named(things: Iterable[Any], label: str, text: str) -> list[Any]:
    """The things whose id is `text`, else those whose label is."""
    things = list(things)
    by_id = [thing for thing in things if _key(thing.id) == _key(text)]
    return by_id or [thing for thing in things if _key(getattr(thing, label)) == _key(text)]


def _cell_evidence(table: Table, cell: Cell, sources: list[Results], origins: dict[str, Origin]) -> Iterator[Evidence]:
    by_name = {results.source: results for results in sources}
    for found in _measurements(cell):
        if found.source not in origins:
            origins[found.source] = of_release(found.source)
        origin = origins[found.source]
        yield evidence_of(origin, table, cell.row, cell.column, by_name[found.source].metrics, found)


def _measurements(cell: Cell) -> list[Measurement]:
    return [found for found in (cell.run, *cell.releases.values()) if found]


def evidence_of(
    origin: Origin, table: Table, row: Row, column: Column, files: dict[str, MetricsFile], found: Measurement | None = None
) -> Evidence:
    """Where the value of a cell comes from in `origin`, whose metrics files are given by experiment."""
    if isinstance(column, Times):
        timed = [name for other in column.timed(table.rows, row) for name in origin.lock.stages if other.is_timed_by(name)]
        chain, aside = narrowed(origin.lock, timed)
        return Evidence(origin, "", tuple(timed), chain, aside, (), found.dataset if found else None, found)
    # a stand-in's metrics file is another than the column's
    experiment = found.experiment if found and found.experiment else column.experiment_of(row)
    file = f"reports/metrics/{table.chapter}/{experiment}.json"
    content = files.get(experiment)
    records = column.records(row, content) if content else ()
    return _of_file(origin, file, records, content.dataset if content else None, found)


# --------------------------------------------------------------------------------------- figures, stages and files


def _figure(words: list[str]) -> Target | None:
    match = FIGURE.fullmatch(" ".join(words))
    if match is None:
        return None
    number = match[1].lower().replace("_", ".")
    stem = re.compile(rf"figure_{number.replace('.', '_')}[a-z]?")
    files = [file.as_posix() for file in sorted(FIGURES.glob("*/*")) if stem.fullmatch(file.stem)]
    if not files:
        return None
    origin = at_hand()
    return Target("figure", f"Figure {number}", others=tuple(_of_file(origin, file) for file in files))


def _stage(words: list[str]) -> Target | None:
    if len(words) != 1:
        return None
    origin, word = at_hand(), name_of(words[0])
    names = [name for name in origin.lock.stages if word in (name, entry(name))]
    if names:
        return Target("stage", word, others=(Evidence(origin, "", tuple(names), narrowed(origin.lock, names)[0]),))
    if entry(word) in descriptions() and not origin.lock.stages:
        raise UserError(f"{word}: {_nothing_has_run()}")
    if entry(word) in descriptions() and entry(word) not in {entry(name) for name in origin.lock.stages}:
        raise UserError(f"{word} has not run, no lock file has it: run `python -m workflow.repro {word}`")
    return None


def _file(words: list[str]) -> Target | None:
    path = Path(" ".join(words))
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if path.is_relative_to(RELEASES) and len(path.parts) > 3 and (RELEASES / path.parts[2]).is_dir():
        origin = of_release(path.parts[2])
        declared = Path("reports", *path.parts[3:]).as_posix()
    else:
        origin, declared = at_hand(), path.as_posix()
    made, there = origin.lock.made_in(declared), origin.path(declared).exists()
    out = next((place.as_posix() for place in (Path(declared), *Path(declared).parents) if place.as_posix() in origin.lock.makers), "")
    # What is not at hand may be explained, but not what its folder, which is, does not hold.
    if made and (there or not out or out == declared or not origin.path(out).exists()):
        return Target("file", path.as_posix(), others=(_of_file(origin, declared),))
    if there and not origin.lock.stages and declared.startswith(("reports/", "data/")):
        raise UserError(f"{path}: {_nothing_has_run()}")
    if there:
        raise UserError(f"{path} is made by no stage of {origin.lock_file}, which could explain it: `git log {path}` says where it is from")
    return None


def _of_file(
    origin: Origin,
    file: str,
    records: tuple[Record, ...] | None = None,
    dataset: Dataset | None = None,
    found: Measurement | None = None,
) -> Evidence:
    """The evidence for a file, or for some of its records (None: for all, if it is a metrics file)."""
    made = origin.lock.made_in(file)
    if not made:
        if not origin.lock.stages:
            raise UserError(
                f"{file}: {_nothing_has_run()}" if not origin.release else f"{origin.name} lacks its {FILE}: restore it from git"
            )
        raise UserError(f"{origin.path(file)} is made by no stage of {origin.lock_file}: run `dvc repro`, or restore the two from git")
    place = origin.path(file)
    if records is None and file.startswith("reports/metrics/") and is_metrics(place):
        content = metrics.read(place)
        records, dataset = content.records, content.dataset
    predictions = {record.predictions for record in records or () if record.predictions}
    chain, aside = narrowed(origin.lock, made, _trained(origin, file, records), dataset.name if dataset else "", predictions)
    return Evidence(origin, file, tuple(made), chain, aside, records or (), dataset, found)


# --------------------------------------------------------------------------------------------------------- chains


def _trained(origin: Origin, file: str, records: Iterable[Record] | None) -> set[str] | None:
    """What was trained for these records of a metrics file, or for a file of predictions, by the records that name it.

    None where it is not known: `file` is neither, or was written before records said what they are of.
    """
    if "/predictions/" in file:
        files = sorted((origin.reports / "metrics").glob("*/*.json"))
        found = [record for path in files if is_metrics(path) for record in metrics.read(path).records]
        records = [record for record in found if record.predictions == file]
    else:
        found = list(metrics.read(origin.path(file)).records) if records else []
    if not records or not any(record.networks for record in found):
        return None
    return {folder for record in records for folder in record.networks}


def narrowed(
    lock: Lock,
    stages: list[str],
    trained: set[str] | None = None,
    dataset: str = "",
    predictions: Iterable[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What led to `stages`, nearest first; and which stages they read too that a number does not come from.

    trained : the folders of what was trained for the number, of which there may be none; None if that is not known. Then nothing
    is left out; else other trainings are, and of a folder into which several stages write those that neither led to what was
    trained, nor made these predictions, nor have the data set's name, if any of the folder's does.
    """
    makers = {lock.maker(model) for model in trained or ()}
    needed = {name for maker in makers if maker for name in lock.chain(maker)}
    needed |= {maker for path in predictions if (maker := lock.maker(path))}  # itself alone: it may have read other networks too
    depth = dict.fromkeys(stages, 0)
    aside: set[str] = set()
    pending = list(stages)
    while pending:
        stage = pending.pop(0)
        for dep in lock.stages[stage].get("deps", []):
            sources = lock.made_in(dep["path"])
            kept = _led_there(lock, sources, needed, dataset) if trained is not None else sources
            aside |= set(sources) - set(kept)
            for name in kept:
                # as far back as the longest way to it, so that no stage comes before one that reads it
                if depth.get(name, -1) <= depth[stage]:
                    depth[name] = depth[stage] + 1
                    pending.append(name)
    return tuple(sorted(depth, key=lambda name: depth[name])), tuple(sorted(aside - set(depth)))


def _led_there(lock: Lock, sources: list[str], needed: set[str], dataset: str) -> list[str]:
    own = [name for name in sources if name in needed or not is_training(out["path"] for out in lock.stages[name].get("outs", []))]
    chosen = [name for name in own if name in needed or (dataset and name.partition("@")[2] == dataset)]
    return chosen or own


def _key(text: str) -> str:
    """Text without case and punctuation, so that "Table 2.2", table_2_2 and table2.2 are one."""
    return re.sub(r"[\s._]+", ".", re.sub(r"([a-z])(\d+[._]\d)", r"\1.\2", text.strip().lower()))


def _near(words: list[str]) -> str:
    text = " ".join(words)
    lock = Lock()
    figures = {f"figure {file.stem.removeprefix('figure_').replace('_', '.')}" for file in FIGURES.glob("*/figure_*")}
    files = [*lock.makers, *(file.as_posix() for file in [*Path("reports").glob("*/*/*.*"), *RELEASES.glob("*/*/*/*.*")])]
    names = [*published(), *sorted(figures), *lock.stages, *sorted({entry(name) for name in lock.stages}), *files]
    # A table's name is only the first words of a cell's.
    starts = [" ".join(words[:2])] if words[0].lower() in ("table", "text") else []
    found = [name for start in [*starts, text] for name in get_close_matches(start, list(dict.fromkeys(names)), 5, 0.6)]
    if found:
        return f"did you mean {', '.join(dict.fromkeys(found))}?"
    known = ", ".join([*published(), *sorted(figures)])
    return f"give one of {known}, a stage of {FILE} or a file that a stage made"


def choose(word: str, names: Iterable[str]) -> str:
    """The names near to `word`, or all of them, as an error's last words."""
    by_key = {_key(name): name for name in names}
    near = [by_key[name] for name in get_close_matches(_key(word), by_key, 5, 0.5)]
    return f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(by_key.values())}"


def _nothing_has_run() -> str:
    return f"nothing has run here, there is no {FILE}: run `dvc repro`"
