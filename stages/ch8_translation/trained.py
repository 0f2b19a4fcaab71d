"""The trained networks of a data set."""

from pathlib import Path

import torch

from stages.ch8_translation.model import Translator, restore
from stages.ch8_translation.stored import models_of
from stages.ch8_translation.training_settings import Network, Variant
from stages.core import runtime, trainings
from stages.core.errors import UserError
from stages.core.stage import Job

Networks = list[tuple[str, int, Path]]


def networks(job: Job, dataset: str) -> Networks:
    """Model, seed and folder of all trainings; of others `trainings.available` says that they are not there."""
    folder, seeds = job.data(f"models/ch8_translation/{dataset}"), job.param("ch8_translation.seeds")
    return trainings.available(job, folder, models_of(job, dataset), seeds)


def load(folder: Path, variant: Variant, network: Network, device: torch.device) -> Translator:
    """A training's generators, in evaluation mode. A UserError where their file is damaged, another network's, or not finite."""
    file = folder / "model.pt"
    try:
        state = runtime.load(file)
    except Exception as error:  # a damaged file raises nearly anything
        wrong = "is not there" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__})"
        raise UserError(f"{file} {wrong}: `python -m workflow.repro ch8_translation` makes it again") from error
    return restore(state, variant, network, file).to(device).eval()
