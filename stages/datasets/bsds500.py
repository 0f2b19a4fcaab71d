"""BSDS500 in its official layout: BSR/BSDS500/data/{images,groundTruth}/{train,val,test}, and its authors' contours beside it.

The contours are gPb-owt-ucm's (Arbelaez et al., TPAMI 2011), which the authors give as hierarchies, in BSR/BSDS500/ucm2.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.datasets.pictures import BadPicture, decoded

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


def list_split(folder: Path, split: str) -> list[Example]:
    """The images of `folder`/BSR/BSDS500/data's train, val or test, by name; a UserError names a file without its counterpart."""
    if split not in SPLITS:
        raise UserError(f"BSDS500 has no split {split!r}: it is one of {', '.join(SPLITS)}")
    base = folder / "BSR/BSDS500/data"
    images, truths = (
        {file.stem: file for file in (base / kind / split).glob(f"*{suffix}")}
        for kind, suffix in (("images", ".jpg"), ("groundTruth", ".mat"))
    )
    if not images and not truths:
        raise UserError(f"{base}/images/{split} has no .jpg: download the data set again")
    for name in sorted(images.keys() ^ truths.keys()):
        missing = f"groundTruth/{split}/{name}.mat" if name in images else f"images/{split}/{name}.jpg"
        raise UserError(f"{base}/{missing} is missing: download the data set again")
    return [Example(name, images[name], truths[name]) for name in sorted(images)]


def read_image(file: Path) -> np.ndarray:
    """A photograph, uint8 (H, W, 3)."""
    return _read_pixels(file, "RGB")


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


def read_ucm(file: Path) -> np.ndarray:
    """A hierarchy of contours, stored at twice the image's size, sampled at the image's own as the benchmark does: float64 (H, W)."""
    values = load_mat(file, "ucm2")
    if values.ndim != 2 or min(values.shape) < 3 or not values.shape[0] % 2 or not values.shape[1] % 2:
        raise UserError(f"{file}: ucm2 has the shape {values.shape}, where twice the image's height and width plus one is expected")
    return values[2::2, 2::2].astype(np.float64)


def read_contours(folder: Path, split: str, name: str) -> np.ndarray:
    """gPb-owt-ucm's contours of an image, float64 (H, W), 0 to 1: from the authors' `ucm2`, else from a copy in 8-bit PNG at image size."""
    hierarchy, picture = folder / f"BSR/BSDS500/ucm2/{split}/{name}.mat", folder / f"gPb-owt-ucm/{split}/{name}.png"
    if hierarchy.is_file():
        return read_ucm(hierarchy)
    if picture.is_file():
        return _read_pixels(picture, "L") / 255
    raise UserError(f"the contours of {name} are neither in {hierarchy} nor in {picture}: get BSDS500 from where it has one of them")


def load_mat(file: Path, key: str) -> np.ndarray:
    """One variable of a Matlab file; a UserError names a file that is missing, damaged or lacks it."""
    from scipy.io import loadmat

    if not file.is_file():
        raise UserError(f"{file} is missing")
    try:
        content = loadmat(file, variable_names=[key])
    except NotImplementedError as error:
        raise UserError(f"{file} is a Matlab 7.3 file: save it with Matlab's option -v7") from error
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{file} is damaged or no Matlab file ({error})") from error
    if key not in content:
        raise UserError(f"{file} has no variable {key}")
    return content[key]


def _read_pixels(file: Path, mode: str) -> np.ndarray:
    try:
        return decoded(file, lambda picture: np.asarray(picture.convert(mode)))
    except BadPicture as error:
        raise UserError(f"{error}: download it again") from error


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
