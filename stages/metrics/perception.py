"""Measures of generated people (Sections 8.2.4 and 8.2.5): Inception Score, SSIM, checkerboards, masks, sleeves."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr
from skimage.metrics import structural_similarity

from stages.core.errors import UserError
from stages.core.seeds import seed_for

SIGMA = 1.5  # of the Gaussian window, pixels
WINDOW = 11  # its side, as SSIM's authors have it: 3.5 deviations to either side
LEVELS = 255  # between the lowest and the highest value of a pixel


def inception_score(probabilities: NDArray[np.floating], splits: int) -> tuple[float, float]:
    """Eq. 8.20 and 8.21, exp(E_x KL(p(y|x) || p(y))), of each split: the mean over these, and their population deviation, 0 of one.

    probabilities : p(y|x) of n images over K classes, (n, K), whose order decides which images are a split: the i-th of s splits has the
    images from i n / s to (i + 1) n / s, each rounded down, as the measure's authors have it. 0 log 0 is 0. From 1, where all answers
    are alike, to K, where they are certain and all classes equally frequent. A UserError: fewer images than splits, or what are no
    probabilities.
    """
    count = len(probabilities)
    if not 1 <= splits <= count:
        raise UserError(f"there are {count} images and {splits} splits of them: the Inception Score needs an image for each split at least")
    answers = np.asarray(probabilities, np.float64)
    # What float32 rounds makes sums differ from 1 by a few 1e-7.
    if not (answers >= 0).all() or np.abs(answers.sum(axis=1) - 1).max() > 1e-3:
        raise UserError("what the Inception Score is asked of are no probabilities: an image's are from 0 on, and their sum is 1")
    scores = []
    for i in range(splits):
        part = answers[i * count // splits : (i + 1) * count // splits]
        scores.append(math.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def shuffled(count: int) -> NDArray[np.int64]:
    """The numbers from 0 on in an order fixed by how many they are, (n,).

    For the Inception Score's splits: as photos are listed, by category, each split would have but some categories, and pictures that keep
    what their reference wears would score below those that do not, whatever they show.
    """
    return np.random.Generator(np.random.PCG64(seed_for("perception.shuffled", count))).permutation(count)


def similarity(a: NDArray[np.uint8], b: NDArray[np.uint8], where: NDArray[np.bool_] | None = None) -> float:
    """SSIM of two pictures (H, W, 3), from -1 to 1, where they are the same.

    where : (H, W), the pixels at which windows are centred; all, if it is not given, and NaN where it has none.

    scikit-image's: Gaussian weights of deviation 1.5 in windows of 11 x 11 pixels, divided by their sum (no sample covariance), values
    of 0 to 255, the mean of the three colours; of the map of windows the 5 pixels at each border, whose windows reach beyond the picture,
    are left out. A UserError: other sizes, or a side below 11.
    """
    if a.shape != b.shape or min(a.shape[:2]) < WINDOW:
        sizes = " and ".join(f"{one.shape[1]} x {one.shape[0]}" for one in (a, b))
        raise UserError(f"pictures of {sizes} pixels have no SSIM: both must be of one size, of {WINDOW} pixels a side at least")
    window = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False}
    whole, at = structural_similarity(a, b, data_range=LEVELS, channel_axis=-1, full=True, **window)
    if where is None:
        return float(whole)
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    values = at[inner, inner][where[inner, inner]]
    return float(values.mean()) if values.size else math.nan


def checkerboard(images: NDArray[np.uint8]) -> float:
    """How much of what pictures (n, H, W, 3) have beside their mean colours changes from each row, or column, to the next: a share.

    The energy of their Fourier transforms where the period is 2 pixels, down, across or both, divided by all but that of the constant;
    of a picture's colours together, then the mean over pictures, of which one without any change counts 0. What nearest neighbours have
    enlarged by 2 and no convolution has mixed since has none of it; what is constant but for a transposed convolution's grid of stride 2 is
    nothing else. A UserError: an odd side, which has no such period.
    """
    height, width = images.shape[1:3]
    if height % 2 or width % 2:
        raise UserError(f"pictures of {width} x {height} pixels have no period of 2 pixels: their sides must be even")
    return float(np.mean([_period_two(one.astype(np.int64)) for one in images]))


def _period_two(image: NDArray[np.int64]) -> float:
    """The share of one picture (H, W, 3); sums of whole numbers, so without a transform and exact (Parseval)."""
    height, width = image.shape[:2]
    rows, columns = ((-1) ** np.arange(side)[:, None] for side in (height, width))
    down = (image * rows[:, :, None]).sum(axis=0)  # (W, 3): the transform at half the frequencies down, of each column
    across = (image * columns).sum(axis=1)
    both = (down * columns).sum(axis=0)  # which `down` and `across` both have
    energy = (down**2).sum() / height + (across**2).sum() / width - (both**2).sum() / (height * width)
    total = (image**2).sum() - (image.sum(axis=(0, 1)) ** 2).sum() / (height * width)
    return float(energy / total) if total else 0.0


def mask_iou(masks: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """The mean over images of intersection by union of masks (n, H, W); 1 where both are empty. Mean of none: NaN."""
    both, either = (pair.sum(axis=(1, 2)) for pair in (masks & truth, masks | truth))
    return float(np.divide(both, either, out=np.ones(len(both)), where=either > 0).mean())


def sleeve_share(parts: NDArray[np.uint8], upper: int, arms: int) -> NDArray[np.float64]:
    """Of each image's label map (n, H, W): which share of upper clothes and arms is clothes, (n,). Long sleeves raise it, bare arms lower
    it; 0 where there is neither.
    """
    clothes, bare = ((parts == label).sum(axis=(1, 2)) for label in (upper, arms))
    return np.divide(clothes, clothes + bare, out=np.zeros(len(parts)), where=clothes + bare > 0)


def distance(images: NDArray[np.uint8], truth: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """The mean absolute difference of pictures (n, H, W, 3) at the pixels of (n, H, W), in values of -1 to 1, where 2 is the most: the mean
    over those pictures that have such pixels; NaN where none has.
    """
    apart = np.abs(images.astype(np.int16) - truth).mean(axis=-1) / 127.5
    counts = where.sum(axis=(1, 2))
    means = (apart * where).sum(axis=(1, 2))[counts > 0] / counts[counts > 0]
    return float(means.mean()) if len(means) else float("nan")
