"""BSDS500 in its official layout: BSR/BSDS500/data/{images,groundTruth}/{train,val,test}, and its authors' contours beside it.

The contours are gPb-owt-ucm's (Arbelaez et al., TPAMI 2011), which the authors give as hierarchies, in BSR/BSDS500/ucm2.
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.edges import SPLITS, Example, read_drawn, read_ucm
from stages.datasets.pictures import read_pixels

read_truth = read_drawn


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
        raise UserError(f"{base}/images/{split} has no .jpg: {AGAIN}")
    for name in sorted(images.keys() ^ truths.keys()):
        missing = f"groundTruth/{split}/{name}.mat" if name in images else f"images/{split}/{name}.jpg"
        raise UserError(f"{base}/{missing} is missing: {AGAIN}")
    return [Example(name, images[name], truths[name]) for name in sorted(images)]


def read_contours(folder: Path, split: str, name: str) -> np.ndarray:
    """gPb-owt-ucm's contours of an image, float64 (H, W), 0 to 1: from the authors' `ucm2`, else from a copy in 8-bit PNG at image size."""
    hierarchy, picture = folder / f"BSR/BSDS500/ucm2/{split}/{name}.mat", folder / f"gPb-owt-ucm/{split}/{name}.png"
    if hierarchy.is_file():
        return read_ucm(hierarchy)
    if picture.is_file():
        return read_pixels(picture, "L") / 255
    raise UserError(f"the contours of {name} are neither in {hierarchy} nor in {picture}: get BSDS500 from where it has one of them")
