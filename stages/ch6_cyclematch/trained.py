"""Which networks of a data set there are: those of the blocks that are trained on it."""

from collections.abc import Iterator
from pathlib import Path

from stages.ch6_cyclematch.settings import Models
from stages.core import trainings
from stages.core.stage import Job


def networks(job: Job, dataset: str) -> Iterator[tuple[str, str, int, Path]]:
    """Variant, block, seed and folder of each network that has been trained; others are named as `trainings.available` does."""
    models, seeds = job.settings(Models, "ch6_cyclematch.models"), job.param("ch6_cyclematch.seeds")
    folder = job.data(f"models/ch6_cyclematch/{dataset}")
    for block, seed, trained in trainings.available(job, folder, models.blocks(), seeds):
        for name in job.param(f"ch6_cyclematch.variants.{block}"):
            yield name, block, seed, trained / name
