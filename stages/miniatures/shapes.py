"""The outlines and patterns of the generated world: which points are inside a shape, and how a surface's two colours mix.

Only operations that IEEE 754 defines to the last bit, as everywhere in the world.
"""

import numpy as np
from numpy.typing import NDArray

SHAPES = ("arrow", "crescent", "cross", "disc", "heart", "hourglass", "ring", "square", "star", "triangle")
PATTERNS = ("bricked", "checked", "latticed", "striped", "zigzag", "dotted", "mottled", "plain", "ringed", "shaded")
PATTERN_FAMILIES = ("ruled", "soft")  # the first five patterns, the last five

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Outlines: which points of the plane belong to a shape of radius 1 around the origin; u to the right, v down.


def _arrow(u: Floats, v: Floats) -> Mask:
    width = np.abs(u)
    head = (v < 0) & (width < 0.85 * (v + 0.95))
    return head | ((v >= 0) & (v < 0.95) & (width < 0.3))


def _crescent(u: Floats, v: Floats) -> Mask:
    return (u * u + v * v < 0.9) & ((u - 0.5) * (u - 0.5) + v * v > 0.55)


def _cross(u: Floats, v: Floats) -> Mask:
    u, v = np.abs(u), np.abs(v)
    return (np.minimum(u, v) < 0.28) & (np.maximum(u, v) < 0.92)


def _disc(u: Floats, v: Floats) -> Mask:
    return u * u + v * v < 0.72


def _heart(u: Floats, v: Floats) -> Mask:
    u, v = 1.2 * u, -1.2 * v + 0.1
    square = u * u + v * v - 1
    return square * square * square < u * u * v * v * v


def _hourglass(u: Floats, v: Floats) -> Mask:
    return (np.abs(v) < 0.9) & (np.abs(u) < 0.12 + 0.75 * np.abs(v))


def _ring(u: Floats, v: Floats) -> Mask:
    square = u * u + v * v
    return (square < 0.9) & (square > 0.27)


def _square(u: Floats, v: Floats) -> Mask:
    return (np.abs(u) < 0.78) & (np.abs(v) < 0.78)


def _star(u: Floats, v: Floats) -> Mask:
    # A pentagram is what lies inside at least four of its five lines.
    lines = ((0.0, 1.0), (0.951, 0.309), (0.588, -0.809), (-0.588, -0.809), (-0.951, 0.309))
    within = [(a * u + b * v < 0.36).astype(np.int8) for a, b in lines]
    return within[0] + within[1] + within[2] + within[3] + within[4] >= 4


def _triangle(u: Floats, v: Floats) -> Mask:
    return (v < 0.68) & (np.abs(u) < 0.55 * (v + 1))


OUTLINES = {
    "arrow": _arrow,
    "crescent": _crescent,
    "cross": _cross,
    "disc": _disc,
    "heart": _heart,
    "hourglass": _hourglass,
    "ring": _ring,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
}


# Patterns: the share of a surface's second colour, 0 to 1; s and t count periods.


def _part(s: Floats) -> Floats:
    return s - np.floor(s)


def _bricked(s: Floats, t: Floats) -> NDArray:
    course = np.floor(t)
    return (t - course < 0.3) | (_part(0.5 * (s + course)) < 0.15)


def _checked(s: Floats, t: Floats) -> NDArray:
    return _part(0.5 * (np.floor(1.6 * s) + np.floor(1.6 * t))) > 0.25


def _latticed(s: Floats, t: Floats) -> NDArray:
    return (_part(s) < 0.32) | (_part(t) < 0.32)


def _striped(s: Floats, t: Floats) -> NDArray:
    return np.broadcast_to(_part(s) < 0.5, np.broadcast_shapes(s.shape, t.shape))


def _zigzag(s: Floats, t: Floats) -> NDArray:
    return _part(s + np.abs(2 * _part(0.6 * t) - 1)) < 0.5


def _dotted(s: Floats, t: Floats) -> NDArray:
    s, t = _part(s) - 0.5, _part(t) - 0.5
    return s * s + t * t < 0.11


def _mottled(s: Floats, t: Floats) -> NDArray:
    """Cells of random grey: a hash of the cell's integer coordinates, so that it is the same at every size."""
    i, j = np.floor(2.2 * s).astype(np.int64), np.floor(2.2 * t).astype(np.int64)
    mixed = (i * 73856093) ^ (j * 19349663)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return ((mixed >> 9) & 255).astype(np.float32) / np.float32(255)


def _plain(s: Floats, t: Floats) -> NDArray:
    return np.zeros(np.broadcast_shapes(s.shape, t.shape), dtype=np.float32)


def _ringed(s: Floats, t: Floats) -> NDArray:
    return _part(np.sqrt(s * s + t * t)) < 0.5


def _shaded(s: Floats, t: Floats) -> NDArray:
    return np.clip(0.5 + 0.25 * s + 0 * t, 0, 1)


SHARES = {
    "bricked": _bricked,
    "checked": _checked,
    "latticed": _latticed,
    "striped": _striped,
    "zigzag": _zigzag,
    "dotted": _dotted,
    "mottled": _mottled,
    "plain": _plain,
    "ringed": _ringed,
    "shaded": _shaded,
}
