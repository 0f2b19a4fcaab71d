"""What the trained networks say of the test set: class scores, and the activation maps of Figure 2.1.

python -m stages.ch2_fusion.predict cifar10
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from stages.ch2_fusion import data
from stages.ch2_fusion.experiments import dataset_of, is_augmented, role_of
from stages.ch2_fusion.model import FusionNetwork, build
from stages.ch2_fusion.training_settings import Network, Variant
from stages.core import branches, inference, metrics, provenance, runtime, stage, trainings
from stages.core.files import write_json

PICTURES = 10


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "experiment")


@torch.no_grad()
def top_maps(model: FusionNetwork, images: data.Images) -> dict[str, np.ndarray]:
    """Of each branch (branch_1, ..., main branch last), the most active maps: float32 (N, TOP_MAPS, H, W)."""
    model.eval()
    normalised, _ = images.batch(torch.arange(len(images), device=images.labels.device))
    return branches.top_maps(model.branch_maps(normalised))


def first_of_each_class(images: data.Images) -> data.Images:
    """The first image of each of the first PICTURES classes."""
    rows = torch.stack([(images.labels == label).nonzero()[0, 0] for label in range(PICTURES)])
    return data.Images(images.pixels[rows], images.labels[rows], images.mean[rows], images.divisor[rows])


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    prepared = job.dep(job.data(f"prepared/{dataset_of(args.experiment)}"))
    test, classes = data.read(prepared, "test", device), data.class_count(prepared)
    out = job.out(job.data(f"predictions/ch2_fusion/{args.experiment}"))
    out.mkdir(parents=True)
    is_shown = not is_augmented(args.experiment) and args.experiment in job.param("ch2_fusion.sets.shown")
    shown = set(job.param("ch2_fusion.figures.activations")) if is_shown else set()
    network = job.settings(Network, "ch2_fusion.network")
    names, seeds = job.param(f"ch2_fusion.models.{role_of(args.experiment)}"), job.param("ch2_fusion.seeds")
    for name, seed, folder in trainings.available(job, job.data(f"models/ch2_fusion/{args.experiment}"), names, seeds):
        variant = job.settings(Variant, f"ch2_fusion.variants.{name}")
        model = load(folder, variant, classes, network, device)
        scores = data.scores_of(model, test, precision)
        np.savez(out / f"{name}-seed{seed}.npz", scores=scores.cpu().numpy(), labels=test.labels.cpu().numpy())
        training = json.loads((folder / "about.json").read_text())
        write_json(out / f"{name}-seed{seed}.json", metrics.made_by(training, precision.describe(device)))
        if name in shown:  # of its first seed
            shown.remove(name)
            chosen = first_of_each_class(test)
            np.savez(out / f"{name}-activations.npz", images=chosen.pixels.cpu().numpy(), **top_maps(model, chosen))  # type: ignore[arg-type]
    provenance.hand_on(prepared, out)


def load(folder: Path, variant: Variant, classes: int, network: Network, device: torch.device) -> FusionNetwork:
    """A trained network."""
    model = build(variant, classes, network, torch.Generator())
    model.load_state_dict(runtime.load(folder / "model.pt"))
    return model.to(device)


if __name__ == "__main__":
    stage.execute(parser(), main)
