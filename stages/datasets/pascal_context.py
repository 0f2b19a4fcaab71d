"""PASCAL Context in its official layout: the photographs of VOC 2010, and in trainval/ the class of every pixel of 10,103 of them.

There are 459 classes, numbered from 1 (Mottaghi et al., CVPR 2014).
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets.bsds500 import Example, load_mat


def list_images(folder: Path) -> list[Example]:
    """The images with a label map (as `ground_truth`), by name; a UserError names a label map without its photograph.

    VOC 2010 has more photographs than there are label maps.
    """
    labels = {file.stem: file for file in (folder / "trainval").glob("*.mat")}
    if not labels:
        raise UserError(f"{folder}/trainval has no .mat: download the data set again")
    examples = [Example(name, folder / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg", labels[name]) for name in sorted(labels)]
    for example in examples:
        if not example.image.is_file():
            raise UserError(f"{example.image} is missing: download the data set again")
    return examples


def read_label_map(file: Path) -> np.ndarray:
    """The class of each pixel, int64 (H, W). A UserError names a file that is missing, damaged or without a LabelMap of integers."""
    values = load_mat(file, "LabelMap")
    if values.ndim != 2 or not values.size or values.dtype.kind not in "ui":
        raise UserError(f"{file}: LabelMap is no matrix of integers, but {values.dtype} of shape {values.shape}")
    return values.astype(np.int64)
