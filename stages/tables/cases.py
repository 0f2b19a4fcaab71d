"""What a claim's case is to the code that judges it: what it compares, and what comes out.

The kinds of cases are in `stages.tables.kinds` and `kinds_constant`; below are the steps that their judgements share.
"""

import statistics
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from stages.tables.estimates import Estimate, Values, paired
from stages.tables.reading import DERIVED, Family
from stages.tables.results import Measurement
from stages.tables.transcript import Table


@dataclass(frozen=True)
class Operand:
    """A value that a case compares: a metric of a model in a metrics file, of one data set where that has several."""

    experiment: str
    model: str
    metric: str
    dataset: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a case comes to: the verdict, what is observed, why nothing is decided, and the test with its p, if any."""

    verdict: str
    observed: str
    reason: str = ""
    result: Estimate | None = None
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class Case(Family, tag="kind"):
    """A case of a claim; a kind of claim is a subclass.

    `own` are the keys that the case has itself: its description names them, as those of the whole claim need not be.
    """

    # Whether it may be tried on a stand-in too; not where it compares with printed numbers, which are of the thesis's data.
    on_other_data: ClassVar[bool] = True
    own: frozenset[str] = field(default=frozenset(), metadata=DERIVED)

    @property
    def untried(self) -> str:
        """Why nothing is compared where no source has all operands."""
        return "no result"

    @abstractmethod
    def operands(self) -> list[Operand]:
        """What is compared, in the order in which `judge` takes the measurements."""

    @abstractmethod
    def judge(self, measured: list[Measurement], alpha: float, tables: list[Table]) -> Outcome:
        """The outcome, of a measurement for each operand.

        Raises UserError where the tables lack what the claim names.
        """

    @abstractmethod
    def describe(self) -> str:
        """The case in a line."""

    def within(self, metric: str, experiment: str) -> str:
        """Where the values are; the metric too, if the claim has several."""
        return f"{metric}, {experiment}" if "metric" in self.own else experiment

    def elsewhere(self, measured: list[Measurement], label: str, outcome: Outcome) -> str:
        """What is said besides of a release's values that leave the case not tried, for the reason `label`."""
        return ""


def values_of(measured: Iterable[Measurement]) -> list[Values]:
    """The values by seed of each measurement."""
    return [measurement.values for measurement in measured]


def mean(values: Values) -> float:
    """Mean over seeds."""
    return statistics.fmean(values.values())


def sign(difference: float) -> str:
    """<, > or = by the sign of a difference."""
    return "<" if difference < 0 else ">" if difference > 0 else "="


def versus(left: str, a: float, right: str, b: float) -> str:
    """Two means beside each other, in words."""
    difference = round(a - b, 10)
    return f"{left} {a:.4g} {sign(difference)} {right} {b:.4g} (difference {difference:+.3g})"


def one_seed(observed: str) -> Outcome:
    """The outcome where fewer than two seeds can be compared."""
    return Outcome("not decided", observed, reason="one seed")


def decide(observed: str, result: Estimate, p: float, p_against: float, alpha: float) -> Outcome:
    """The outcome of a test with p-values for the claim and for its opposite."""
    verdict = "reproduced" if p < alpha else "contradicted" if p_against < alpha else "not decided"
    return Outcome(verdict, observed, result=result, p=p)


def above_each(observed: str, main: Values, others: Sequence[Values], alpha: float) -> Outcome:
    """Whether `main` is above each of `others`, by paired tests: the weakest decides, and against it all count."""
    if min(len(main.keys() & other.keys() - {None}) for other in others) < 2:
        return one_seed(observed)
    results = [paired(other, main) for other in others]
    weakest = max(results, key=lambda result: result.p_below())
    p = weakest.p_below()
    return decide(observed, weakest, p, (1 - p) * len(others), alpha)
