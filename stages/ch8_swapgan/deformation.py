"""How far the poses of test pairs differ, in thirds (Figure 8.15): the thesis has three degrees and does not define them."""

import numpy as np
from numpy.typing import NDArray

from stages.ch8_swapgan import people
from stages.ch8_swapgan.data import People

THIRDS = ("small", "moderate", "large")


def deformations(photos: People) -> NDArray[np.float64]:
    """Of each pair of reference and condition how far its poses differ, as `people.deformation` has it: (p,)."""
    return np.array([people.deformation(photos.points[a], photos.points[b]) for a, b in photos.pairs])


def thirds(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """0, 1 and 2 of the small, moderate and large thirds of values (q,); of equal ones the earlier is the smaller."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * 3 // max(len(values), 1)
