"""CMP Facades in the form that pix2pix gave it: facades/{train,val,test}/N.jpg, a photo and to its right its label map, 512 x 256 pixels.

The label map is a JPEG too, so that its colours have to be told apart again: `decoded`.
"""

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.pictures import read_image
from stages.datasets.translated import IGNORE, Pair, counted, squared_distances

PAIRED = True

# CMP's list; that the colours are in its order is inferred from how much of the pictures each has.
CLASSES = (*("background", "facade", "window", "door", "cornice", "sill", "balcony", "blind", "deco", "molding", "pillar", "shop"),)
PALETTE = np.array(  # twelve steps of Matlab's colour map `jet`
    [
        *((0, 0, 223), (0, 48, 255), (0, 128, 255), (0, 207, 255), (32, 255, 223), (112, 255, 143)),
        *((191, 255, 64), (255, 239, 0), (255, 159, 0), (255, 80, 0), (255, 0, 0), (175, 0, 0)),
    ],
    np.uint8,
)

WINDOW = 5  # pixels a side of what votes for a pixel's class
FAR = 80  # from its class's colour a pixel has none: as far as most colours are from the next of the palette
MOST_IGNORED = 0.5  # of a map; of the 606 official ones none has more than .31

# The thesis draws 400 of 606 at random; pix2pix's division, which is fixed, has as many, and its val and test are what remains.
FOLDERS = {"train": ("train",), "test": ("val", "test")}


def pairs(folder: Path, part: str) -> list[Pair]:
    """Of train pix2pix's train, of test its val and then its test, each by the files' numbers."""
    made = []
    for name in FOLDERS[part]:
        files = (folder / "facades" / name).glob("*.jpg")
        made += [Pair(f"{name}/{file.stem}", file, file) for file in sorted(files, key=lambda file: (_number(file), file.stem))]
    return counted(made, folder / "facades")


def read(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The label map's colours as they are stored, and the photo, each uint8 (S, S, 3); a UserError of a picture of another shape."""
    assert pair.a is not None
    both = read_image(pair.a)
    height, width = both.shape[:2]
    if width != 2 * height:  # of any size: miniatures are smaller
        raise UserError(
            f"{pair.a} is of {width} x {height} pixels: a photo beside its label map is 512 x 256, or as many times as wide: {AGAIN}"
        )
    return both[:, height:], both[:, :height]


def read_labels(pair: Pair) -> NDArray[np.uint8]:
    """The class of each pixel or IGNORE, uint8 (S, S); a UserError where more than MOST_IGNORED of a map has no class's colour."""
    labels = decoded(read(pair)[0])
    ignored = float(np.mean(labels == IGNORE))
    if ignored > MOST_IGNORED:
        raise UserError(
            f"{pair.a}: {ignored:.0%} of its label map is more than {FAR} from the colours of CMP's twelve classes, "
            f"and at most {MOST_IGNORED:.0%} may be: {AGAIN}"
        )
    return labels


def decoded(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The classes of a label map whose colours JPEG has altered, uint8 (H, W, 3) to (H, W).

    Each pixel votes for the class of the nearest colour; a pixel has the class that most of the 5 x 5 around it vote for, of equal ones
    the first; and IGNORE where its own colour is further than FAR from that class's: on edges, of colours blended of two.
    """
    distances = squared_distances(colours, PALETTE)
    votes = distances.argmin(-1)
    counts = (votes == np.arange(len(PALETTE))[:, None, None]).astype(np.uint8)  # (C, H, W)
    for axis in (1, 2):
        margin = [(0, 0) if other != axis else (WINDOW // 2, WINDOW // 2) for other in range(3)]
        counts = sliding_window_view(np.pad(counts, margin), WINDOW, axis).sum(-1, dtype=np.uint8)
    labels = counts.argmax(0)
    own = np.take_along_axis(distances, labels[..., None], -1)[..., 0]
    return np.where(own > FAR**2, IGNORE, labels).astype(np.uint8)


def _number(file: Path) -> int:
    return int(file.stem) if file.stem.isascii() and file.stem.isdigit() else 0
