"""What the trained networks say of the test set: class scores, and the activation maps of Figure 2.1.

python -m stages.ch2_fusion.predict cifar10
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from stages.ch2_fusion import data
from stages.ch2_fusion.model import FusionNetwork, Network, build
from stages.core import inference, metrics, runtime, stage, trainings
from stages.core.files import write_json

PICTURES, TOP_MAPS = 10, 4


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=data.SOURCES)
    return parser


@torch.no_grad()
def top_maps(model: FusionNetwork, images: data.Images) -> dict[str, np.ndarray]:
    """Of each branch (branch_1, ..., main branch last), the maps with the highest mean activation: float32 (N, TOP_MAPS, H, W)."""
    model.eval()
    normalised, _ = images.batch(torch.arange(len(images), device=images.labels.device))
    top = {}
    for branch, maps in enumerate(model.branch_maps(normalised), start=1):
        order = maps.mean(dim=(2, 3)).argsort(dim=1, descending=True, stable=True)[:, :TOP_MAPS]
        top[f"branch_{branch}"] = maps.take_along_dim(order[:, :, None, None], dim=1).float().cpu().numpy()
    return top


def first_of_each_class(images: data.Images) -> data.Images:
    """The first image of each of the first PICTURES classes."""
    rows = torch.stack([(images.labels == label).nonzero()[0, 0] for label in range(PICTURES)])
    return data.Images(images.pixels[rows], images.labels[rows], images.mean[rows], images.divisor[rows])


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    scale, settings = job.params["scale"], job.params["ch2_fusion"]
    prepared = job.dep(f"data/{scale}/prepared/{data.SOURCES[args.dataset]}")
    test = data.read(prepared, "test", device)
    out = job.out(f"data/{scale}/predictions/ch2_fusion/{args.dataset}")
    out.mkdir(parents=True)
    shown = set(settings["figures"]["activations"]) if args.dataset == "cifar10" else set()
    models = f"data/{scale}/models/ch2_fusion/{args.dataset}"
    for name, seed, folder in trainings.available(job, models, settings["models"][args.dataset], settings["seeds"]):
        model = load(folder, name, data.class_count(prepared), job.settings(Network, "ch2_fusion.network"), device)
        scores = data.scores_of(model, test, precision)
        np.savez(out / f"{name}-seed{seed}.npz", scores=scores.cpu().numpy(), labels=test.labels.cpu().numpy())
        training = json.loads((folder / "about.json").read_text())
        write_json(out / f"{name}-seed{seed}.json", metrics.made_by(training, precision.describe(device)))
        if name in shown:  # of its first seed
            shown.remove(name)
            chosen = first_of_each_class(test)
            np.savez(out / f"{name}-activations.npz", images=chosen.pixels.cpu().numpy(), **top_maps(model, chosen))  # type: ignore[arg-type]
    (out / "provenance.json").write_bytes((prepared / "provenance.json").read_bytes())


def load(folder: Path, name: str, classes: int, settings: Network, device: torch.device) -> FusionNetwork:
    """A trained model."""
    model = build(name, classes, settings, torch.Generator())
    model.load_state_dict(runtime.load(folder / "model.pt"))
    return model.to(device)


if __name__ == "__main__":
    stage.execute(parser(), main)
