"""Canny's detector [109]: its binary responses at five scales (Eq. 3.1), and a graded map for the benchmark (Table 2.8)."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import gaussian

from stages.ch3_edges.labels import SIGMAS

LOW = 0.4  # the lower threshold as a share of the upper, as in Matlab
LEVELS = 99


def responses(image: np.ndarray, sigmas: Sequence[float] = SIGMAS, high: float = 0.7) -> np.ndarray:
    """C of Eq. 3.1: Canny's edges of the grey image at each scale, (len(sigmas), H, W) bool.

    The thesis names no thresholds. Here they are Matlab's: the upper is the `high` quantile of the smoothed image's gradient
    magnitude, the lower `LOW` times the upper. The image's outermost pixels are never edges.

    image : (H, W, 3) uint8, or (H, W) in 0..1.
    """
    grey = _grey(image)
    found = []
    for sigma in sigmas:
        upper = np.quantile(_magnitude(grey, sigma), high)
        found.append(canny(grey, sigma, low_threshold=LOW * upper, high_threshold=upper, mode="nearest"))
    return np.stack(found)


def strength(image: np.ndarray, sigma: float) -> np.ndarray:
    """How high Canny's thresholds may be until a pixel is lost: float (H, W), in steps of 1 / 99 from 0 to 1.

    Of the upper threshold, `LEVELS` values are tried; they grow with the square of the level, as most edges are faint, up to the
    gradient of an ideal step from black to white. The map has the k-th level where Canny with the k-th threshold has an edge, so
    the boundary benchmark's thresholds run through Canny's own.
    """
    grey = _grey(image)
    ridge = canny(grey, sigma, low_threshold=0, high_threshold=0, mode="nearest")
    magnitude = np.where(ridge, _magnitude(grey, sigma), 0)
    found = np.zeros(grey.shape)
    for level, upper in enumerate(thresholds(sigma), 1):
        pieces, count = ndimage.label(magnitude >= LOW * upper, np.ones((3, 3)))
        strong = np.zeros(count + 1, bool)
        strong[pieces[magnitude >= upper]] = True
        if not strong.any():
            break
        found[strong[pieces]] = level / LEVELS
    return found


def thresholds(sigma: float) -> np.ndarray:
    """The upper thresholds of `strength`, ascending, in the units of scikit-image's `canny`."""
    step = np.zeros((3, 2 * int(4 * sigma) + 10))
    step[:, step.shape[1] // 2 :] = 1
    return _magnitude(step, sigma).max() * (np.arange(1, LEVELS + 1) / LEVELS) ** 2


def _grey(image: np.ndarray) -> np.ndarray:
    return rgb2gray(image) if image.ndim == 3 else image.astype(float)


def _magnitude(grey: np.ndarray, sigma: float) -> np.ndarray:
    """Gradient magnitude as scikit-image's `canny` has it."""
    smooth = gaussian(grey, sigma, mode="nearest", preserve_range=True)
    return np.hypot(ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1))
