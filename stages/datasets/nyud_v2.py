"""NYU Depth v2 as Gupta et al. prepared it for their paper at CVPR 2013, and as papers on edges evaluate on it.

Images are cut to rows 46 to 470 and columns 41 to 600, annotations rid of double contours. Of an image there are a photograph,
data/colorImage/img_5001.png (425 x 560), and in BSDS500's form what one annotator drew, data/benchmarkData/groundTruth/img_5001.mat;
data/benchmarkData/metadata/nyusplits.mat has the numbers, from 5001, of the 381 images to train on, 414 to validate and 654 to test.
"""

from contextlib import suppress
from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.edges import SPLITS, Example, read_drawn
from stages.datasets.matlab import load_mat

read_truth = read_drawn


def list_split(folder: Path, split: str) -> list[Example]:
    """The images of train, val or test, by number; a UserError names a file that is missing or does not say which images they are."""
    if split not in SPLITS:
        raise UserError(f"NYUD has no split {split!r}: it is one of {', '.join(SPLITS)}")
    base = folder / "data"
    names = [f"img_{number:04d}" for number in _numbers(base / "benchmarkData/metadata/nyusplits.mat", split)]
    examples = [Example(name, base / f"colorImage/{name}.png", base / f"benchmarkData/groundTruth/{name}.mat") for name in names]
    for example in examples:
        for file in (example.image, example.ground_truth):
            if not file.is_file():
                raise UserError(f"{file} is missing: {AGAIN}")
    return examples


def _numbers(file: Path, split: str) -> list[int]:
    values = _load_split(file, split).ravel()
    if not values.size or values.dtype.kind not in "uif" or (values != np.floor(values)).any():
        raise UserError(f"{file}: {split} is no list of image numbers")
    return sorted(int(value) for value in values)


def _load_split(file: Path, split: str) -> np.ndarray:
    if split == "test":
        with suppress(UserError):
            return load_mat(file, "tst")  # as some copies call it
    return load_mat(file, split)
