"""Relaxed labels and relaxed deep supervision (Section 3.2.1, Eq. 3.1 and 3.2, Figures 3.3 and 3.4).

A detector's five responses go from many edges to few. What the k-th response has and the ground truth has not is relaxed in the
k-th side output's labels: neither an edge nor none, so it gives neither loss nor gradient there (Eq. 3.4).
"""

from collections.abc import Collection, Sequence

import numpy as np

from stages.ch3_edges import RELAXED, SIDES
from stages.core.errors import UserError

SIGMAS = (1.0, 3.0, 5.0, 7.0, 9.0)  # of Canny's responses
ETAS = (0.5, 1.0, 1.5, 2.0, 2.5)  # of the others'


def map_responses(edges: np.ndarray, etas: Sequence[float] = ETAS) -> np.ndarray:
    """S of Eq. 3.2: where a detector's map is above eta times its own mean, (len(etas), H, W) bool.

    edges : (H, W), 0 or more: of Structured Edges, gPb or another detector. A map of nothing but 0 has no response.
    """
    return edges > np.multiply(etas, edges.mean(dtype=np.float64)).reshape(-1, 1, 1)


def boundaries(segments: np.ndarray) -> np.ndarray:
    """(H, W) segment numbers to bool: pixels whose right, lower or lower right neighbour is of another segment.

    Of a semantic label map these are the coarse edge annotations of Section 3.3.
    """
    ahead = np.pad(segments, ((0, 1), (0, 1)), mode="edge")
    return (segments != ahead[1:, :-1]) | (segments != ahead[:-1, 1:]) | (segments != ahead[1:, 1:])


def agreed(marks: np.ndarray, annotators: int = 3) -> np.ndarray:
    """What at least `annotators` of an image's annotators marked (Section 3.4.2), bool (H, W). marks : bool (annotators, H, W)."""
    if not 1 <= annotators <= len(marks):
        raise UserError(f"annotators is {annotators}, and {len(marks)} marked the image: it must be from 1 to that")
    return np.sum(marks, axis=0) >= annotators


def relaxed(responses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """D of Eq. 3.1 and 3.2: responses that the ground truth has not, bool (..., sides, H, W). truth : (..., H, W)."""
    return responses & ~truth[..., None, :, :]


def supervision(responses: np.ndarray, truth: np.ndarray, supervise: Collection[int] = range(1, SIDES + 1)) -> np.ndarray:
    """R: the labels of the five side outputs, uint8 (..., 5, H, W), 0 negative, 1 positive, 2 relaxed.

    responses : (..., 5, H, W) bool; all False for general deep supervision (Baseline 2). truth : (..., H, W) bool.
    supervise : the side outputs, 1 to 5, that learn from their labels (Table 3.2). The others' are relaxed everywhere, which
    leaves them without a loss of their own (Baseline 1: none supervised).
    """
    expected = (*truth.shape[:-2], SIDES, *truth.shape[-2:])
    if responses.shape != expected:
        raise UserError(f"the responses have shape {responses.shape}, the ground truth {truth.shape}: they must be {expected}")
    if not set(supervise) <= set(range(1, SIDES + 1)):
        raise UserError(f"supervise is {sorted(supervise)}: it may hold the side outputs 1 to {SIDES}")
    labels = np.where(relaxed(responses, truth), RELAXED, truth[..., None, :, :]).astype(np.uint8)
    left_out = ~np.isin(np.arange(1, SIDES + 1), list(supervise))
    labels[..., left_out, :, :] = RELAXED
    return labels


def packed(maps: np.ndarray) -> np.ndarray:
    """Maps, bool (..., H, width), as they are stored: bits in bytes (..., H, bytes)."""
    return np.packbits(maps, axis=-1)


def unpacked(bits: np.ndarray, width: int) -> np.ndarray:
    """What `packed` has packed, bool (..., H, width)."""
    return np.unpackbits(bits, axis=-1, count=width).view(bool)
