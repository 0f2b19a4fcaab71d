"""Poisson blending [85]: the condition's clothes on the reference, with their gradients kept and no seam (Section 8.2.4).

Where the clothes go is not said: their box is brought to the box of the reference's, for key points may be missing, and boxes never are.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from stages.ch8_swapgan import warp
from stages.ch8_swapgan.warp import LOWER, UPPER, Mask, Parts, Picture
from stages.core.errors import UserError

NEIGHBOURS = (slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))  # of a pixel and of its neighbour, along an axis


def swap(reference: Picture, reference_parts: Parts, condition: Picture, condition_parts: Parts) -> Picture:
    """The reference in the condition's clothes. Without clothes, the reference as it is. Raises UserError where they fill the picture."""
    target, clothes = ((parts == UPPER) | (parts == LOWER) for parts in (reference_parts, condition_parts))
    source, mask = warp.moved(condition, clothes, warp.boxes(target, clothes))
    return warp.pasted(reference, blend(reference.astype(np.float64), source, mask), mask)


def blend(target: NDArray[np.float64], source: NDArray[np.float64], mask: Mask) -> NDArray[np.float64]:
    """The picture (H, W, 3) whose gradients inside the mask are nearest to the source's and which is the target outside.

    Pérez et al.'s equation 7: of each masked pixel, over its neighbours in the picture, sum (f - f of neighbour) = sum (source - source of
    neighbour), where a neighbour outside the mask is the target's. At the picture's border there are fewer neighbours.

    Raises UserError where the mask covers the whole picture, which leaves nothing to blend with.
    """
    if mask.all():
        raise UserError("the clothes cover the whole picture, and Poisson blending needs some of the reference around them")
    blended = target.copy()
    if not mask.any():
        return blended
    matrix, right = equations(target, source, mask)
    blended[mask] = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(right)
    return blended


def equations(target: NDArray[np.float64], source: NDArray[np.float64], mask: Mask) -> tuple[sparse.csc_matrix, NDArray[np.float64]]:
    """The matrix (n, n) and the right sides (n, 3) of `blend`'s equations, of the n masked pixels row by row."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    diagonal, right = np.zeros(mask.shape), np.zeros(target.shape)
    rows, columns = [], []
    for axis in (0, 1):
        for pair in NEIGHBOURS:
            here, there = ((*[slice(None)] * axis, part) for part in pair)
            diagonal[here] += 1
            right[here] += source[here] - source[there] + np.where(mask[there][..., None], 0, target[there])
            both = mask[here] & mask[there]
            rows.append(number[here][both])
            columns.append(number[there][both])
    count = int(mask.sum())
    row, column = np.concatenate(rows), np.concatenate(columns)
    beside = sparse.csc_matrix((np.full(len(row), -1.0), (row, column)), (count, count))
    return sparse.csc_matrix(sparse.diags(diagonal[mask]) + beside), right[mask]
