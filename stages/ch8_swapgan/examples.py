"""Which test pairs the figures of Section 8.2 show, by rules that were fixed before any training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.ch8_swapgan.deformation import thirds
from stages.core.figures import spread_out

Values = NDArray[np.float64]


def of_each_third(pairs: NDArray[np.int64], values: Values) -> list[int]:
    """Figure 8.15: three pairs (q, 2) of one reference, of a small, a moderate and a large deformation.

    Of all references that have conditions in all thirds, the one of which these lie nearest to the thirds' medians, by the sum of their
    distances, is shown; where none has, each third's nearest, of whatever reference. Of equals the first.
    """
    third = thirds(values)
    kinds = sorted(set(third.tolist()))
    medians = [np.median(values[third == kind]) for kind in kinds]
    choices: list[tuple[float, list[int]]] = []
    for own in [pairs[:, 0] == reference for reference in dict.fromkeys(pairs[:, 0].tolist())]:
        if set(third[own].tolist()) == set(kinds):
            choices.append(_nearest(values, medians, [own & (third == kind) for kind in kinds]))
    return min(choices or [_nearest(values, medians, [third == kind for kind in kinds])], key=lambda choice: choice[0])[1]


def _nearest(values: Values, medians: Sequence[float], candidates: Sequence[NDArray[np.bool_]]) -> tuple[float, list[int]]:
    """Of each kind's candidates (q,) the row whose value is nearest to its median, and the sum of these distances."""
    distances = [np.where(own, np.abs(values - median), np.inf) for own, median in zip(candidates, medians, strict=True)]
    return float(sum(one.min() for one in distances)), [int(one.argmin()) for one in distances]


def lowest(values: Values, count: int, among: Sequence[bool] | NDArray[np.bool_]) -> list[int]:
    """The rows of the `count` lowest values where `among` holds, the lowest first; of equals the first."""
    rows = np.flatnonzero(among)
    return [int(row) for row in rows[np.argsort(values[rows], kind="stable")][:count]]


def apart(photos: int, side: int) -> tuple[list[int], list[int]]:
    """Figure 8.14: rows of at most `side` references and as many conditions, in turn among photos at equal distances."""
    rows = spread_out(2 * min(side, photos // 2), photos)
    return rows[::2], rows[1::2]
