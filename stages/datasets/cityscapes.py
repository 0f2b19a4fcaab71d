"""Cityscapes' fine annotations in their official layout.

leftImg8bit/PART/CITY/NAME_leftImg8bit.png are the photos, and gtFine/PART/CITY/NAME_gtFine_labelIds.png the label maps.

Its test part has no public labels, so the 500 pictures that Section 8.1.4 tests on are those of val.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.pictures import read_image, read_stored
from stages.datasets.translated import IGNORE, Pair, coloured, counted, matched

PAIRED = True

# The 19 classes that are trained on, with their ids and colours: cityscapesScripts, helpers/labels.py.
_LABELS = (
    *(("road", 7, (128, 64, 128)), ("sidewalk", 8, (244, 35, 232)), ("building", 11, (70, 70, 70)), ("wall", 12, (102, 102, 156))),
    *(("fence", 13, (190, 153, 153)), ("pole", 17, (153, 153, 153)), ("traffic light", 19, (250, 170, 30))),
    *(("traffic sign", 20, (220, 220, 0)), ("vegetation", 21, (107, 142, 35)), ("terrain", 22, (152, 251, 152))),
    *(("sky", 23, (70, 130, 180)), ("person", 24, (220, 20, 60)), ("rider", 25, (255, 0, 0)), ("car", 26, (0, 0, 142))),
    *(("truck", 27, (0, 0, 70)), ("bus", 28, (0, 60, 100)), ("train", 31, (0, 80, 100)), ("motorcycle", 32, (0, 0, 230))),
    *(("bicycle", 33, (119, 11, 32)),),
)
CLASSES = tuple(name for name, _, _ in _LABELS)
IDS = tuple(number for _, number, _ in _LABELS)
PALETTE = np.array([colour for _, _, colour in _LABELS], np.uint8)

MOST_IDS = 34  # 0 to 33; 255 where a licence plate, -1, was stored in a byte
FOLDERS = {"train": "train", "test": "val"}
PHOTO, LABELS = "_leftImg8bit.png", "_gtFine_labelIds.png"


def pairs(folder: Path, part: str) -> list[Pair]:
    """All pictures of a part by city and name; a UserError names the photo or the label map that is missing."""
    photos, labels = (folder / kind / FOLDERS[part] for kind in ("leftImg8bit", "gtFine"))
    a, b = _by_name(labels, LABELS), _by_name(photos, PHOTO)

    def where(domain: int, name: str) -> Path:
        return photos / f"{name}{PHOTO}" if domain else labels / f"{name}{LABELS}"

    return counted(matched(a, b, ("the label map", "the photo"), where), photos)


def read(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The classes in their colours, black where there is none, and the photo, each uint8 (H, W, 3); a UserError where sizes differ."""
    assert pair.b is not None
    labels, photo = read_labels(pair), read_image(pair.b)
    if labels.shape != photo.shape[:2]:
        sizes = [f"{width} x {height}" for height, width in (labels.shape, photo.shape[:2])]
        raise UserError(f"{pair.a} is of {sizes[0]} pixels and {pair.b} of {sizes[1]}: {AGAIN}")
    return coloured(labels, PALETTE), photo


def read_labels(pair: Pair) -> NDArray[np.uint8]:
    """The class of each pixel, 0 to 18, or IGNORE, which all other ids become, uint8 (H, W)."""
    assert pair.a is not None
    mode, ids = read_stored(pair.a, ("PNG",))
    if mode != "L":
        raise UserError(f"{pair.a} is a picture of mode {mode}: a map of label ids is grey, of 8 bits")
    unknown = np.unique(ids[(ids >= MOST_IDS) & (ids != 255)])
    if len(unknown):
        raise UserError(f"{pair.a} has the id {unknown[0]}: Cityscapes' are 0 to {MOST_IDS - 1}, so is it a map of labelIds?")
    table = np.full(256, IGNORE, np.uint8)
    table[list(IDS)] = np.arange(len(IDS))
    return table[ids]


def _by_name(folder: Path, suffix: str) -> dict[str, Path]:
    return {file.relative_to(folder).as_posix().removesuffix(suffix): file for file in folder.glob(f"*/*{suffix}")}
