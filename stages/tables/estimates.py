"""Differences of means over seeds, and Student's t-tests of them: paired, one-sample, Welch's. Which is made is the claims' rule."""

import dataclasses
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import stdtr

Values = Mapping[int | None, float]  # by seed; None for what has no seed


@dataclass(frozen=True)
class Estimate:
    """A difference of means with its standard error and degrees of freedom."""

    difference: float
    error: float
    freedom: float
    test: str
    seeds: int

    def p_below(self, bound: float = 0.0) -> float:
        """One-sided p-value for "the difference is below `bound`": P(T <= t)."""
        distance = self.difference - bound
        if self.error == 0:  # identical differences over all seeds
            return 0.5 if distance == 0 else float(distance > 0)
        return float(stdtr(self.freedom, distance / self.error))


def paired(a: Values, b: Values) -> Estimate:
    """Mean of a - b over the shared seeds; a paired t-test's terms."""
    shared = sorted(seed for seed in a.keys() & b.keys() if seed is not None)
    return one_sample([a[seed] - b[seed] for seed in shared], 0.0, "paired t-test")


def one_sample(values: list[float], constant: float, test: str = "one-sample t-test") -> Estimate:
    """Mean of values - constant; a one-sample t-test's terms."""
    n = len(values)
    # Rounded, as values with two decimals that differ by the same amount must not differ by binary noise.
    differences = [round(value - constant, 10) for value in values]
    return Estimate(statistics.fmean(differences), statistics.stdev(differences) / math.sqrt(n), n - 1, test, n)


def welch(a: Values, b: Values) -> Estimate:
    """Difference of two means with Welch's error and the Welch-Satterthwaite degrees of freedom."""
    x, y = list(a.values()), list(b.values())
    u, v = statistics.variance(x) / len(x), statistics.variance(y) / len(y)
    spread = u**2 / (len(x) - 1) + v**2 / (len(y) - 1)
    freedom = (u + v) ** 2 / spread if spread else len(x) + len(y) - 2
    difference = statistics.fmean(x) - statistics.fmean(y)
    return Estimate(difference, math.sqrt(u + v), freedom, "Welch's t-test", min(len(x), len(y)))


def compared(values: list[Values]) -> list[Values]:
    """The values that a test compares: those of the seeds that all share, if there are two, else all."""
    shared = sorted(seed for seed in set.intersection(*(set(one) for one in values)) if seed is not None)
    return [{seed: one[seed] for seed in shared} for one in values] if len(shared) >= 2 else values


def estimate(a: Values, b: Values) -> Estimate | None:
    """Paired where the two share at least two seeds; one-sample where one has a value without seeds, which is no draw but a
    constant; else Welch's. None with fewer than two seeds of either, or of the one that has seeds.
    """
    if len((a.keys() & b.keys()) - {None}) >= 2:
        return paired(a, b)
    if b.keys() == {None} and len(a) >= 2:
        return one_sample(list(a.values()), b[None])
    if a.keys() == {None} and len(b) >= 2:
        result = one_sample(list(b.values()), a[None])
        return dataclasses.replace(result, difference=-result.difference)
    return welch(a, b) if min(len(a), len(b)) >= 2 else None
