"""The thesis's tables as transcribed in published/<chapter>/*.yaml: reading and checking them.

Values are strings, exactly as printed; where nothing is printed, the row has no cell. A table's own cells name what
reproduces them (a column its metrics file and metric, a row its model), cited rows name their work in references.yaml;
a row may do both. What is wrong with a malformed file is one sentence: file, place, key.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from stages.core.errors import UserError
from stages.tables.columns import Column, Row
from stages.tables.reading import DERIVED, Entry, read, read_yaml

REFERENCES = "references.yaml"  # beside the chapters' folders
CLAIMS = "claims.yaml"  # in a chapter's folder, beside its tables


@dataclass(frozen=True, kw_only=True)
class Note(Entry):
    """A remark on the cells where `rows` and `columns` meet; empty means all."""

    text: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def covers(self, row: str, column: str) -> bool:
        return (not self.rows or row in self.rows) and (not self.columns or column in self.columns)


@dataclass(frozen=True, kw_only=True)
class Table(Entry):
    """One transcribed table; `name` is its file's, `table` its number in the thesis, `chapter` its folder's name.

    `column_heading` says what the columns are if the thesis has them as rows; the table is then laid out as there.
    A table whose rows are all baselines is ours: the thesis has none such, and `section` is where it speaks of the matter.
    """

    table: str
    section: str
    caption: str
    row_heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[Note, ...] = ()
    column_heading: str = ""
    name: str = field(default="", metadata=DERIVED)
    chapter: str = field(default="", metadata=DERIVED)

    @property
    def id(self) -> str:
        return self.table

    @property
    def title(self) -> str:
        return f"Table {self.id}" if self.id[0].isdigit() else self.id.capitalize()

    @property
    def is_ours(self) -> bool:
        return all(row.is_baseline for row in self.rows)

    def row(self, row: str) -> Row:
        return next(candidate for candidate in self.rows if candidate.id == row)

    def fault(self) -> str:
        """The first thing in which rows, columns and notes do not fit each other."""
        columns, rows = [column.id for column in self.columns], [row.id for row in self.rows]
        for what, ids in (("column", columns), ("row", rows)):
            if twins := [name for name in ids if ids.count(name) > 1]:
                return f"{what} {twins[0]!r} is given twice"
        for number, row in enumerate(self.rows, 1):
            if fault := self._fault_of(row, columns):
                return f"row {number} ({row.id}): {fault}"
        for number, note in enumerate(self.notes, 1):
            for key, known in (("rows", rows), ("columns", columns)):
                if unknown := [name for name in getattr(note, key) if name not in known]:
                    return f"note {number}: {key} names {unknown[0]!r}, which the table does not have"
        return ""

    def _fault_of(self, row: Row, columns: list[str]) -> str:
        for what, mapping in (("cells", row.cells), ("layers", row.layers)):
            if unknown := [column for column in mapping if column not in columns]:
                return f"{what} has no column {unknown[0]!r}; the columns are {', '.join(columns)}"
        timed = {other.id for other in self.rows if other.stage and not other.fact}
        if row.ratio and (len(row.ratio) != 2 or not set(row.ratio) <= timed):
            return "ratio must name two rows that have a stage, and no fact"
        faults = (column.fault_in(self.rows, row) for column in self.columns if column.id in row.cells)
        return next((fault for fault in faults if fault), "")


def chapters(published: Path) -> list[str]:
    """The chapters that have a transcribed table."""
    return sorted(folder.name for folder in published.glob("*") if table_files(folder))


def table_files(folder: Path) -> list[Path]:
    """The files of a chapter's tables, by name."""
    return sorted(file for file in folder.glob("*.yaml") if file.name != CLAIMS)


def load_tables(published: Path, chapter: str) -> list[Table]:
    """All transcribed tables of one chapter, by file name. Raises UserError naming file, place and key."""
    references = load_references(published)
    return [load_table(file, references) for file in table_files(published / chapter)]


def load_table(file: Path, references: dict[int, str]) -> Table:
    """One transcribed table."""
    table = read(Table, read_yaml(file), str(file))
    rows = tuple(_with_reference(number, row, references, file) for number, row in enumerate(table.rows, 1))
    return dataclasses.replace(table, name=file.stem, chapter=file.parent.name, rows=rows)


def load_references(published: Path) -> dict[int, str]:
    """The cited works by their number in the thesis's bibliography."""
    file = published / REFERENCES
    content = read_yaml(file) or {}
    if not isinstance(content, dict):
        raise UserError(f"{file}: must be a mapping of numbers of the bibliography to quoted texts.")
    for number, work in content.items():
        if not isinstance(number, int) or not isinstance(work, str):
            raise UserError(f"{file}: {number!r}: must be a number of the bibliography with a quoted text.")
    return content


def _with_reference(number: int, row: Row, references: dict[int, str], file: Path) -> Row:
    if row.reference is None:
        return row
    if row.reference not in references:
        where = f"{file}: row {number} ({row.id})"
        raise UserError(f"{where}: reference {row.reference!r} is not in {REFERENCES}; add it from the bibliography.")
    return dataclasses.replace(row, cited=references[row.reference])
