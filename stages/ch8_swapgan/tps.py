"""Thin-plate splines [106]: the condition's clothes bent to the outline of the reference's and pasted on it (Section 8.2.4).

Outlines are matched by shape contexts (Belongie et al., 2002), as VITON does. Up to the match there are no logarithms and no angles, which
libraries round by the processor: it is the same on every machine.
"""

import bisect

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from skimage.measure import find_contours
from skimage.morphology import convex_hull_image
from skimage.transform import ThinPlateSplineTransform

from stages.ch8_swapgan import warp
from stages.ch8_swapgan.viton_settings import Baselines
from stages.ch8_swapgan.warp import LOWER, UPPER, Map, Mask, Parts, Picture, Points
from stages.core.errors import UserError

# Rings of a shape context, five of equal width by the logarithm from 1/8 to 2 mean distances; what is nearer counts in the first.
RINGS = np.array([0.2176376408, 0.3789291416, 0.6597539554, 1.1486983550, 2.0])
# Its twelve sectors begin at multiples of 30 degrees: cosines and sines of those in the half above.
SECTORS = np.array([(0.8660254038, 0.5), (0.5, 0.8660254038), (0.0, 1.0), (-0.5, 0.8660254038), (-0.8660254038, 0.5)])

MISSED = 1e-5  # pixels, the most that a spline may be away from a control point


def swap(
    reference: Picture, reference_parts: Parts, condition: Picture, condition_parts: Parts, settings: Baselines
) -> tuple[Picture, bool]:
    """The reference with the condition's lower and then its upper clothes pasted, and whether all that it has were matched."""
    made, all_matched = reference, True
    for segment in (LOWER, UPPER):
        target, source = reference_parts == segment, condition_parts == segment
        if source.any():
            made, _, matched = put(made, target, condition, source, settings)
            all_matched = all_matched and matched
    return made, all_matched


def put(picture: Picture, target: Mask, clothes: Picture, source: Mask, settings: Baselines) -> tuple[Picture, Mask, bool]:
    """The picture with clothes (where the source mask is) bent to the target mask, where they then are, and whether the masks were matched.

    If not, the clothes are put box on box. Bent ones stay within the target's convex hull: beyond it no control point holds them.
    """
    try:
        colours, there = warp.moved(clothes, source, bending(target, source, settings))
    except UserError:
        colours, there = warp.moved(clothes, source, warp.boxes(target, source))
        return warp.pasted(picture, colours, there), there, False
    there &= convex_hull_image(target)
    return warp.pasted(picture, colours, there), there, True


def bending(target: Mask, source: Mask, settings: Baselines) -> Map:
    """The spline that takes the target mask's outline to the source mask's. Raises UserError where there is none."""
    to, outline = (contour(mask, settings.contour_points) for mask in (target, source))
    matched = match(to, outline, settings.position)
    kept = in_order(matched)
    return spline(to[kept], outline[matched[kept]])


def spline(start: Points, end: Points) -> Map:
    """The thin-plate spline that takes control points (n, 2) to others. Raises UserError where they do not say what becomes of a plane."""
    if len(start) < 3:
        raise UserError(f"a thin-plate spline has {len(start)} control points, and needs 3 at least")
    centred = start - start.mean(0)
    (xx, xy), (_, yy) = centred.T @ centred
    if xx * yy - xy * xy <= 1e-9 * (xx + yy) ** 2:
        raise UserError(f"the {len(start)} control points of a thin-plate spline lie on a line: one at least has to lie beside it")
    made = ThinPlateSplineTransform.from_estimate(start, end)
    # scikit-image's equations are of single precision: a second spline takes what the first misses its points by.
    rest = made and ThinPlateSplineTransform.from_estimate(start, end - made(start))
    if not rest or not np.abs(made(start) + rest(start) - end).max() < MISSED:
        raise UserError(f"a thin-plate spline of {len(start)} control points has no solution: two of them are all but the same point")
    return lambda at: made(at) + rest(at)


def contour(mask: Mask, count: int) -> Points:
    """`count` points at equal distances along a mask's longest outline, which goes between its pixels and what surrounds them.

    Raises UserError where the mask is empty.
    """
    lines = [line[:, ::-1] - 1 for line in find_contours(np.pad(mask, 1).astype(np.float64), 0.5)]
    if not lines:
        raise UserError("a mask of clothes is empty: it has no outline to match")
    lengths = [np.append(0, np.cumsum(np.sqrt(np.square(np.diff(line, axis=0)).sum(1)))) for line in lines]
    longest = max(range(len(lines)), key=lambda i: lengths[i][-1])
    line, length = lines[longest], lengths[longest]
    at = np.arange(count) * (length[-1] / count)
    return np.stack([np.interp(at, length, line[:, axis]) for axis in (0, 1)], -1)


def shape_contexts(points: Points) -> NDArray[np.float64]:
    """Of each of n points the shares of all others in 5 rings times 12 sectors around it, (n, 60); those beyond the last ring nowhere."""
    n = len(points)
    across = points - points[:, None]  # [i, j]: from i to j
    distance = np.sqrt(np.square(across).sum(-1))
    mean = distance.sum() / (n * (n - 1))
    ring = (distance[..., None] >= RINGS * mean).sum(-1)
    x, y = across[..., 0], across[..., 1]
    below = (y < 0) | ((y == 0) & (x < 0))
    x, y = np.where(below, -x, x), np.where(below, -y, y)
    sector = 6 * below + (y[..., None] * SECTORS[:, 0] - x[..., None] * SECTORS[:, 1] >= 0).sum(-1)
    counted = (ring < len(RINGS)) & ~np.eye(n, dtype=bool)
    cell = np.arange(n)[:, None] * 60 + np.minimum(ring, 4) * 12 + sector
    return np.bincount(cell[counted], minlength=60 * n).reshape(n, 60) / (n - 1)


def match(points: Points, others: Points, position: float) -> NDArray[np.int64]:
    """Which of the others each point corresponds to, one to one (n,), at the least sum of costs.

    A cost is the chi-squared distance of shape contexts, and `position` times the squared distance of where points lie in their outlines'
    boxes, without which points of a straight stretch, whose contexts are alike, are matched crosswise.
    """
    one, other = (shape_contexts(of)[axis] for of, axis in ((points, np.s_[:, None]), (others, np.s_[None])))
    total = one + other
    chi = np.divide(np.square(one - other), total, out=np.zeros(total.shape), where=total > 0).sum(-1) / 2
    here, there = ((of - of.min(0)) / np.maximum(np.ptp(of, axis=0), 1) for of in (points, others))
    far = np.square(here[:, None] - there).sum(-1)
    return linear_sum_assignment(chi + position * far)[1]


def in_order(matched: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most points whose matches go round the other outline in the same order, as places in `matched`, of n points of n.

    Else a spline through all control points folds the plane wherever two matches cross. Where several are as many, those of the first
    start.
    """
    best: list[int] = []
    for start in range(len(matched)):
        turned = (np.roll(matched, -start) - matched[start]) % len(matched)  # begins with 0, its least
        chain = longest_rise(turned.tolist())
        if len(chain) > len(best):
            best = [(start + i) % len(matched) for i in chain]
    return np.array(best)


def longest_rise(values: list[int]) -> list[int]:
    """The places of a longest increasing subsequence (by patience sorting)."""
    tops: list[int] = []  # the least value that a rise of each length ends with
    ends: list[int] = []  # where that is
    before: list[int] = []
    for place, value in enumerate(values):
        length = bisect.bisect_left(tops, value)
        before.append(ends[length - 1] if length else -1)
        tops[length:], ends[length:] = [value, *tops[length + 1 :]], [place, *ends[length + 1 :]]
    rise = [ends[-1]]
    while before[rise[-1]] >= 0:
        rise.append(before[rise[-1]])
    return rise[::-1]
