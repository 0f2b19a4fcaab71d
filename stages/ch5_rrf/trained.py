"""Which networks of a data set there are: those of the blocks that are trained on it."""

from collections.abc import Iterator
from pathlib import Path

from stages.ch5_rrf.settings import Models, Sets
from stages.core import trainings
from stages.core.stage import Job


def networks(job: Job, dataset: str) -> Iterator[tuple[str, str, int, Path]]:
    """Variant, block, seed and folder of each network that has been trained; others are named as `trainings.available` does."""
    sets, models = job.settings(Sets, "ch5_rrf.sets"), job.settings(Models, "ch5_rrf.models")
    blocks = models.compared if dataset in sets.compared else [*models.ablated, *models.other]
    for block, seed, folder in trainings.available(job, job.data(f"models/ch5_rrf/{dataset}"), blocks, job.param("ch5_rrf.seeds")):
        for name in job.param(f"ch5_rrf.variants.{block}"):
            yield name, block, seed, folder / name
