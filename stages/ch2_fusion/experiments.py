"""An experiment is a data set as it is, `cifar10`, or with the standard augmentation [125], `cifar10_augmented`."""

from pathlib import Path

from stages.core import trainings
from stages.core.stage import Job

AUGMENTED = "_augmented"


def is_augmented(experiment: str) -> bool:
    """Whether it trains with augmentation."""
    return experiment.endswith(AUGMENTED)


def dataset_of(experiment: str) -> str:
    """The data set that it trains and tests on."""
    return experiment.removesuffix(AUGMENTED)


def trained(job: Job, experiment: str) -> list[tuple[str, int, Path]]:
    """Each network of the experiment that there is: its variant, seed and folder."""
    models = job.param(f"ch2_fusion.models.{'augmented' if is_augmented(experiment) else 'plain'}")
    return trainings.available(job, job.data(f"models/ch2_fusion/{experiment}"), models, job.param("ch2_fusion.seeds"))
