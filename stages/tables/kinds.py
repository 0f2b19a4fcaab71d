"""The kinds of claims, a class each: its keys in claims.yaml, what it compares, how it is judged and worded.

An instance is one case of a claim. Tests are Student's t, one-sided, at the level `alpha`: paired by seed where both models share
at least two seeds (others are then left out), one-sample where one of them has a value without seeds, as published weights
have, else Welch's, which needs two of each. Fewer than two seeds decide nothing.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from stages.core.errors import UserError
from stages.tables.columns import Metrics
from stages.tables.estimates import Estimate, Values, compared, estimate, one_sample, paired
from stages.tables.printed import printed_number
from stages.tables.reading import DERIVED, Bound, Entry, Family, Positive, Share
from stages.tables.results import Measurement
from stages.tables.transcript import Table

ARCHITECTURES = "architectures"  # the metrics file of what is known before any training
By = Annotated[float, Bound(lambda value: value > 0, "a number above 0, such as 1.0")]


@dataclass(frozen=True)
class Operand:
    """A value that a case compares: a metric of a model in a metrics file, of one data set where that has several."""

    experiment: str
    model: str
    metric: str
    dataset: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a case comes to: the verdict, why it is none, what is observed, and the test with its p, where one was made."""

    verdict: str
    observed: str
    reason: str = ""
    result: Estimate | None = None
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class Case(Family, tag="kind"):
    """A case of a claim; each kind is a subclass. `own` are the keys that the case has itself, and the claim has not."""

    own: frozenset[str] = field(default=frozenset(), metadata=DERIVED)

    @property
    def untried(self) -> str:
        """Why nothing is compared where no source has all operands."""
        return "no result"

    def operands(self) -> list[Operand]:
        """What is compared, in the order in which `judge` takes the measurements."""
        raise NotImplementedError

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        """The outcome, of a measurement for each operand. Raises UserError where the tables lack what the claim names."""
        raise NotImplementedError

    def describe(self) -> str:
        """The case in a line."""
        raise NotImplementedError

    def elsewhere(self, measured: list[Measurement], label: str, outcome: Outcome) -> str:
        """What is said besides of a release's values that cannot be judged, for the reason `label`."""
        return ""


@dataclass(frozen=True, kw_only=True)
class _Pair(Case):
    """Two models, `a` and `b`, by one metric."""

    a: str
    b: str
    metric: str
    experiment: str

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, model, self.metric) for model in (self.a, self.b)]

    def where(self) -> str:
        return f"{self.metric}, {self.experiment}" if "metric" in self.own else self.experiment

    def versus(self, a: Values, b: Values) -> str:
        return _versus(self.a, _mean(a), self.b, _mean(b))


class Less(_Pair, kind="less"):
    """a below b. Contradicted if a is significantly above b."""

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        a, b = compared(_values(measured))
        result = estimate(a, b)
        if result is None:
            return _one_seed(self.versus(a, b))
        return _decide(self.versus(a, b), result, result.p_below(), 1 - result.p_below(), alpha)

    def describe(self) -> str:
        return f"{self.a} < {self.b}, {self.where()}"

    def elsewhere(self, measured: list[Measurement], label: str, outcome: Outcome) -> str:
        """Where the values are from, in how many seeds a is below b, and the test."""
        if outcome.result is None or outcome.p is None:
            return ""
        a, b, data = measured[0].values, measured[1].values, measured[0].dataset
        seeds = [seed for seed in a.keys() & b.keys() if seed is not None]
        kind = data.kind if data and data.kind != "official" else label
        held = f"holds in {sum(a[seed] < b[seed] for seed in seeds)} of {len(seeds)} seeds, " if len(seeds) > 1 else ""
        size = "p < 0.001" if outcome.p < 0.001 else f"p = {outcome.p:.3f}"
        return f"; on {data.name if data else measured[0].experiment} ({kind}): {held}{size} by a {outcome.result.test}"


@dataclass(frozen=True, kw_only=True)
class NotBelow(_Pair, kind="not_below"):
    """a not below b by a stated margin: one one-sided test. Contradicted if it is below by significantly more."""

    margin: Positive
    margin_origin: str

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        a, b = compared(_values(measured))
        result = estimate(a, b)
        if result is None:
            return _one_seed(self.versus(a, b))
        below = result.p_below(-self.margin)
        return _decide(self.versus(a, b), result, 1 - below, below, alpha)

    def describe(self) -> str:
        return f"{self.a} not below {self.b} by {self.margin}, {self.where()}"


@dataclass(frozen=True, kw_only=True)
class _Cited(Case):
    """A model's mean beside the best printed value of a table's cited rows: one-sample test.

    The column of the table is the one that has the metric in the experiment.
    """

    below: ClassVar[bool]
    model: str
    metric: str
    experiment: str
    table: str

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, self.model, self.metric)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        (values,) = _values(measured)
        printed = self._printed(tables)
        best, label = (min if self.below else max)((value, label) for label, value in printed.items())
        observed = _versus(self.model, _mean(values), label, best)
        if len(values) < 2:
            return _one_seed(observed)
        result = one_sample(list(values.values()), best)
        p = result.p_below() if self.below else 1 - result.p_below()
        return _decide(observed, result, p, 1 - p, alpha)

    def describe(self) -> str:
        where = f"{self.metric}, {self.experiment}" if "metric" in self.own else self.experiment
        return f"{self.model} {'<' if self.below else '>'} cited rows of Table {self.table}, {where}"

    def _printed(self, tables: list[Table]) -> dict[str, float]:
        """The values of the cited rows, by label."""
        table = next((table for table in tables if table.id == self.table), None)
        if table is None:
            raise UserError(f"table is {self.table!r}, which is not among the chapter's tables.")
        wanted = (self.experiment, self.metric)
        columns = [column for column in table.columns if isinstance(column, Metrics)]
        column = next((column.id for column in columns if (column.experiment, column.metric) == wanted), None)
        if column is None:
            raise UserError(f"no column of Table {table.id} has the metric {self.metric!r} of experiment {self.experiment!r}.")
        cited = {row.label: printed_number(row.cells[column]) for row in table.rows if row.reference is not None and column in row.cells}
        return {label: float(number.value) for label, number in cited.items() if number}


class BelowCited(_Cited, kind="below_cited"):
    """A model's mean below the lowest of them."""

    below = True


class AboveCited(_Cited, kind="above_cited"):
    """A model's mean above the highest of them."""

    below = False


@dataclass(frozen=True, kw_only=True)
class Equal(_Pair, kind="equal"):
    """|a - b| below a stated margin: two one-sided tests, both at full confidence.

    Contradicted if the difference is significantly beyond the margin.
    """

    margin: Positive
    margin_origin: str

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        a, b = compared(_values(measured))
        result = estimate(a, b)
        if result is None:
            return _one_seed(self.versus(a, b))
        above_low = 1 - result.p_below(self.stated - self.margin)
        below_high = result.p_below(self.stated + self.margin)
        result = dataclasses.replace(result, test=f"two one-sided tests, {result.test}")
        return _decide(self.versus(a, b), result, max(above_low, below_high), min(1 - above_low, 1 - below_high), alpha)

    @property
    def stated(self) -> float:
        """By how much a is above b, as the thesis says."""
        return 0.0

    def describe(self) -> str:
        return f"{self.a} = {self.b} within {self.margin}, {self.where()}"


@dataclass(frozen=True, kw_only=True)
class About(Equal, kind="about"):
    """a above b by `by`, give or take a stated margin: tested as `equal`."""

    by: By

    @property
    def stated(self) -> float:
        return self.by

    def describe(self) -> str:
        return f"{self.a} = {self.b} + {self.by} within {self.margin}, {self.where()}"


@dataclass(frozen=True, kw_only=True)
class Fewer(Case, kind="fewer"):
    """A count of a below that of b: certain, no test. `dataset` where counts differ with the number of classes."""

    a: str
    b: str
    metric: str
    dataset: str | None = None

    def operands(self) -> list[Operand]:
        return [Operand(ARCHITECTURES, model, self.metric, self.dataset) for model in (self.a, self.b)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        a, b = map(_mean, _values(measured))
        observed = f"{self.a} {a:,.0f} {_sign(a - b)} {self.b} {b:,.0f} ({a - b:+,.0f})"
        return Outcome("reproduced" if a < b else "contradicted", observed)

    def describe(self) -> str:
        where = self.dataset or ARCHITECTURES
        return f"{self.a} < {self.b}, {f'{self.metric}, {where}' if 'metric' in self.own else where}"


@dataclass(frozen=True, kw_only=True)
class Largest(Case, kind="largest"):
    """A metric above each of `others` of the same runs: all paired tests must hold (an intersection-union test, so each at
    full confidence). Contradicted if another is significantly larger, Bonferroni-corrected.
    """

    model: str
    metric: str
    others: tuple[str, ...]
    experiment: str

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, self.model, metric) for metric in (self.metric, *self.others)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        main, *others = compared(_values(measured))
        parts = [f"{name} {_mean(other):.4g}" for name, other in zip(self.others, others, strict=True)]
        return _above_each(f"{self.metric} {_mean(main):.4g}; {', '.join(parts)}", main, others, alpha)

    def describe(self) -> str:
        return f"{self.model}: {self.metric} > {', '.join(self.others)}, {self.experiment}"


@dataclass(frozen=True, kw_only=True)
class Score(Entry):
    """A metric in a metrics file."""

    experiment: str
    metric: str


@dataclass(frozen=True, kw_only=True)
class LargestGain(Case, kind="largest_gain"):
    """What b gains over a, in the direction that is the better, above what it gains on each of `others` with the same seeds:
    tested as `largest`.
    """

    a: str
    b: str
    metric: str
    experiment: str
    others: tuple[Score, ...]

    def operands(self) -> list[Operand]:
        return [Operand(experiment, model, metric) for model in (self.a, self.b) for experiment, metric in self._scores()]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        # what falls is a gain where lower is better
        values = compared([{seed: -x for seed, x in m.values.items()} if m.better == "lower" else m.values for m in measured])
        scores = self._scores()
        ends = list(zip(values[: len(scores)], values[len(scores) :], strict=True))
        parts = [f"{experiment} {metric} {_mean(b) - _mean(a):.3g}" for (experiment, metric), (a, b) in zip(scores, ends, strict=True)]
        main, *others = [{seed: b[seed] - a[seed] for seed in a.keys() & b.keys()} for a, b in ends]
        return _above_each(f"gain on {parts[0]}; {', '.join(parts[1:])}", main, others, alpha)

    def describe(self) -> str:
        first, *others = [f"{experiment} {metric}" for experiment, metric in self._scores()]
        return f"{self.b} over {self.a}: gain on {first} > on {', '.join(others)}"

    def _scores(self) -> list[tuple[str, str]]:
        return [(self.experiment, self.metric), *((other.experiment, other.metric) for other in self.others)]


@dataclass(frozen=True, kw_only=True)
class Majority(Case, kind="majority"):
    """b above a in more of `metrics` than a above b: one-sample test of the lead over seeds."""

    a: str
    b: str
    metrics: tuple[str, ...]
    experiment: str

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, model, metric) for model in (self.a, self.b) for metric in self.metrics]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        values, half = compared(_values(measured)), len(self.metrics)
        pairs = list(zip(values[:half], values[half:], strict=True))
        means = [_mean(b) - _mean(a) for a, b in pairs]
        above, below = sum(one > 0 for one in means), sum(one < 0 for one in means)
        observed = f"{self.b} above {self.a} in {above} of {half}, below in {below}"
        seeds = sorted(seed for seed in set.intersection(*(set(one) for one in values)) if seed is not None)
        if len(seeds) < 2:
            return _one_seed(observed)
        leads = [float(sum((b[seed] > a[seed]) - (b[seed] < a[seed]) for a, b in pairs)) for seed in seeds]
        result = one_sample(leads, 0.0)
        return _decide(observed, result, 1 - result.p_below(), result.p_below(), alpha)

    def describe(self) -> str:
        return f"{self.b} > {self.a} in most of {len(self.metrics)} metrics, {self.experiment}"


@dataclass(frozen=True, kw_only=True)
class ShareBelow(Case, kind="share"):
    """The sum of the counts `parts` below a share of the count `whole`: certain, no test."""

    model: str
    parts: tuple[str, ...]
    whole: str
    below: Share
    bound_origin: str
    dataset: str | None = None

    def operands(self) -> list[Operand]:
        return [Operand(ARCHITECTURES, self.model, metric, self.dataset) for metric in (*self.parts, self.whole)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        *parts, whole = map(_mean, _values(measured))
        share = sum(parts) / whole
        observed = f"{sum(parts):,.0f} of {whole:,.0f}: {share:.2%}"
        return Outcome("reproduced" if share < self.below else "contradicted", observed)

    def describe(self) -> str:
        return f"{self.model}: added share < {self.below:.0%}, {self.dataset or ARCHITECTURES}"


@dataclass(frozen=True, kw_only=True)
class NotJudged(Case, kind="not judged"):
    """What the thesis says without a number to judge it by, for `reason`; it has no cases."""

    reason: str

    @property
    def untried(self) -> str:
        return self.reason

    def operands(self) -> list[Operand]:
        return []

    def describe(self) -> str:
        return ""


def _values(measured: Iterable[Measurement]) -> list[Values]:
    return [measurement.values for measurement in measured]


def _mean(values: Values) -> float:
    return statistics.fmean(values.values())


def _sign(difference: float) -> str:
    return "<" if difference < 0 else ">" if difference > 0 else "="


def _versus(left: str, a: float, right: str, b: float) -> str:
    difference = round(a - b, 10)
    return f"{left} {a:.4g} {_sign(difference)} {right} {b:.4g} (difference {difference:+.3g})"


def _one_seed(observed: str) -> Outcome:
    return Outcome("not decided", observed, reason="one seed")


def _decide(observed: str, result: Estimate, p: float, p_against: float, alpha: float) -> Outcome:
    verdict = "reproduced" if p < alpha else "contradicted" if p_against < alpha else "not decided"
    return Outcome(verdict, observed, result=result, p=p)


def _above_each(observed: str, main: Values, others: Sequence[Values], alpha: float) -> Outcome:
    if min(len(main.keys() & other.keys() - {None}) for other in others) < 2:
        return _one_seed(observed)
    results = [paired(other, main) for other in others]
    weakest = max(results, key=lambda result: result.p_below())
    p = weakest.p_below()
    return _decide(observed, weakest, p, (1 - p) * len(others), alpha)
