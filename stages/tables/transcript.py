"""The thesis's tables as transcribed in published/*.yaml: reading and checking them.

Values are strings, exactly as printed; where nothing is printed, the row has no cell. A table's own cells name what
reproduces them (a column its metrics file and metric, a row its model), cited rows name their work in references.yaml;
a row may do both. What is wrong with a malformed file is one sentence: file, place, key.
"""

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import UserError

SOURCES = ("metrics", "layers", "times", "none")
# kind -> the keys that it needs besides kind and origin
TOLERANCES = {"binomial": "n confidence", "fixed": "half_width n", "rounding": "", "quotient_rounding": ""}


@dataclass(frozen=True)
class Tolerance:
    """How far from the printed value still counts as within, and why.

    `n` test items, and `confidence` for binomial or `half_width`, in the printed unit, for fixed.
    """

    kind: str
    origin: str
    n: int | None = None
    confidence: float | None = None
    half_width: float | None = None


@dataclass(frozen=True)
class Column:
    """A column, and where our values of it are: `metric` in the metrics file `experiment`.

    Where results lack that file, the same metric of `stand_in`, whose data set stands in for the thesis's, is shown and never
    judged. `cannot_run` is why the column's times cannot be compared, if its rows have other columns that can.
    """

    id: str
    heading: str
    source: str
    unit: str = ""
    experiment: str | None = None
    dataset: str | None = None
    metric: str | None = None
    tolerance: Tolerance | None = None
    stand_in: str | None = None
    cannot_run: str = ""


@dataclass(frozen=True)
class Row:
    """A row: computed here (`model`, `stage` or `ratio` of two rows, or layers), cited (`reference`), or both.

    `experiment` is the metrics file of this row's values where it is not the columns'. `fact` is a key in the run record
    of `stage`, or of its one instance; without it, `stage` stands for its trainings of all seeds.
    """

    id: str
    label: str
    cells: dict[str, str]
    model: str | None = None
    reference: int | None = None
    cited: str = ""
    experiment: str | None = None
    stage: str | None = None
    fact: str | None = None
    ratio: tuple[str, ...] = ()
    cannot_run: str = ""
    layers: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """A remark on the cells where `rows` and `columns` meet; empty means all."""

    text: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def covers(self, row: str, column: str) -> bool:
        return (not self.rows or row in self.rows) and (not self.columns or column in self.columns)


@dataclass(frozen=True)
class Table:
    """One transcribed table; `name` is its file's, `id` its number in the thesis.

    `column_heading` says what the columns are if the thesis has them as rows; the table is then laid out as there.
    """

    name: str
    id: str
    chapter: str
    section: str
    caption: str
    row_heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    column_heading: str = ""

    @property
    def title(self) -> str:
        return f"Table {self.id}" if self.id[0].isdigit() else self.id.capitalize()

    def row(self, row: str) -> Row:
        return next(candidate for candidate in self.rows if candidate.id == row)


@dataclass(frozen=True)
class Printed:
    """A printed number: its value and the step of its last digit, in full units (0.224M is 224000 in steps of 1000)."""

    value: Decimal
    step: Decimal


def experiment_of(row: Row, column: Column) -> str | None:
    """The metrics file that the value of a cell is in."""
    return row.experiment or column.experiment


def printed_number(text: str) -> Printed | None:
    """Read "15.57", ".762", "8.27%", "0.224M", "2.06KB" (of 1,024 bytes), "512×4", "1,500" or "768" as printed; None if it is no number."""
    if re.fullmatch(r"\d+(×\d+)+", text):
        return Printed(Decimal(math.prod(map(int, text.split("×")))), Decimal(1))
    whole = text.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+", text) else text
    match = re.fullmatch(r"(\d*\.?\d+)(M|KB|%)?", whole)
    if match is None:
        return None
    number, units = Decimal(match[1]), Decimal({"M": 10**6, "KB": 2**10}.get(match[2], 1))
    return Printed(number * units, Decimal(1).scaleb(int(number.as_tuple().exponent)) * units)


def load_tables(folder: Path, chapter: str) -> list[Table]:
    """All transcribed tables of one chapter, by file name. Raises UserError naming file, place and key."""
    references = _references(folder / "references.yaml")
    files = sorted(file for file in folder.glob("*.yaml") if file.name != "references.yaml")
    tables = [load_table(file, references) for file in files]
    return [table for table in tables if table.chapter == chapter]


def load_table(file: Path, references: dict[int, str]) -> Table:
    """One transcribed table."""
    content = read_yaml(file)
    where = str(file)
    check_keys(content, where, "table chapter section caption row_heading columns rows", "page notes column_heading")
    for key in ("table", "chapter", "section", "caption", "row_heading", *({"column_heading"} & content.keys())):
        text(content, key, where)
    columns = [_column(entry, f"{where}: column {n}") for n, entry in enumerate(items(content, "columns", where), 1)]
    _refuse_twins([column.id for column in columns], f"{where}: column")
    rows = []
    for number, entry in enumerate(items(content, "rows", where), 1):
        rows.append(_row(entry, f"{where}: row {number}", columns, references))
    _refuse_twins([row.id for row in rows], f"{where}: row")
    notes = [_note(entry, f"{where}: note {n}", columns, rows) for n, entry in enumerate(content.get("notes") or [], 1)]
    _check_ratios(rows, columns, where)
    return Table(
        name=file.stem,
        id=content["table"],
        chapter=content["chapter"],
        section=content["section"],
        caption=content["caption"],
        row_heading=content["row_heading"],
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(notes),
        column_heading=content.get("column_heading", ""),
    )


def read_yaml(file: Path) -> Any:
    """A YAML file's content; a key given twice is refused, since the first of the two would be lost silently."""
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=_Strict)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not valid YAML: {' '.join(str(error).split())}.") from None


class _Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = repr(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def check_keys(entry: Any, where: str, required: str, optional: str = "") -> None:
    """Refuse an entry that is no mapping, lacks a key or has one that is not known; the keys are given as words."""
    if not isinstance(entry, dict):
        raise UserError(f"{where}: must be a mapping with the keys {', '.join(required.split())}.")
    for key in required.split():
        if key not in entry:
            raise UserError(f"{where}: key {key!r} is missing.")
    known = [*required.split(), *optional.split()]
    for key in entry:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; the keys are {', '.join(known)}.")


def text(entry: dict, key: str, where: str) -> str:
    """The non-empty string under `key`."""
    value = entry[key]
    if not isinstance(value, str) or not value:
        raise UserError(f"{where}: {key} is {value!r}; it must be a non-empty string (quote numbers).")
    return value


def choice(entry: dict, key: str, where: str, choices: tuple[str, ...]) -> str:
    """The string under `key`, one of `choices`."""
    if entry[key] not in choices:
        raise UserError(f"{where}: {key} is {entry[key]!r}; it must be one of {', '.join(choices)}.")
    return entry[key]


def items(entry: dict, key: str, where: str) -> list:
    """The non-empty list under `key`."""
    value = entry[key]
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: {key} must be a list with at least one entry.")
    return value


def _references(file: Path) -> dict[int, str]:
    content = read_yaml(file) or {}
    for number, work in content.items():
        if not isinstance(number, int) or not isinstance(work, str):
            raise UserError(f"{file}: {number!r}: must be a number of the bibliography with a quoted text.")
    return content


def _column(entry: Any, where: str) -> Column:
    optional = "unit experiment dataset metric tolerance stand_in cannot_run"
    check_keys(entry, where, "id heading source", optional)
    where = f"{where} ({entry['id']})"
    for key in entry.keys() - {"tolerance"}:
        text(entry, key, where)
    source = choice(entry, "source", where, SOURCES)
    needed = {"metrics": "experiment metric tolerance", "times": "experiment"}.get(source, "")
    check_keys(entry, where, f"id heading source {needed}", optional)
    for key, only in {"stand_in": "metrics", "cannot_run": "times"}.items():
        if key in entry and source != only:
            raise UserError(f"{where}: {key} is for the source {only}, not {source}.")
    tolerance = _tolerance(entry["tolerance"], f"{where}: tolerance") if "tolerance" in entry else None
    if tolerance and tolerance.kind == "binomial" and entry.get("unit") != "%":
        raise UserError(f"{where}: unit must be '%' for a binomial tolerance.")
    return Column(**{**entry, "tolerance": tolerance})


def _tolerance(entry: Any, where: str) -> Tolerance:
    check_keys(entry, where, "kind origin", " ".join(TOLERANCES.values()))
    text(entry, "origin", where)
    kind = choice(entry, "kind", where, tuple(TOLERANCES))
    check_keys(entry, where, f"kind origin {TOLERANCES[kind]}")
    if "n" in entry and (not isinstance(entry["n"], int) or entry["n"] < 1):
        raise UserError(f"{where}: n is {entry['n']!r}; it must be the number of test items.")
    if kind == "binomial" and (not isinstance(entry["confidence"], float) or not 0 < entry["confidence"] < 1):
        raise UserError(f"{where}: confidence is {entry['confidence']!r}; it must lie between 0 and 1.")
    if kind == "fixed" and not (type(entry["half_width"]) in (int, float) and 0 < entry["half_width"] < math.inf):
        raise UserError(f"{where}: half_width is {entry['half_width']!r}; it must be a number above 0, in the printed unit.")
    return Tolerance(**entry)


def _row(entry: Any, where: str, columns: list[Column], references: dict[int, str]) -> Row:
    optional = "model reference experiment stage fact ratio cannot_run layers"
    check_keys(entry, where, "id label cells", optional)
    where = f"{where} ({entry['id']})"
    for key in entry.keys() & {"id", "label", "model", "experiment", "stage", "fact", "cannot_run"}:
        text(entry, key, where)
    reference = entry.get("reference")
    if reference is not None and (not isinstance(reference, int) or reference not in references):
        raise UserError(f"{where}: reference {reference!r} is not in references.yaml; add it from the bibliography.")
    if "fact" in entry and ("stage" not in entry or "ratio" in entry):
        raise UserError(f"{where}: fact needs the stage whose run record has it, and is no ratio.")
    row = Row(**{**entry, "ratio": tuple(entry.get("ratio", ()))}, cited=references.get(reference or 0, ""))
    by_id = {column.id: column for column in columns}
    for what in ("cells", "layers"):
        mapping = getattr(row, what)
        if not isinstance(mapping, dict):
            raise UserError(f"{where}: {what} must be a mapping from columns.")
        for column in mapping:
            if column not in by_id:
                raise UserError(f"{where}: {what} has no column {column!r}; the columns are {', '.join(by_id)}.")
    for column in row.cells:
        _check_cell(row, by_id[column], where)
    return row


def _check_cell(row: Row, column: Column, where: str) -> None:
    printed = row.cells[column.id]
    if not isinstance(printed, str) or not printed:
        raise UserError(f"{where}: cells: {column.id} is {printed!r}; quote it, exactly as printed.")
    if column.source in ("metrics", "times") and printed_number(printed) is None:
        raise UserError(f"{where}: cells: {column.id} is {printed!r}, which is not a number as printed.")
    if column.source == "metrics" and row.model is None and row.reference is None:
        raise UserError(f"{where}: needs a model (computed here), a reference (cited), or both.")
    cited = row.reference is not None and not row.stage
    if column.source == "times" and not cited and not row.ratio and not (row.stage and (row.cannot_run or column.cannot_run)):
        raise UserError(f"{where}: needs a ratio, or a stage and why its time cannot be compared (cannot_run).")


def _note(entry: Any, where: str, columns: list[Column], rows: list[Row]) -> Note:
    check_keys(entry, where, "text", "rows columns")
    text(entry, "text", where)
    known = {"rows": {row.id for row in rows}, "columns": {column.id for column in columns}}
    for key, ids in known.items():
        unknown = [name for name in entry.get(key, []) if name not in ids]
        if unknown:
            raise UserError(f"{where}: {key} names {unknown[0]!r}, which the table does not have.")
    return Note(entry["text"], tuple(entry.get("rows", ())), tuple(entry.get("columns", ())))


def _check_ratios(rows: list[Row], columns: list[Column], where: str) -> None:
    stages = {row.id for row in rows if row.stage and not row.fact}
    bare = [column.id for column in columns if column.tolerance is None]
    for row in rows:
        if row.ratio and (len(row.ratio) != 2 or not set(row.ratio) <= stages):
            raise UserError(f"{where}: row {row.id}: ratio must name two rows that have a stage, and no fact.")
        unjudged = [column for column in bare if row.ratio and column in row.cells]
        if unjudged:
            raise UserError(f"{where}: row {row.id}: a ratio is judged, and column {unjudged[0]} has no tolerance.")


def _refuse_twins(ids: list[str], where: str) -> None:
    for name in ids:
        if ids.count(name) > 1:
            raise UserError(f"{where} {name!r} is given twice.")
