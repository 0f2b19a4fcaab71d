"""Which losses train which part of a network, one after the other: Algorithm 3."""

from dataclasses import dataclass
from typing import Literal

from stages.ch7_mmc.training_settings import Length, Loss, Stage, Variant


@dataclass(frozen=True)
class Phase:
    """A stretch of a training. number : of Algorithm 3's stage, or 0 where all is trained at once. trains : what of the network moves."""

    number: int
    losses: tuple[Loss, ...]
    trains: Literal["branches", "head", "all"]
    iterations: int
    learning_rate: float
    learning_rate_steps: tuple[int, ...]


def phases(variant: Variant, length: Length) -> list[Phase]:
    """Algorithm 3's of this variant.

    Without a classification loss its second is left out. Without a matching loss nothing is left of the first, and a head trained on
    branches as they were drawn is no start for them either: all is trained at once, for as many steps as the three have.
    """
    if variant.stages == "one" or "matching" not in variant.losses:
        return [_at_once(variant, length)]
    first, third = _phase(1, ("matching",), "branches", length.first), _phase(3, variant.losses, "all", length.third)
    if "classification" not in variant.losses:
        return [first, third]
    return [first, _phase(2, ("classification",), "head", length.second), third]


def _phase(number: int, losses: tuple[Loss, ...], trains: Literal["branches", "head", "all"], stage: Stage) -> Phase:
    return Phase(number, losses, trains, stage.iterations, stage.learning_rate, tuple(stage.learning_rate_steps))


def _at_once(variant: Variant, length: Length) -> Phase:
    first = length.first
    total = sum(stage.iterations for stage in (first, length.second, length.third))
    steps = tuple(round(step * total / first.iterations) for step in first.learning_rate_steps)
    return Phase(0, variant.losses, "all", total, first.learning_rate, steps)
