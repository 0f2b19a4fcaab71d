"""An image as its 14 spatial patches: a pyramid of three levels, whole, quarters and ninths (Section 4.2.1, Figure 4.1)."""

from math import ceil, floor
from pathlib import Path

import numpy as np
from PIL import Image

from stages.datasets import pictures
from stages.datasets.pictures import BadPicture

LEVELS = (1, 2, 3)  # patches along a side
SMALLEST_SIDE = max(LEVELS)

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels; the last two are outside


def pyramid(width: int, height: int, levels: tuple[int, ...] = LEVELS) -> list[tuple[int, int, int, int]]:
    """The boxes of P_1, ..., P_14 in whole pixels, level by level and each level row by row.

    The patches of a level cover the image and do not overlap; where it cannot be divided evenly, they differ by a pixel.
    """
    boxes = []
    for parts in levels:
        across, down = ([length * part // parts for part in range(parts + 1)] for length in (width, height))
        boxes += [(across[x], down[y], across[x + 1], down[y + 1]) for y in range(parts) for x in range(parts)]
    return boxes


def patches(picture: Image.Image, size: int, box: Box | None = None) -> np.ndarray:
    """The patches of an RGB picture, or of the region `box` of it, each brought to size x size: uint8 (14, size, size, 3).

    Each is cut first and then resized from the picture's own pixels, so that no patch has anything of its neighbours in it;
    bilinear with antialiasing, the aspect not kept. A box takes in all pixels that it touches; BadPicture: fewer than 3 x 3 of them.
    """
    left, top, right, bottom = _touched(picture, box) if box else (0, 0, *picture.size)
    if min(right - left, bottom - top) < SMALLEST_SIDE:
        raise BadPicture(f"the region {box} of {picture.width} x {picture.height} pixels has no 3 x 3 pixels, a patch for each")
    boxes = pyramid(right - left, bottom - top)
    found = np.empty((len(boxes), size, size, 3), np.uint8)
    for place, (x, y, x_end, y_end) in zip(found, boxes, strict=True):
        patch = picture.crop((left + x, top + y, left + x_end, top + y_end))
        place[:] = np.asarray(patch.resize((size, size), Image.Resampling.BILINEAR))
    return found


def open_picture(file: Path) -> Image.Image:
    """A picture as `stages.datasets.pictures` opens it, and of 3 x 3 pixels at least, a patch for each; BadPicture if it cannot be had."""
    picture = pictures.open_picture(file)
    if min(picture.size) < SMALLEST_SIDE:
        raise BadPicture(f"{file} gives no patches: {picture.width} x {picture.height} pixels are not 3 x 3, a patch for each")
    return picture


def _touched(picture: Image.Image, box: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return max(0, floor(left)), max(0, floor(top)), min(picture.width, ceil(right)), min(picture.height, ceil(bottom))
