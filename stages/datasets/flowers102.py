"""Oxford's 102 flowers in their official layout: jpg/image_00001.jpg to image_08189.jpg (Nilsback and Zisserman, ICVGIP 2008).

imagelabels.mat has the class of each image, from 1; setid.mat the numbers of the images of each part: trnid (1,020), valid (1,020) and
tstid (6,149). Training is on trnid and valid together, 2,040, as the thesis's Table 2.5 counts them.
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.labelled import ClassifiedSet, Labelled, checked, existing
from stages.datasets.matlab import load_mat

TRAIN, TEST = ("trnid", "valid"), ("tstid",)


def read(folder: Path) -> ClassifiedSet:
    """The images in setid.mat's order. The files have no names of the classes, so these are class_001, class_002, ...

    A UserError names a file that is missing or damaged, an image that is missing, has no label or is in two parts, and a class without
    images to train or to test on.
    """
    labels = _numbers(folder / "imagelabels.mat", "labels")
    file = folder / "setid.mat"
    numbers = {key: _numbers(file, key) for key in (*TRAIN, *TEST)}
    seen: set[int] = set()
    for key, part in numbers.items():
        for number in part:
            if number > len(labels):
                raise UserError(f"{file}, {key}: image {number} is none of the {len(labels)} that imagelabels.mat has labels of: {AGAIN}")
            if number in seen:
                raise UserError(f"{file}, {key}: image {number} is listed twice, or in two parts: {AGAIN}")
            seen.add(number)
    train, test = (_part(folder, labels, {key: numbers[key] for key in keys}) for keys in (TRAIN, TEST))
    return checked(ClassifiedSet([f"class_{number:03d}" for number in range(1, max(labels) + 1)], train, test), file)


def _part(folder: Path, labels: list[int], numbers: dict[str, list[int]]) -> Labelled:
    images = [
        existing(folder / f"jpg/image_{number:05d}.jpg", folder / "setid.mat", f"{key}, place {place}")
        for key, part in numbers.items()
        for place, number in enumerate(part, 1)
    ]
    return Labelled(images, [labels[number - 1] - 1 for part in numbers.values() for number in part])


def _numbers(file: Path, key: str) -> list[int]:
    """A row of whole numbers, from 1."""
    try:
        values = load_mat(file, key)
    except UserError as error:
        raise UserError(f"{error}: {AGAIN}") from error
    if values.dtype.kind not in "uif" or not values.size or values.size != max(values.shape) or (values < 1).any() or (values % 1).any():
        raise UserError(f"{file}: {key} is no row of whole numbers from 1, but {values.dtype} of shape {values.shape}: {AGAIN}")
    return values.ravel().astype(np.int64).tolist()
