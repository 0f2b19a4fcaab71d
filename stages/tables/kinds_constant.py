"""The kinds of claims that compare a model's mean with a constant: a cited row's printed value, or a bound. See `stages.tables.kinds`."""

from dataclasses import dataclass
from typing import ClassVar

from stages.core.errors import UserError
from stages.tables.cases import Case, Operand, Outcome, decide, mean, one_seed, values_of, versus
from stages.tables.columns import Metrics
from stages.tables.estimates import Values, one_sample
from stages.tables.printed import printed_number
from stages.tables.reading import Positive
from stages.tables.results import Measurement
from stages.tables.transcript import Table


@dataclass(frozen=True, kw_only=True)
class _Cited(Case):
    """A model's mean beside the best printed value of a table's cited rows, or of the one named by `row`: one-sample test.

    The column of the table is the one that has the metric in the experiment.
    """

    on_other_data: ClassVar[bool] = False
    below: ClassVar[bool]
    model: str
    metric: str
    experiment: str
    table: str
    row: str = ""

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, self.model, self.metric)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        (values,) = values_of(measured)
        best, label = (min if self.below else max)(self._printed(tables))
        return _beside(self.model, values, label, best, below=self.below, alpha=alpha)

    def describe(self) -> str:
        sign = "<" if self.below else ">"
        of = f"row {self.row}" if self.row else "cited rows"
        return f"{self.model} {sign} {of} of Table {self.table}, {self.within(self.metric, self.experiment)}"

    def _printed(self, tables: list[Table]) -> list[tuple[float, str]]:
        """The values of the cited rows with their labels, of which a table may have one twice."""
        table = next((table for table in tables if table.id == self.table), None)
        if table is None:
            raise UserError(f"table is {self.table!r}, which is not among the chapter's tables.")
        wanted = (self.experiment, self.metric)
        columns = [column for column in table.columns if isinstance(column, Metrics)]
        column = next((one.id for one in columns if (one.experiment, one.metric) == wanted), None)
        if column is None:
            what = f"the metric {self.metric!r} of experiment {self.experiment!r}"
            raise UserError(f"no column of Table {table.id} has {what}.")
        rows = [row for row in table.rows if row.reference is not None and column in row.cells]
        cited = [(printed_number(row.cells[column]), row.label) for row in rows if self.row in ("", row.id)]
        if not cited:
            raise UserError(f"row is {self.row!r}, which is no cited row of Table {table.id} with a number in column {column}.")
        return [(float(number.value), label) for number, label in cited if number]


def _beside(model: str, values: Values, label: str, constant: float, *, below: bool, alpha: float) -> Outcome:
    """A model's mean below or above a constant, which is called `label`."""
    observed = versus(model, mean(values), label, constant)
    if len(values) < 2:
        return one_seed(observed)
    result = one_sample(list(values.values()), constant)
    p = result.p_below() if below else 1 - result.p_below()
    return decide(observed, result, p, 1 - p, alpha)


class BelowCited(_Cited, kind="below_cited"):
    """A model's mean below the lowest of them."""

    below = True


class AboveCited(_Cited, kind="above_cited"):
    """A model's mean above the highest of them."""

    below = False


@dataclass(frozen=True, kw_only=True)
class Above(Case, kind="above"):
    """A model's mean above a stated number, in the metric's unit: one-sample test."""

    model: str
    metric: str
    experiment: str
    bound: Positive
    bound_origin: str

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, self.model, self.metric)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        (values,) = values_of(measured)
        return _beside(self.model, values, "the bound of", self.bound, below=False, alpha=alpha)

    def describe(self) -> str:
        return f"{self.model} > {self.bound:g}, {self.within(self.metric, self.experiment)}"
