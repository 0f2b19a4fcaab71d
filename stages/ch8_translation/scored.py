"""What generated photos of Section 8.1 are scored by: real photos and label maps at the scorer's size, as prepared."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, json_files
from stages.core.errors import UserError

ARRAYS = {"photos": 4, "labels": 3}  # and how many dimensions each has


@dataclass(frozen=True)
class Scored:
    """A part of a data set, in the order of its names: `photos` uint8 (n, T, T, 3) and their `labels` uint8 (n, T, T), 255 where there is
    no class, at the scorer's size.

    classes : their names. palette : their colours, uint8 (C, 3).
    """

    photos: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    classes: list[str]
    palette: NDArray[np.uint8]


def labels_of(folder: Path, part: str) -> NDArray[np.uint8]:
    """The `labels` of a part alone."""
    (labels,) = arrays.read_named(folder / f"{part}.npz", f"ch8_prepare@{folder.name}", "labels")
    return labels


def load(folder: Path, part: str) -> Scored:
    """A part, train or test, of the set in `folder`: `set.json` and `<part>.npz`. A UserError where one is missing or damaged."""
    stage = f"ch8_prepare@{folder.name}"
    about = json_files.read(folder / "set.json", "classes", "palette", stage=stage)
    file = folder / f"{part}.npz"
    stored = dict(zip(ARRAYS, arrays.read_named(file, stage, *ARRAYS), strict=True))
    for name, array in stored.items():
        if array.dtype != np.uint8 or array.ndim != ARRAYS[name] or len(array) != len(stored["photos"]) or not len(array):
            raise UserError(
                f"{file}: {name} is {array.dtype} {array.shape}, and there are {len(stored['photos'])} photos: "
                f"run `python -m workflow.repro {stage}`"
            )
    return Scored(**stored, classes=about["classes"], palette=np.array(about["palette"], np.uint8).reshape(-1, 3))
