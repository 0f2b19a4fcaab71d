"""The trained networks of a data set."""

from pathlib import Path

import torch

from stages.ch8_swapgan.model import SwapGAN, build
from stages.ch8_swapgan.stored import models_of
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core import trainings
from stages.core.stage import Job
from stages.gan import restored


def networks(job: Job, dataset: str) -> list[tuple[str, int, Path]]:
    """Model, seed and folder of all trainings; of others `trainings.available` says that they are not there."""
    folder, seeds = job.data(f"models/ch8_swapgan/{dataset}"), job.param("ch8_swapgan.seeds")
    return trainings.available(job, folder, models_of(job), seeds)


def load(folder: Path, variant: Variant, network: Network, device: torch.device) -> SwapGAN:
    """A training's generators, in evaluation mode. A UserError where their file is damaged, another network's, or not finite."""
    model = build(variant, network, lambda _: torch.Generator())
    restored.fill(model, folder / "model.pt", "ch8_swapgan")
    return model.to(device).eval()
