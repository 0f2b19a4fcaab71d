"""Two domains of pictures: what readers of the kind `translated` share (Section 8.1).

Domain A is what is drawn, label maps in their classes' colours or sketches, and domain B is photos. Such a reader has PAIRED, whether a
picture of A and one of B show the same thing; pairs(folder, part), of train or test, in a stated order; and read(pair), the two pictures.
One whose label maps a segmentation network is scored by has CLASSES, PALETTE, the classes' colours uint8 (C, 3), and read_labels(pair), the
class of each pixel or IGNORE, uint8 (H, W).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets import AGAIN

IGNORE = 255  # of a label map: no class, and counted nowhere
PARTS = ("train", "test")

Read = tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]


@dataclass(frozen=True)
class Pair:
    """The files of one example: `a` of the label map or sketch, `b` of the photo, the same file where one holds both.

    None in the domain that an unpaired picture is not in.
    """

    name: str
    a: Path | None
    b: Path | None


def nearest(colours: NDArray[np.uint8], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class of each pixel (..., 3): that of the colour at the least Euclidean distance, of equal ones the first; (...)."""
    return squared_distances(colours, palette).argmin(-1).astype(np.uint8)


def squared_distances(colours: NDArray[np.uint8], palette: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Of each pixel (..., 3) from each colour (C, 3): int32 (..., C)."""
    # In floats, which all these whole numbers, below 2^24, are exact in: products of integers are slow.
    pixels, wanted = colours.astype(np.float32), palette.astype(np.float32)
    squares = np.square(pixels).sum(-1)[..., None] + np.square(wanted).sum(-1)
    return (squares - 2 * (pixels @ wanted.T)).astype(np.int32)


def coloured(labels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A label map in its classes' colours, uint8 (..., 3); what has no class is black."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    return colours[labels]


def matched(a: Mapping[str, Path], b: Mapping[str, Path], words: tuple[str, str], where: Callable[[int, str], Path]) -> list[Pair]:
    """Pairs of the same name in both domains, by name; a UserError names the first file that is missing.

    words : what a picture of each domain is, as in "a photo". where : the file that the picture of a domain, 0 or 1, would be.
    """
    for number, (ours, theirs) in enumerate(((a, b), (b, a))):
        if missing := sorted(theirs.keys() - ours.keys()):
            other = theirs[missing[0]]
            raise UserError(f"{where(number, missing[0])}, {words[number]} to {other.name}, is missing: both are needed, so {AGAIN}")
    return [Pair(name, a[name], b[name]) for name in sorted(a)]


def counted(pairs: Sequence[Pair], folder: Path) -> list[Pair]:
    """The pairs, at least one; else a UserError."""
    if not pairs:
        raise UserError(f"{folder} has no pictures, so the data set is not in its official layout: {AGAIN}")
    return list(pairs)
