"""Relaxed labels and relaxed deep supervision (Section 3.2.1, Eq. 3.1 and 3.2, Figures 3.3 and 3.4).

A detector's five responses go from many edges to few. What the k-th response has and the ground truth has not is relaxed in the
k-th side output's labels: neither an edge nor none, so it gives neither loss nor gradient there (Eq. 3.4).
"""

from collections.abc import Collection, Sequence

import numpy as np
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import gaussian

from stages.ch3_edges import RELAXED
from stages.core.errors import UserError

SIGMAS = (1.0, 3.0, 5.0, 7.0, 9.0)
ETAS = (0.5, 1.0, 1.5, 2.0, 2.5)
SIDES = len(SIGMAS)


def canny_responses(image: np.ndarray, sigmas: Sequence[float] = SIGMAS, high: float = 0.7, low: float = 0.4) -> np.ndarray:
    """C of Eq. 3.1: Canny's edges of the grey image at each scale, (len(sigmas), H, W) bool.

    The thesis names no thresholds. Here they are Matlab's: the upper is the `high` quantile of the smoothed image's gradient
    magnitude, the lower `low` times the upper. The image's outermost pixels are never edges.

    image : (H, W, 3) uint8, or (H, W) in 0..1.
    """
    grey = rgb2gray(image) if image.ndim == 3 else image.astype(float)
    return np.stack([_canny(grey, sigma, high, low) for sigma in sigmas])


def _canny(grey: np.ndarray, sigma: float, high: float, low: float) -> np.ndarray:
    smooth = gaussian(grey, sigma, mode="nearest", preserve_range=True)
    upper = np.quantile(np.hypot(ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1)), high)
    return canny(grey, sigma, low_threshold=low * upper, high_threshold=upper, mode="nearest")


def map_responses(edges: np.ndarray, etas: Sequence[float] = ETAS) -> np.ndarray:
    """S of Eq. 3.2: where a detector's map is above eta times its own mean, (len(etas), H, W) bool.

    edges : (H, W), 0 or more: of Structured Edges, gPb or another detector. A map of nothing but 0 has no response.
    """
    return edges > np.multiply(etas, edges.mean(dtype=np.float64)).reshape(-1, 1, 1)


def ground_truth(boundaries: np.ndarray, annotators: int = 3, dilation: int = 1) -> np.ndarray:
    """G: what at least `annotators` of an image's annotators marked (Section 3.4.2), dilated (Section 3.4.1); (H, W) bool.

    boundaries : (annotators, H, W) bool. dilation : how far an edge grows, in pixels to all eight sides; 0 for none.
    """
    if not 1 <= annotators <= len(boundaries):
        raise UserError(f"annotators is {annotators}, and {len(boundaries)} marked the image: it must be from 1 to that")
    agreed = np.sum(boundaries, axis=0) >= annotators
    return ndimage.binary_dilation(agreed, np.ones((3, 3)), iterations=dilation) if dilation else agreed


def relaxed(responses: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """D of Eq. 3.1 and 3.2: responses that the ground truth has not, (sides, H, W) bool. responses : (sides, H, W). truth : (H, W)."""
    return responses & ~truth


def supervision(responses: np.ndarray, truth: np.ndarray, supervise: Collection[int] = range(1, SIDES + 1)) -> np.ndarray:
    """R: the labels of the five side outputs, uint8 (5, H, W), 0 negative, 1 positive, 2 relaxed.

    responses : (5, H, W) bool; all False for general deep supervision (Baseline 2). truth : (H, W) bool.
    supervise : the side outputs, 1 to 5, that learn from their labels (Table 3.2). The others' are relaxed everywhere, which
    leaves them without a loss of their own (Baseline 1: none supervised).
    """
    if responses.shape != (SIDES, *truth.shape):
        raise UserError(f"the responses have shape {responses.shape}, the ground truth {truth.shape}: they must be {(SIDES, *truth.shape)}")
    if not set(supervise) <= set(range(1, SIDES + 1)):
        raise UserError(f"supervise is {sorted(supervise)}: it may hold the side outputs 1 to {SIDES}")
    labels = np.where(relaxed(responses, truth), RELAXED, truth).astype(np.uint8)
    left_out = ~np.isin(np.arange(1, SIDES + 1), list(supervise))
    labels[left_out] = RELAXED
    return labels
