"""What is stored of a set's networks on its test part: generated pictures, and the label maps that the scorer makes of photos."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, trainings
from stages.core.errors import UserError
from stages.core.stage import Job


def models_of(job: Job, dataset: str) -> list[str]:
    """Which models a data set has: the compared ones, and ours where they are trained too."""
    ours = job.param("ch8_translation.models.ours") if dataset in job.param("ch8_translation.sets.controlled") else []
    return [*job.param("ch8_translation.models.compared"), *ours]


def predictions(job: Job, dataset: str) -> list[tuple[str, int, Path]]:
    """Model, seed and file of what each network has made of the test part; of others `trainings.available` says that they lack."""
    folder, seeds = job.data(f"predictions/ch8_translation/{dataset}"), job.param("ch8_translation.seeds")
    return trainings.available(job, folder, models_of(job, dataset), seeds, "{model}-seed{seed}.npz")


def read(file: Path, shapes: Mapping[str, tuple[int, ...]], stage: str) -> dict[str, NDArray]:
    """Those arrays of a file that it has, by name; a UserError where one is not of its shape: pictures and label maps uint8, distances (n,)
    float32 and finite. stage : that makes the file.
    """
    stored = arrays.read_all(file, stage)
    found = {name: stored[name] for name in shapes if name in stored}
    for name, array in found.items():
        kind = np.float32 if array.ndim == 1 else np.uint8
        wrong = (
            f"is {array.dtype} {array.shape}, not {np.dtype(kind)} {shapes[name]}"
            if (array.dtype, array.shape) != (kind, shapes[name])
            else ""
        )
        if not wrong and not np.isfinite(array).all():
            wrong = "has values that are not finite"
        if wrong:
            raise UserError(f"{file}: {name} {wrong}: run `python -m workflow.repro {stage}`")
    return found
