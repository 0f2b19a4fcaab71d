"""What the data sets of edges have in common: splits, and what people drew, in the form of BSDS500's ground truth.

A reader of the kind `edges` offers `list_split(folder, split)` -> list[Example] and `read_truth(file)` -> Drawn; one of the kind `regions`,
the same with Regions. gPb-owt-ucm's contours (Arbelaez et al., TPAMI 2011) are a form of their own, `ucm2`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.datasets.matlab import load_mat

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Annotation:
    """One annotator's view of an image: regions, integers (H, W); boundaries between them, bool (H, W)."""

    segmentation: np.ndarray
    boundaries: np.ndarray


@dataclass(frozen=True)
class Example:
    """The files of one image."""

    name: str
    image: Path
    ground_truth: Path


@dataclass(frozen=True)
class Drawn:
    """The boundaries that each annotator drew, bool (annotators, H, W)."""

    maps: np.ndarray


@dataclass(frozen=True)
class Regions:
    """The class of each pixel, int64 (H, W): borders of regions are edges, coarse ones (Section 3.3)."""

    labels: np.ndarray


def read_ground_truth(file: Path) -> list[Annotation]:
    """What every annotator drew. A UserError names a file that is missing, damaged, without groundTruth or without annotators."""
    boundaries, segmentations = read_boundaries(file), _annotations(file, "Segmentation")
    for segmentation in segmentations:
        if segmentation.shape != boundaries.shape[1:]:
            raise UserError(f"{file}: Segmentation of {_size(segmentation)} beside Boundaries of {_size(boundaries[0])}")
    return [Annotation(*pair) for pair in zip(segmentations, boundaries, strict=True)]


def read_boundaries(file: Path) -> np.ndarray:
    """The annotators' boundaries alone, bool (annotators, H, W); errors as `read_ground_truth`."""
    maps = [values != 0 for values in _annotations(file, "Boundaries")]
    for values in maps:
        if values.shape != maps[0].shape:
            raise UserError(f"{file}: its annotators' Boundaries differ in size, {_size(maps[0])} and {_size(values)}")
    return np.stack(maps)


def read_drawn(file: Path) -> Drawn:
    """The same as a reader has it."""
    return Drawn(read_boundaries(file))


def read_ucm(file: Path) -> np.ndarray:
    """A hierarchy of contours, stored at twice the image's size, sampled at the image's own as the benchmark does: float64 (H, W)."""
    values = load_mat(file, "ucm2")
    if values.ndim != 2 or min(values.shape) < 3 or not values.shape[0] % 2 or not values.shape[1] % 2:
        raise UserError(f"{file}: ucm2 has the shape {values.shape}, where twice the image's height and width plus one is expected")
    return values[2::2, 2::2].astype(np.float64)


def _annotations(file: Path, field: str) -> list[np.ndarray]:
    entries = load_mat(file, "groundTruth").ravel()
    if not len(entries):
        raise UserError(f"{file}: groundTruth is empty, it has no annotator")
    return [_field(file, entry, field) for entry in entries]


def _field(file: Path, entry: Any, field: str) -> np.ndarray:
    names = getattr(getattr(entry, "dtype", None), "names", None) or ()
    if field not in names or entry.size != 1:
        raise UserError(f"{file}: an annotation of groundTruth has no {field}")
    values = entry[field].item()
    values = values.toarray() if hasattr(values, "toarray") else values  # some sets store sparse matrices
    if not isinstance(values, np.ndarray) or values.ndim != 2 or not values.size or values.dtype.kind not in "buif":
        raise UserError(f"{file}: {field} in groundTruth is no matrix of numbers")
    return values


def _size(values: np.ndarray) -> str:
    return f"{values.shape[0]} x {values.shape[1]}"
