"""Which networks of a data set there are: those of the blocks that are trained on it."""

from collections.abc import Iterator
from pathlib import Path

from stages.ch7_mmc.settings import Models, Sets
from stages.core import trainings
from stages.core.stage import Job


def networks(job: Job, dataset: str) -> Iterator[tuple[str, str, int, Path]]:
    """Variant, block, seed and folder of each network that has been trained; others are named as `trainings.available` does."""
    here = job.settings(Models, "ch7_mmc.models").blocks(job.settings(Sets, "ch7_mmc.sets"), dataset)
    folder = job.data(f"models/ch7_mmc/{dataset}")
    for block, seed, trained in trainings.available(job, folder, here, job.param("ch7_mmc.seeds")):
        for name in job.param(f"ch7_mmc.variants.{block}"):
            yield name, block, seed, trained / name
