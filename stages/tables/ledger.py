"""The ledger: every cell of the thesis's tables, what this project has beside it, and a verdict.

A cell's value comes from the metrics at hand ("this run") and from releases, whose numbers not every machine can
remake: of each scale the newest that has the cell. Its verdict is exact (equal at the printed rounding), within or
outside a tolerance fixed in the transcribed table, not run, or cannot run (with the reason). Only official data under
the full protocol earn one of the first three: a miniature, generated figures, a stand-in or a shortened schedule is shown,
labelled, and not judged. Where a source lacks a column's metrics file, the one of the data set that stands in for it is shown.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from stages.tables.columns import Column, Row
from stages.tables.printed import printed_number
from stages.tables.results import RELEASE_SCALES, Measurement, Results
from stages.tables.transcript import Table

VERDICTS = ("exact", "within", "outside", "not run", "cannot run")
# Times the stated tolerance.
FACTORS = {"stated": 1.0, "half": 0.5, "double": 2.0}


@dataclass(frozen=True)
class Cell:
    """One printed cell and what stands beside it; `judged` is the measurement that verdict and difference are about.

    `releases` holds one measurement of each scale that has the cell, in the order of RELEASE_SCALES. `verdict` is empty
    for cells that are not the project's to reproduce: methods that are only cited, explanatory text, and baselines of ours,
    for which nothing is printed.
    """

    row: Row
    column: Column
    printed: str
    run: Measurement | None = None
    releases: dict[str, Measurement] = field(default_factory=dict)
    judged: Measurement | None = None
    difference: float | None = None
    tolerance: float | None = None
    verdict: str = ""
    reason: str = ""


def resolve(table: Table, run: Results, releases: list[Results], factor: float = 1.0) -> list[Cell]:
    """All cells of a table, row by row, with verdicts at `factor` times the stated tolerances."""
    cells = []
    for row in table.rows:
        for column in table.columns:
            if column.is_own(row) and (column.id in row.cells or row.is_baseline):
                of_run, *of_releases = [column.measure(table.rows, row, results) for results in [run, *releases]]
                shown = _newest([(r.scale, m) for r, m in zip(releases, of_releases, strict=True) if m], row, column)
                cells.append(_judge(table, row, column, of_run, shown, factor))
            elif column.id in row.cells:
                cells.append(Cell(row, column, row.cells[column.id]))
    return cells


def resolve_all(table: Table, run: Results, releases: list[Results]) -> dict[str, list[Cell]]:
    """The cells of a table at each of FACTORS."""
    return {name: resolve(table, run, releases, factor) for name, factor in FACTORS.items()}


def counts(cells: Iterable[Cell]) -> dict[str, int]:
    """How often each verdict occurs, in the order of VERDICTS; cited and explanatory cells are not counted."""
    times = Counter(cell.verdict for cell in cells)
    return {verdict: times[verdict] for verdict in VERDICTS}


def _newest(measured: list[tuple[str, Measurement]], row: Row, column: Column) -> dict[str, Measurement]:
    """By scale, of (scale, measurement) with the newest first, the newest that can be judged, else the newest.

    So a later release of a shortened training does not hide what an earlier one has shown.
    """
    shown = {}
    for scale in RELEASE_SCALES:
        of_scale = [measurement for its_scale, measurement in measured if its_scale == scale]
        if of_scale:
            shown[scale] = next((m for m in of_scale if not column.obstacle(row, m)), of_scale[0])
    return shown


def _judge(table: Table, row: Row, column: Column, run: Measurement | None, releases: dict[str, Measurement], factor: float) -> Cell:
    """The cell with its verdict: about this run if that can be judged, else about the first release that can."""
    candidates = [m for m in (run, *releases.values()) if m]
    # where none can be judged, the best release tells more than this run
    judged = next((m for m in candidates if not column.obstacle(row, m)), next(iter(releases.values()), run))
    if row.is_baseline:
        return Cell(row, column, "", run, releases, judged)
    printed = row.cells[column.id]
    width, number = column.width(table.rows, row), printed_number(printed)
    tolerance = None if width is None else factor * width
    difference = None
    if cannot_run := column.why_cannot_run(row):
        return Cell(row, column, printed, run, releases, judged, None, tolerance, "cannot run", cannot_run)
    # A number from other data has no meaningful distance from the thesis's.
    if number and tolerance is not None and judged and (judged.dataset is None or judged.dataset.kind == "official"):
        difference = round(judged.mean - float(number.value), 10)
    if judged is None or column.obstacle(row, judged):
        verdict, reason = "not run", column.obstacle(row, judged) if judged else ""
    else:
        verdict, reason = column.verdict(row, judged, tolerance), ""
    return Cell(row, column, printed, run, releases, judged, difference, tolerance, verdict, reason)
