"""PASCAL Context in its official layout: the photographs of VOC 2010, and in trainval/ the class of every pixel of 10,103 of them.

There are 459 classes, numbered from 1 (Mottaghi et al., CVPR 2014).
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.edges import Example, Regions
from stages.datasets.matlab import load_mat


def list_split(folder: Path, split: str) -> list[Example]:
    """The images with a label map (as `ground_truth`), by name; a UserError names a label map without its photograph.

    Chapter 3 trains on all, and there is no other split. VOC 2010 has more photographs than there are label maps.
    """
    if split != "train":
        raise UserError(f"PASCAL Context has no split {split!r} here: all of it is train")
    labels = {file.stem: file for file in (folder / "trainval").glob("*.mat")}
    if not labels:
        raise UserError(f"{folder}/trainval has no .mat: {AGAIN}")
    examples = [Example(name, folder / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg", labels[name]) for name in sorted(labels)]
    for example in examples:
        if not example.image.is_file():
            raise UserError(f"{example.image} is missing: {AGAIN}")
    return examples


def read_label_map(file: Path) -> np.ndarray:
    """The class of each pixel, int64 (H, W). A UserError names a file that is missing, damaged or without a LabelMap of integers."""
    values = load_mat(file, "LabelMap")
    if values.ndim != 2 or not values.size or values.dtype.kind not in "ui":
        raise UserError(f"{file}: LabelMap is no matrix of integers, but {values.dtype} of shape {values.shape}")
    return values.astype(np.int64)


def read_truth(file: Path) -> Regions:
    """The same as a reader has it."""
    return Regions(read_label_map(file))
