"""A miniature of BSDS500 in its official layout: pictures, what several annotators drew on them, and the contours of a simple detector."""

from pathlib import Path

import numpy as np

from stages.miniatures import request
from stages.miniatures.annotators import annotate, meetings, save_ground_truth
from stages.miniatures.files import save_jpeg, save_mat
from stages.miniatures.views import draw, sample_view
from stages.miniatures.world import generator

# Random streams: splits never share a scene (the other edge data sets have streams of their own), and a scene does not depend on how
# many there are.
_SPLITS = {"train": 3_000, "val": 3_001, "test": 3_002}
_DRAWN, _ANNOTATED = 0, 1

_DEPTH = 12  # of minima that are flooded from; shallower ones are noise
_LEVELS = range(12, 252, 12)


def write(folder: Path, *, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/BSR/BSDS500: images and annotations in data/, and in ucm2/ contours in the form and place of gPb-owt-ucm's.

    Counts are of images, sides are in pixels.
    """
    counts = {"train": train, "val": val, "test": test}
    request.check("BSDS500", counts, width, height)
    base = folder / "BSR/BSDS500"
    for number, (split, count) in enumerate(counts.items(), 1):
        for index in range(count):
            name = f"{number}{index + 1:05d}"
            picture, regions = draw(sample_view(generator(seed, _SPLITS[split], index, _DRAWN), width, height), width, height)
            save_jpeg(picture, base / f"data/images/{split}/{name}.jpg")
            seen = annotate(generator(seed, _SPLITS[split], index, _ANNOTATED), regions)
            save_ground_truth(seen, base / f"data/groundTruth/{split}/{name}.mat")
            save_mat({"ucm2": doubled(saliency(picture))}, base / f"ucm2/{split}/{name}.mat")


def saliency(picture: np.ndarray) -> np.ndarray:
    """A simple detector's contours, float32 (H, W), 0 to 1, where gPb-owt-ucm would be: a watershed's lines, weighed by a hierarchy.

    The gradient of the smoothed picture, uint8 (H, W, 3), is flooded; at rising levels neighbours are merged between which it is below
    the level in the mean. A pixel's value is the share of levels that leave it on a line.
    """
    from skimage.measure import label
    from skimage.morphology import h_minima
    from skimage.segmentation import watershed

    gradient = _gradient(picture)
    regions = watershed(gradient, label(h_minima(gradient, _DEPTH)))
    left = np.zeros(gradient.shape, np.int64)
    for level in _LEVELS:
        regions = _merged(regions, gradient, level)
        left += meetings(regions)
    return (left / len(_LEVELS)).astype(np.float32)


def _merged(regions: np.ndarray, gradient: np.ndarray, level: int) -> np.ndarray:
    """Regions (H, W), those that a mean gradient below `level` parts made one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    beside = [np.stack([regions[:, :-1], regions[:, 1:]]), np.stack([regions[:-1], regions[1:]])]
    steps = [np.maximum(gradient[:, :-1], gradient[:, 1:]), np.maximum(gradient[:-1], gradient[1:])]
    apart = [pair[0] != pair[1] for pair in beside]
    pairs = np.concatenate([pair[:, where] for pair, where in zip(beside, apart, strict=True)], axis=1)
    count = int(regions.max()) + 1
    keys, places = np.unique(pairs.min(axis=0).astype(np.int64) * count + pairs.max(axis=0), return_inverse=True)
    total = np.bincount(places, weights=np.concatenate([step[where] for step, where in zip(steps, apart, strict=True)]))
    weak = keys[total < level * np.bincount(places)]
    graph = coo_array((np.ones(len(weak)), (weak // count, weak % count)), shape=(count, count))
    return connected_components(graph, directed=False)[1][regions]


def _gradient(picture: np.ndarray) -> np.ndarray:
    """The steepest channel's gradient after binomial smoothing, uint8 (H, W). In whole numbers until a square root, so exact."""
    from scipy.ndimage import correlate1d

    taps = np.array([1, 4, 6, 4, 1])
    smooth = correlate1d(correlate1d(picture.astype(np.int64), taps, axis=0, mode="nearest"), taps, axis=1, mode="nearest")
    y, x = (correlate1d(smooth, [-1, 0, 1], axis=axis, mode="nearest") for axis in (0, 1))
    steepest = np.sqrt((y * y + x * x).max(axis=2)) / taps.sum() ** 2
    return np.minimum(np.floor(3 * steepest), 255).astype(np.uint8)


def doubled(contours: np.ndarray) -> np.ndarray:
    """Contours (H, W) in the form of a `ucm2`, (2H + 1, 2W + 1): pixel (y, x) is at (2y + 2, 2x + 2), and fills the three before."""
    return np.pad(contours.repeat(2, axis=0).repeat(2, axis=1), ((1, 0), (1, 0)))
