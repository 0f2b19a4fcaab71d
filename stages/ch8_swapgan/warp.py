"""Pictures read at other coordinates: what Poisson blending, splines and VITON share.

Coordinates are x, y in pixels of pixel centres: the first pixel's is (0, 0). Bytes are rounded with a hair's breadth upwards, so that a
value half-way between two, which a solver gets a trifle above or below by the processor, is the same byte everywhere.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stages.ch8_swapgan.people import SEGMENTS

Points = NDArray[np.float64]  # (n, 2)
Picture = NDArray[np.uint8]  # (H, W, 3)
Mask = NDArray[np.bool_]  # (H, W)
Parts = NDArray[np.uint8]  # (H, W), segments of a person
Map = Callable[[Points], Points]

UPPER, LOWER = (1 + SEGMENTS.index(name) for name in ("upper", "lower"))
HAIR = 1e-6


def to_bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The nearest byte of each value, halves upwards; 0 and 255 beyond these."""
    return np.floor(values + (0.5 + HAIR)).clip(0, 255).astype(np.uint8)


def pixels(height: int, width: int) -> Points:
    """The coordinates of all pixels, row by row."""
    return np.stack(np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)), -1).reshape(-1, 2)


def read(picture: Picture, at: Points) -> NDArray[np.float64]:
    """A picture's colours (n, 3) at coordinates, bilinearly; beyond its border those of its border."""
    places = at.T[::-1]
    channels = [ndimage.map_coordinates(picture[..., c].astype(np.float64), places, order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, -1)


def read_mask(mask: Mask, at: Points) -> NDArray[np.bool_]:
    """Whether coordinates lie in a mask (n,): where it is at least one half, bilinearly; nowhere beyond its border."""
    return ndimage.map_coordinates(mask.astype(np.float64), at.T[::-1], order=1, mode="grid-constant") >= 0.5 - HAIR


def moved(picture: Picture, mask: Mask, to: Map) -> tuple[NDArray[np.float64], Mask]:
    """A picture, float64 (H, W, 3), and its mask, with each pixel read where `to` takes its coordinates: from the result to the source."""
    at = to(pixels(*mask.shape))
    return read(picture, at).reshape(picture.shape), read_mask(mask, at).reshape(mask.shape)


def pasted(picture: Picture, colours: NDArray[np.float64], mask: Mask) -> Picture:
    """The picture with colours (H, W, 3) where the mask is."""
    return np.where(mask[..., None], to_bytes(colours), picture)


def boxes(target: Mask, source: Mask) -> Map:
    """The map from the target mask's box to the source mask's, each axis by itself; where one of them is empty nothing moves."""
    if not (target.any() and source.any()):
        return lambda at: at
    (to_first, to_size), (from_first, from_size) = box(target), box(source)
    # From edge to edge, not from centre to centre: a box of one pixel has a size, too.
    return lambda at: (at - to_first + 0.5) * (from_size / to_size) - 0.5 + from_first


def box(mask: Mask) -> tuple[Points, Points]:
    """The first x, y of a mask that is not empty, and the width and height of its box: float64 (2,) twice."""
    first, last = (np.array([f(np.flatnonzero(mask.any(axis))) for axis in (0, 1)], np.float64) for f in (np.min, np.max))
    return first, last - first + 1
