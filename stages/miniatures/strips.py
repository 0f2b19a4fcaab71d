"""Tapered strips, of which the world's figures (figures.py) are made, and how they are drawn.

Only operations that IEEE 754 defines to the last bit, as everywhere in the world.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.miniatures.shapes import PATTERNS, Floats, Mask
from stages.miniatures.world import SAMPLES, Colour, Light, Surface, expose, grid, paint, pooled

NONE = 255  # of limbs: where there is no figure
_ROUNDNESS = 0.3  # how much darker a strip is at its edge, so that one limb is seen before another


@dataclass(frozen=True)
class Strip:
    """What lies within `widths` (at the ends, tapering between) of the line from `start` to `end`; rounded at its ends, unless `flat`.

    label : of LIP's. limb : which it is a part of, by its key point at the far end.
    """

    label: int
    limb: int
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    widths: tuple[float, float]
    surface: Surface
    flat: bool = False
    scale: float = 1.0


def plain(colour: Colour) -> Surface:
    return Surface(PATTERNS.index("plain"), (colour, colour), 1.0)


def draw(strips: list[Strip], backdrop: Surface, light: Light, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture, uint8 (size, size, 3), LIP's class of each pixel and the limb of each pixel or NONE, uint8 (size, size)."""
    x, y = grid(size)
    colours = np.broadcast_to(paint(backdrop, x, y), (y.size, x.size, 3)).astype(np.float32)
    labels, limbs = np.zeros((y.size, x.size), np.uint8), np.full((y.size, x.size), NONE, np.uint8)
    for strip in strips:
        window = _window(strip, x.size)
        inside, own = _painted(strip, x[:, window[1]], y[window[0]])
        np.copyto(colours[window], own, where=inside[..., None])
        labels[window][inside] = strip.label
        limbs[window][inside] = strip.limb
    centre = slice(SAMPLES // 2, None, SAMPLES)
    return expose(pooled(colours), light), labels[centre, centre].copy(), limbs[centre, centre].copy()


def _window(strip: Strip, n: int) -> tuple[slice, slice]:
    """The samples that a strip can touch, of n by n."""
    reach = max(strip.widths)
    low, high = np.minimum(strip.start, strip.end) - reach, np.maximum(strip.start, strip.end) + reach
    (left, top), (right, bottom) = (np.clip(edge, 0, n).astype(int) for edge in (np.floor(low * n), np.ceil(high * n)))
    return slice(top, bottom), slice(left, right)


def _painted(strip: Strip, x: Floats, y: Floats) -> tuple[Mask, Floats]:
    """Which samples a strip covers (h, w), and its colours (h, w, 3), darker at its edges. Patterns lie along it."""
    bone = strip.end - strip.start
    length = max(math.sqrt(bone[0] * bone[0] + bone[1] * bone[1]), 1e-9)
    right, down = float(bone[0]) / length, float(bone[1]) / length
    dx, dy = x - float(strip.start[0]), y - float(strip.start[1])
    along: Floats = dx * right + dy * down
    beside: Floats = dy * right - dx * down
    nearest = np.clip(along, 0, length)
    width: Floats = strip.widths[0] + nearest * ((strip.widths[1] - strip.widths[0]) / length)
    off = along - nearest
    edge: Floats = (beside * beside + off * off) / (width * width)
    inside: Mask = (edge < 1) & (off == 0) if strip.flat else edge < 1
    colours = paint(strip.surface, beside * (-1 / strip.scale), along * (1 / strip.scale))
    shading: Floats = 1 - _ROUNDNESS * edge * edge
    return inside, colours * shading[..., None]
