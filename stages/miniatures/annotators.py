"""What people draw on pictures of the generated world: regions, not quite in place, and the boundaries between them, in BSDS's form."""

from pathlib import Path

import numpy as np

from stages.miniatures.files import save_mat
from stages.miniatures.world import BACKDROP, FIRST_THING, GROUND

# Small things are those of less than this share of the picture; cells are the patches of the picture, this many pixels
# wide, on which an annotator's hand is off or not.
_SMALL = 0.04
_LEFT_OUT = 0.35
_CELL = 20
_OFF = 0.3


def annotate(rng: np.random.Generator, regions: np.ndarray) -> list[np.ndarray]:
    """What four to six annotators see of a region map: segmentations, uint16 (H, W), numbered from 1.

    Each may leave out small things and the horizon, and is off by a pixel here and there.
    """
    return [numbered(shaken(rng, _simplified(rng, regions), _OFF)) for _ in range(int(rng.integers(4, 7)))]


def shaken(rng: np.random.Generator, regions: np.ndarray, share: float) -> np.ndarray:
    """A region map (H, W) as an unsteady hand draws it: a `share` of its cells shows what is a pixel away, in any direction."""
    cells = tuple(-(-length // _CELL) for length in regions.shape)
    off = rng.random(cells) < share
    down, right = (np.where(off, rng.integers(-1, 2, cells), 0) for _ in range(2))
    rows, columns = np.indices(regions.shape) // _CELL
    return moved(regions, down[rows, columns], right[rows, columns])


def moved(regions: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The map (H, W) that has at each place what is so many pixels below and to the right; `down` and `right` broadcast to its shape."""
    rows, columns = np.indices(regions.shape)
    height, width = regions.shape
    return regions[np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)]


def numbered(regions: np.ndarray) -> np.ndarray:
    """The connected parts of a region map, uint16 (H, W), from 1."""
    from skimage.measure import label

    return label(regions, background=-1, connectivity=1).astype(np.uint16)


def boundaries(segmentation: np.ndarray) -> np.ndarray:
    """Lines one pixel wide between the regions of a map, bool (H, W), on the pixels to the left of and above where they meet."""
    from skimage.morphology import thin

    return thin(meetings(segmentation))


def meetings(regions: np.ndarray) -> np.ndarray:
    """Pixels whose neighbour to the right or below is of another region, bool (H, W)."""
    lines = np.zeros(regions.shape, bool)
    lines[:, :-1] = regions[:, :-1] != regions[:, 1:]
    lines[:-1] |= regions[:-1] != regions[1:]
    return lines


def _simplified(rng: np.random.Generator, regions: np.ndarray) -> np.ndarray:
    """The map without some small things, which become part of what is nearest, and perhaps without a horizon."""
    from scipy.ndimage import distance_transform_edt

    sizes = np.bincount(regions.ravel(), minlength=FIRST_THING)
    left_out = rng.random(len(sizes)) < _LEFT_OUT
    small = sizes < _SMALL * regions.size
    small[:FIRST_THING] = False
    nearest = distance_transform_edt((left_out & small)[regions], return_distances=False, return_indices=True)
    seen = regions[tuple(nearest)]
    return np.where(seen == GROUND, BACKDROP, seen) if left_out[GROUND] else seen


def save_ground_truth(segmentations: list[np.ndarray], file: Path) -> None:
    """BSDS's form: `groundTruth`, a cell of one struct for each annotator with Segmentation and the Boundaries between its regions."""
    cell = np.empty((1, len(segmentations)), dtype=object)
    for index, segmentation in enumerate(segmentations):
        cell[0, index] = {"Segmentation": segmentation, "Boundaries": boundaries(segmentation).astype(np.uint8)}
    save_mat({"groundTruth": cell}, file)
