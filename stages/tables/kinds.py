"""The kinds of claims, a class each: its keys in claims.yaml, what it compares, how it is judged and worded.

An instance is one case of a claim. Tests are Student's t, one-sided, at the level `alpha`: paired by seed where both
models share at least two seeds (others are then left out), one-sample where one of them has a value without seeds, as
published weights have, else Welch's, which needs two of each. Fewer than two seeds decide nothing.
"""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from stages.tables.cases import Case, Operand, Outcome, above_each, decide, mean, one_seed, sign, values_of, versus
from stages.tables.estimates import Values, compared, estimate, one_sample
from stages.tables.reading import Bound, Entry, Positive, Share
from stages.tables.results import Measurement
from stages.tables.transcript import Table

ARCHITECTURES = "architectures"  # the metrics file of what is known before any training
By = Annotated[float, Bound(lambda value: value > 0, "a number above 0, such as 1.0")]


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
        return self.within(self.metric, self.experiment)

    def versus(self, a: Values, b: Values) -> str:
        return versus(self.a, mean(a), self.b, mean(b))

    def beyond(self, bound: float, measured: list[Measurement], alpha: float) -> Outcome:
        """Whether a - b is above `bound`, in the metric's unit."""
        a, b = compared(values_of(measured))
        result = estimate(a, b)
        if result is None:
            return one_seed(self.versus(a, b))
        below = result.p_below(bound)
        return decide(self.versus(a, b), result, 1 - below, below, alpha)


class Less(_Pair, kind="less"):
    """a below b. Contradicted if a is significantly above b."""

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        a, b = compared(values_of(measured))
        result = estimate(a, b)
        if result is None:
            return one_seed(self.versus(a, b))
        return decide(self.versus(a, b), result, result.p_below(), 1 - result.p_below(), alpha)

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
        return self.beyond(-self.margin, measured, alpha)

    def describe(self) -> str:
        return f"{self.a} not below {self.b} by {self.margin}, {self.where()}"


@dataclass(frozen=True, kw_only=True)
class AboveBy(_Pair, kind="above_by"):
    """a above b by more than the thesis states, `by`: one one-sided test. Contradicted if it is significantly less."""

    by: By

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        return self.beyond(self.by, measured, alpha)

    def describe(self) -> str:
        return f"{self.a} > {self.b} + {self.by}, {self.where()}"


@dataclass(frozen=True, kw_only=True)
class Equal(_Pair, kind="equal"):
    """|a - b| below a stated margin: two one-sided tests, both at full confidence.

    Contradicted if the difference is significantly beyond the margin.
    """

    margin: Positive
    margin_origin: str

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        a, b = compared(values_of(measured))
        result = estimate(a, b)
        if result is None:
            return one_seed(self.versus(a, b))
        above_low = 1 - result.p_below(self.stated - self.margin)
        below_high = result.p_below(self.stated + self.margin)
        result = dataclasses.replace(result, test=f"two one-sided tests, {result.test}")
        p, p_against = max(above_low, below_high), min(1 - above_low, 1 - below_high)
        return decide(self.versus(a, b), result, p, p_against, alpha)

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
    """A count of a below that of b: certain, no test. `dataset` where counts differ with the number of classes.

    experiment : the metrics file of what is counted on data.
    """

    a: str
    b: str
    metric: str
    dataset: str | None = None
    experiment: str = ARCHITECTURES

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, model, self.metric, self.dataset) for model in (self.a, self.b)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        a, b = map(mean, values_of(measured))
        observed = f"{self.a} {a:,.0f} {sign(a - b)} {self.b} {b:,.0f} ({a - b:+,.0f})"
        return Outcome("reproduced" if a < b else "contradicted", observed)

    def describe(self) -> str:
        return f"{self.a} < {self.b}, {self.within(self.metric, self.dataset or self.experiment)}"


@dataclass(frozen=True, kw_only=True)
class Largest(Case, kind="largest"):
    """A metric above each of `others` of the same runs: all paired tests must hold.

    That is an intersection-union test, so each is at full confidence. Contradicted if another is significantly larger,
    Bonferroni-corrected.
    """

    model: str
    metric: str
    others: tuple[str, ...]
    experiment: str

    def operands(self) -> list[Operand]:
        return [Operand(self.experiment, self.model, metric) for metric in (self.metric, *self.others)]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        main, *others = compared(values_of(measured))
        parts = [f"{name} {mean(other):.4g}" for name, other in zip(self.others, others, strict=True)]
        return above_each(f"{self.metric} {mean(main):.4g}; {', '.join(parts)}", main, others, alpha)

    def describe(self) -> str:
        return f"{self.model}: {self.metric} > {', '.join(self.others)}, {self.experiment}"


@dataclass(frozen=True, kw_only=True)
class Score(Entry):
    """A metric in a metrics file; a and b, where the models are others than the case's."""

    experiment: str
    metric: str
    a: str = ""
    b: str = ""


@dataclass(frozen=True, kw_only=True)
class LargestGain(Case, kind="largest_gain"):
    """What b gains over a, in the direction that is the better, above what it, or another pair, gains on each of `others`.

    With the same seeds; tested as `largest`.
    """

    a: str
    b: str
    metric: str
    experiment: str
    others: tuple[Score, ...]

    def operands(self) -> list[Operand]:
        scores = self._scores()
        return [Operand(s.experiment, s.a, s.metric) for s in scores] + [Operand(s.experiment, s.b, s.metric) for s in scores]

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        # what falls is a gain where lower is better
        signs = [-1 if measurement.better == "lower" else 1 for measurement in measured]
        by_seed = zip(signs, values_of(measured), strict=True)
        values = compared([{seed: sign * value for seed, value in of_seed.items()} for sign, of_seed in by_seed])
        scores = self._scores()
        ends = list(zip(values[: len(scores)], values[len(scores) :], strict=True))
        gains = [mean(b) - mean(a) for a, b in ends]
        parts = [f"{self._name(score)} {gain:.3g}" for score, gain in zip(scores, gains, strict=True)]
        main, *others = [{seed: b[seed] - a[seed] for seed in a.keys() & b.keys()} for a, b in ends]
        return above_each(f"gain on {parts[0]}; {', '.join(parts[1:])}", main, others, alpha)

    def describe(self) -> str:
        first, *others = map(self._name, self._scores())
        return f"{self.b} over {self.a}: gain on {first} > on {', '.join(others)}"

    def _scores(self) -> list[Score]:
        own = Score(experiment=self.experiment, metric=self.metric)
        return [dataclasses.replace(score, a=score.a or self.a, b=score.b or self.b) for score in (own, *self.others)]

    def _name(self, score: Score) -> str:
        models = "" if (score.a, score.b) == (self.a, self.b) else f" of {score.b} over {score.a}"
        return f"{score.experiment} {score.metric}{models}"


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
        values, half = compared(values_of(measured)), len(self.metrics)
        pairs = list(zip(values[:half], values[half:], strict=True))
        means = [mean(b) - mean(a) for a, b in pairs]
        above, below = sum(one > 0 for one in means), sum(one < 0 for one in means)
        observed = f"{self.b} above {self.a} in {above} of {half}, below in {below}"
        seeds = sorted(seed for seed in set.intersection(*(set(one) for one in values)) if seed is not None)
        if len(seeds) < 2:
            return one_seed(observed)
        leads = [float(sum((b[seed] > a[seed]) - (b[seed] < a[seed]) for a, b in pairs)) for seed in seeds]
        result = one_sample(leads, 0.0)
        return decide(observed, result, 1 - result.p_below(), result.p_below(), alpha)

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
        *parts, whole = map(mean, values_of(measured))
        share = sum(parts) / whole
        observed = f"{sum(parts):,.0f} of {whole:,.0f}: {share:.2%}"
        return Outcome("reproduced" if share < self.below else "contradicted", observed)

    def describe(self) -> str:
        return f"{self.model}: added share < {100 * self.below:g}%, {self.dataset or ARCHITECTURES}"


@dataclass(frozen=True, kw_only=True)
class NotJudged(Case, kind="not judged"):
    """What the thesis says without a number to judge it by, for `reason`; it has no cases."""

    reason: str

    @property
    def untried(self) -> str:
        return self.reason

    def operands(self) -> list[Operand]:
        return []

    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        return Outcome("not tried", "", self.reason)

    def describe(self) -> str:
        return ""
