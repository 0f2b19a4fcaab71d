"""What is stored of a set's networks and baselines on its test pairs, and of what reads these."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, trainings
from stages.core.errors import UserError
from stages.core.stage import Job

MADE = ("swapped", "returned", "mask_swapped", "mask_returned")  # of predict.py


def models_of(job: Job) -> list[str]:
    """Which models all sets have: the thesis's, and ours."""
    return [*job.param("ch8_swapgan.models.compared"), *job.param("ch8_swapgan.models.ours")]


def predictions(job: Job, dataset: str) -> list[tuple[str, int, Path]]:
    """Model, seed and file of what each network has made of the test pairs; of others `trainings.available` says that they lack."""
    folder, seeds = job.data(f"predictions/ch8_swapgan/{dataset}"), job.param("ch8_swapgan.seeds")
    return trainings.available(job, folder, models_of(job), seeds, "{model}-seed{seed}.npz")


def read(file: Path, shapes: Mapping[str, tuple[int, ...]], stage: str) -> dict[str, NDArray]:
    """Those arrays of a file that it has, by name; a UserError where one is not of its shape, or `swapped` is absent: all are uint8.
    stage : that makes the file.
    """
    stored = arrays.read_all(file, stage)
    if "swapped" not in stored:
        raise UserError(f"{file}: swapped is absent: run `python -m workflow.repro {stage}`")
    for name, shape in shapes.items():
        if name in stored and (stored[name].dtype, stored[name].shape) != (np.uint8, shape):
            raise UserError(
                f"{file}: {name} is {stored[name].dtype} {stored[name].shape}, not uint8 {shape}: run `python -m workflow.repro {stage}`"
            )
    return {name: stored[name] for name in shapes if name in stored}


def shapes(pairs: int, size: int) -> dict[str, tuple[int, ...]]:
    """Of what predict.py stores, for so many test pairs of pictures of so many pixels a side."""
    return {name: (pairs, size, size) if name.startswith("mask") else (pairs, size, size, 3) for name in MADE}


def baselines(job: Job, dataset: str) -> list[tuple[str, int | None, Path]]:
    """Name, seed if it has one, and file of what each baseline has made of the test pairs, by name."""
    folder = job.dep(job.data(f"predictions/ch8_swap_baselines/{dataset}"))
    stems = [(file.stem.partition("-seed"), file) for file in sorted(folder.glob("*.npz"))]
    return [(name, int(seed) if seed else None, file) for (name, _, seed), file in stems]


def scores(file: Path, count: int, size: int, stage: str) -> dict[str, NDArray]:
    """What score.py has stored of `count` images of each kind: posteriors_swapped and posteriors_returned, float32 (count, K), and
    parts_swapped and parts_returned, uint8 (count, S, S), those of `returned` where there are such. A UserError where one is damaged.
    """
    stored = arrays.read_all(file, stage)
    for name in ("posteriors_swapped", "parts_swapped", *stored):
        array = stored.get(name, np.empty(0))
        if name.startswith("parts"):
            right = array.dtype == np.uint8 and array.shape == (count, size, size)
        else:
            right = array.dtype == np.float32 and array.ndim == 2 and len(array) == count
        if not right:
            raise UserError(
                f"{file}: {name} is {array.dtype} {array.shape}, and there are {count} images: run `python -m workflow.repro {stage}`"
            )
    return stored
