"""Rows and columns of a transcribed table.

A column's kind says where the values beside its cells are, how they are judged and worded:

metrics  our value is a metric of the row's model, in a metrics file
layers   the row says which layers of the column's network it stands for, as layers.json has them
times    our value is in run records, which only releases keep: of a row's stage, or the quotient of two rows
none     text that explains, and numbers that are only cited
"""

import json
import re
import statistics
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, ClassVar

from stages.core.errors import UserError
from stages.core.metrics import MetricsFile, Record
from stages.tables.printed import Binomial, Tolerance, compare, printed_number, with_decimals_of
from stages.tables.reading import DERIVED, Entry, Family
from stages.tables.results import Measurement, Results, as_stand_in, measure, records_of

# What two run records must share for their times to compare.
TIMED_ON = ("machine", "gpu", "device", "precision", "threads")


@dataclass(frozen=True, kw_only=True)
class Row(Entry):
    """A row: computed here (`model`, `stage` or `ratio` of two rows, or layers), cited (`reference`), or both.

    A row with a model and no cells is a baseline of ours, which the thesis does not have: its values are shown beside the
    table's, without a verdict.
    `experiment` is the metrics file of this row's values where it is not the columns', `tolerance` what its cells are judged by
    in the place of the columns'. `fact` is a key in the run
    record of `stage`, or of its one instance; without it, `stage` stands for its trainings of all seeds.
    """

    id: str
    label: str
    cells: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    reference: int | None = None
    cited: str = field(default="", metadata=DERIVED)
    experiment: str | None = None
    tolerance: Tolerance | None = None
    stage: str | None = None
    fact: str | None = None
    ratio: tuple[str, ...] = ()
    cannot_run: str = ""
    layers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def fault(self) -> str:
        if self.fact and (not self.stage or self.ratio):
            return "fact needs the stage whose run record has it, and is no ratio"
        if not self.cells and not self.model:
            return "needs cells, as printed, or a model, as a baseline of ours that the thesis does not have"
        return ""

    @property
    def is_baseline(self) -> bool:
        return not self.cells

    def is_timed_by(self, stage: str) -> bool:
        """Whether a stage of the pipeline, such as train@bsds500-rds-se-0, is one that this row's `stage`, train@rds-se, stands for.

        Older releases have it as train@rds-se-0.
        """
        if self.fact:
            return self.stage in (stage, stage.partition("@")[0])
        name, _, seed = stage.rpartition("-")
        entry, _, model = (self.stage or "").partition("@")
        return seed.isdigit() and re.fullmatch(rf"{re.escape(entry)}@(\w+-)?{re.escape(model)}", name) is not None


@dataclass(frozen=True, kw_only=True)
class Column(Family, tag="source"):
    """A column; each kind of cell is a subclass."""

    id: str
    heading: str
    unit: str = ""
    over_seeds: ClassVar[bool] = False  # its values are means over seeds, which a note under the table explains

    @property
    def stated_tolerance(self) -> Tolerance | None:
        """The tolerance that the column states; one that has none is not judged by numbers."""
        return None

    def fault_in(self, rows: Sequence[Row], row: Row) -> str:
        """What a row lacks for a cell of this column, or has wrong in it; empty if nothing."""
        return ""

    @abstractmethod
    def is_own(self, row: Row) -> bool:
        """Whether the cell is the project's to reproduce: not of a method that is only cited, nor explanatory text."""

    def why_cannot_run(self, row: Row) -> str:
        """Why a cell cannot be compared, whatever is measured; empty if it can."""
        return row.cannot_run

    @abstractmethod
    def measure(self, rows: Sequence[Row], row: Row, results: Results) -> Measurement | None:
        """What `results` has for an own cell; None if nothing."""

    def tolerance_of(self, row: Row) -> Tolerance | None:
        """What a row's cell is judged by: the row's own tolerance, or the column's."""
        return (row.tolerance or self.stated_tolerance) if self.stated_tolerance else None

    def obstacle(self, row: Row, measurement: Measurement) -> str:
        """Why a value is not to be judged; empty if it is."""
        tolerance = self.tolerance_of(row)
        return measurement.obstacle or (tolerance.obstacle(measurement.sizes) if tolerance else "")

    def width(self, rows: Sequence[Row], row: Row) -> float | None:
        """How far from the printed value still is within, in its unit."""
        printed, tolerance = printed_number(row.cells[self.id]), self.tolerance_of(row)
        return tolerance.width(printed) if tolerance and printed else None

    def verdict(self, row: Row, measurement: Measurement, tolerance: float | None) -> str:
        """exact, within or outside, of a value that is to be judged."""
        printed = printed_number(row.cells[self.id])
        assert printed and tolerance is not None
        return compare(printed, measurement.mean, tolerance)

    def value_text(self, printed: str, measurement: Measurement) -> str:
        """A value as a table shows it: with as many decimals as the printed one has, and its deviation over seeds."""
        value = with_decimals_of(printed, measurement.mean)
        if measurement.sd is not None:
            value += f" ± {with_decimals_of(printed, measurement.sd)} ({len(measurement.values)})"
        return value

    def beside(self, printed: str, measurement: Measurement, verdict: str) -> str:
        """A value that is judged, as it stands in the thesis's own layout."""
        return self.value_text(printed, measurement)

    def why(self, verdict: str, difference: float | None, tolerance: float | None) -> str:
        """What a verdict of exact, within or outside rests on, in words."""
        if verdict == "exact":
            return "equal at the printed rounding"
        assert difference is not None and tolerance is not None
        side = "no farther than" if verdict == "within" else "farther than"
        return f"{abs(difference):.10g} from the printed value, {side} the tolerance of {tolerance:.4g}"

    def experiment_of(self, row: Row) -> str:
        """The file below reports/metrics/<chapter>/ that a cell's value is in, or that says of what data it is.

        Empty if none does.
        """
        return row.experiment or ""

    def records(self, row: Row, file: MetricsFile) -> tuple[Record, ...]:
        """The records of that file that the value is made of."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Metrics(Column, kind="metrics"):
    """`metric` in the metrics file `experiment`, of one `dataset` where that has several.

    Where results lack that file, the same metric of `stand_in`, whose data set stands in for the thesis's, is shown and
    never judged. A column without a tolerance has baselines of ours only.
    """

    experiment: str
    metric: str
    tolerance: Tolerance | None = None
    dataset: str | None = None
    stand_in: str = ""
    over_seeds: ClassVar[bool] = True

    def fault(self) -> str:
        return self._unit_fault(self.tolerance)

    def _unit_fault(self, tolerance: Tolerance | None) -> str:
        return "unit must be '%' for a binomial tolerance" if isinstance(tolerance, Binomial) and self.unit != "%" else ""

    @property
    def stated_tolerance(self) -> Tolerance | None:
        return self.tolerance

    def fault_in(self, rows: Sequence[Row], row: Row) -> str:
        if fault := _no_number(self, row):
            return fault
        if self.tolerance is None:
            return f"cells are judged, and column {self.id} has no tolerance"
        if fault := self._unit_fault(row.tolerance):
            return f"column {self.id}: {fault}"
        if self.width(rows, row) is None:
            return f"cells: {self.id} is {row.cells[self.id]!r}, which has no ± to judge by"
        return "" if row.model or row.reference else "needs a model (computed here), a reference (cited), or both"

    def is_own(self, row: Row) -> bool:
        return row.model is not None

    def measure(self, rows: Sequence[Row], row: Row, results: Results) -> Measurement | None:
        assert row.model
        experiment = self.experiment_of(row)
        if self.stand_in and experiment not in results.metrics:
            return as_stand_in(measure(results, self.stand_in, row.model, self.metric, self.dataset))
        return measure(results, experiment, row.model, self.metric, self.dataset)

    def experiment_of(self, row: Row) -> str:
        return row.experiment or self.experiment

    def records(self, row: Row, file: MetricsFile) -> tuple[Record, ...]:
        return records_of(file, row.model, self.metric, self.dataset)


@dataclass(frozen=True, kw_only=True)
class Times(Column, kind="times"):
    """Hours of a row's trainings, a fact of its stage's run record, or the quotient of two rows' times per iteration.

    Of what data they are, and after which protocol, says the metrics file `experiment`. `cannot_run` is why none of the
    column's times can be compared, as a row's is of its own.
    """

    experiment: str
    tolerance: Tolerance | None = None
    cannot_run: str = ""

    @property
    def stated_tolerance(self) -> Tolerance | None:
        return self.tolerance

    def fault_in(self, rows: Sequence[Row], row: Row) -> str:
        if fault := _no_number(self, row):
            return fault
        if row.ratio and self.tolerance is None:
            return f"a ratio is judged, and column {self.id} has no tolerance"
        if not all(self.id in other.cells for other in self.timed(rows, row)):
            return f"ratio must name two rows that have a number in column {self.id}"
        cited = row.reference is not None and not row.stage
        if not cited and not row.ratio and not (row.stage and self.why_cannot_run(row)):
            return "needs a ratio, or a stage and why its time cannot be compared (cannot_run)"
        return ""

    def is_own(self, row: Row) -> bool:
        return bool(row.stage or row.ratio)

    def why_cannot_run(self, row: Row) -> str:
        return row.cannot_run or self.cannot_run

    def timed(self, rows: Sequence[Row], row: Row) -> list[Row]:
        """The rows whose stages were timed for a cell: the row itself, or the two of its ratio."""
        return [next(other for other in rows if other.id == name) for name in row.ratio] or [row]

    def width(self, rows: Sequence[Row], row: Row) -> float | None:
        printed = printed_number(row.cells[self.id])
        others = self.timed(rows, row) if row.ratio else []
        operands = tuple(number for other in others if (number := printed_number(other.cells[self.id])))
        tolerance = self.tolerance_of(row)
        return tolerance.width(printed, operands) if tolerance and printed else None

    def measure(self, rows: Sequence[Row], row: Row, results: Results) -> Measurement | None:
        file = results.metrics.get(self.experiment_of(row))
        if file is None:
            return None
        about = (results.source, file.scale, file.protocol, file.dataset)
        if row.fact:
            # a release may be older than the fact
            runs_with = [run for run in results.runs if row.is_timed_by(str(run.get("stage"))) and row.fact in run]
            facts = [_number(results, run, row.fact) for run in runs_with]
            return Measurement(*about, {None: facts[0]}) if facts else None
        runs = [_trainings(results, other) for other in self.timed(rows, row)]
        if not all(runs):
            return None
        if row.ratio:
            rates = [[run["train_seconds"] / run["iterations"] for run in group] for group in runs]
            over, under = map(statistics.fmean, rates)
            values: dict[int | None, float] = {None: over / under}
        else:
            values = {seed: run["train_seconds"] / 3600 for seed, run in enumerate(runs[0])}
        where = {json.dumps([run.get(key) for key in TIMED_ON], sort_keys=True) for group in runs for run in group}
        return Measurement(*about, values, flaw="timed on different machines or settings" if len(where) > 1 else "")

    def value_text(self, printed: str, measurement: Measurement) -> str:
        """As other values, but with two digits where the printed decimals make nothing of it."""
        text = super().value_text(printed, measurement)
        value, deviation, rest = text.partition(" ± ")
        if measurement.mean and not value.strip("0."):
            value = f"{measurement.mean:.2g}"
        return value + deviation + rest

    def experiment_of(self, row: Row) -> str:
        return row.experiment or self.experiment


class Layers(Column, kind="layers"):
    """The layers that a row stands for in the network that has the column's id."""

    def is_own(self, row: Row) -> bool:
        return self.id in row.layers

    def measure(self, rows: Sequence[Row], row: Row, results: Results) -> Measurement | None:
        layers = self._by_row(rows, results.layers[self.id]).get(row.id) if self.id in results.layers else None
        return None if layers is None else Measurement(results.source, results.scale, "full", None, {}, layers=layers)

    def verdict(self, row: Row, measurement: Measurement, tolerance: float | None) -> str:
        return "exact" if measurement.layers == "; ".join(row.layers[self.id]) else "outside"

    def value_text(self, printed: str, measurement: Measurement) -> str:
        return measurement.layers or "no such layer"

    def beside(self, printed: str, measurement: Measurement, verdict: str) -> str:
        return "the same" if measurement.layers and verdict == "exact" else self.value_text(printed, measurement)

    def why(self, verdict: str, difference: float | None, tolerance: float | None) -> str:
        return "the same layers" if verdict == "exact" else "other layers"

    def experiment_of(self, row: Row) -> str:
        return "layers"

    def _by_row(self, rows: Sequence[Row], actual: list[str]) -> dict[str, str]:
        """A network's layers set beside the rows, joined by "; ".

        The two sequences are aligned, so that a missing or an added layer spoils its own row only.
        """
        expected = [(row.id, layer) for row in rows for layer in row.layers.get(self.id, ())]
        by_row: dict[str, list[str]] = {row: [] for row, _ in expected}
        matcher = SequenceMatcher(None, [layer for _, layer in expected], actual, autojunk=False)
        for _, i1, i2, j1, j2 in matcher.get_opcodes():
            for offset, layer in enumerate(actual[j1:j2]):
                # what has no counterpart goes to the last row of its stretch, or to the row before it
                by_row[expected[max(0, min(i1 + offset, max(i1, i2) - 1))][0]].append(layer)
        return {row: "; ".join(layers) for row, layers in by_row.items()}


class Text(Column, kind="none"):
    """What is only shown."""

    def is_own(self, row: Row) -> bool:
        return False

    def measure(self, rows: Sequence[Row], row: Row, results: Results) -> Measurement | None:
        return None


def _no_number(column: Column, row: Row) -> str:
    printed = row.cells[column.id]
    return "" if printed_number(printed) else f"cells: {column.id} is {printed!r}, which is not a number as printed"


def _trainings(results: Results, row: Row) -> list[dict[str, Any]]:
    """The run records of the trainings of a row's stage, all seeds.

    A resumed run is left out: its time is that of its last part only.
    """
    runs = [run for run in results.runs if row.is_timed_by(str(run.get("stage"))) and not run.get("resumed")]
    for run in runs:
        for key in ("train_seconds", "iterations"):
            _number(results, run, key)
    return runs


def _number(results: Results, record: dict[str, Any], key: str) -> float:
    """What a run record has under `key`, which must be a number above 0."""
    value = record.get(key)
    if not isinstance(value, int | float) or value <= 0:
        where = f"release {results.source}: run record {record['stage']}"
        raise UserError(f"{where}: {key} is {value!r}; it must be a number above 0.")
    return value
