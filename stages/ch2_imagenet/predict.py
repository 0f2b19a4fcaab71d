"""What the networks say of ImageNet's validation images: the five best classes of each, and the feature maps of Figure 2.12.

    python -m stages.ch2_imagenet.predict imagenet

AlexNet is not trained here: its weights are fetched or, of a miniature, generated.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.ch2_imagenet.data import Crops, Pictures, central_crops, class_names, in_batches, load_mean
from stages.ch2_imagenet.networks import ImageNetwork, Network, count_parameters, load
from stages.ch2_imagenet.variants import ALEXNET, file_name, trained_models
from stages.core import inference, metrics, stage
from stages.core.ahead import map_ahead, workers
from stages.core.files import write_json
from stages.encoders import vision

TOP = 5  # classes
TOP_MAPS = 4  # of a branch, in Figure 2.12


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["imagenet"])
    return parser


@torch.no_grad()
def best_classes(scores: Callable[[Crops], Tensor], batches: Iterator[Crops]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """The classes with the highest scores, best first (N, TOP), of equal ones the first; and the labels (N,)."""
    best, labels = [], []
    for crops in batches:
        order = scores(crops).argsort(dim=1, descending=True, stable=True)
        best.append(order[:, :TOP].cpu())
        labels.append(crops.labels)
    return torch.cat(best).numpy().astype(np.int16), torch.cat(labels).numpy().astype(np.int16)


def scores_by(model: ImageNetwork, crops: Crops, mean: Tensor, device: torch.device) -> Tensor:
    """The network's own prediction, (N, C), in single precision: in half, a tenth of the places among the best would be ties."""
    return model(crops.normalised(mean, device)[0])[:, -1]


def scores_by_alexnet(model: torch.nn.Module, crops: Crops, device: torch.device) -> Tensor:
    """AlexNet's prediction, (N, C), of RGB as its weights take them."""
    return model(vision.normalise(crops.pixels.permute(0, 3, 1, 2).to(device), vision.encoder(ALEXNET)))


@torch.no_grad()
def top_maps(model: ImageNetwork, crops: Crops, mean: Tensor, device: torch.device) -> dict[str, NDArray]:
    """Of each branch (branch_1, ..., main branch last), the maps with the highest mean activation: float32 (N, TOP_MAPS, H, W)."""
    top = {}
    for branch, maps in enumerate(model.branch_maps(crops.normalised(mean, device)[0]), start=1):
        order = maps.mean(dim=(2, 3)).argsort(dim=1, descending=True, stable=True)[:, :TOP_MAPS]
        top[f"branch_{branch}"] = maps.take_along_dim(order[:, :, None, None], dim=1).float().cpu().numpy()
    return top


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch2_imagenet"]
    precision, device = inference.start(job)
    pictures = Pictures(job.dep(f"data/{scale}/packed/imagenet"), "val")
    facts = job.dep(f"data/{scale}/packed/imagenet_facts")
    mean, classes = load_mean(facts, settings["mean"], device), class_names(facts)
    cut = partial(central_crops, pictures, crop=settings["crop"])
    out = job.out(f"data/{scale}/predictions/ch2_imagenet/imagenet")
    out.mkdir(parents=True)
    here = precision.describe(device)
    about = json.loads((facts / "about.json").read_text()) | {"models": {}}

    def keep(name: str, scores: Callable[[Crops], Tensor], made: dict[str, Any]) -> None:
        batches = map_ahead(cut, in_batches(len(pictures), settings["batch_size"]), threads=workers(), ahead=workers())
        best, labels = best_classes(scores, batches)
        np.savez(out / f"{name}.npz", best=best, labels=labels)
        about["models"][name] = metrics.made_by(made, here)

    for name, seed, folder in trained_models(job, settings["models"]):
        model = precision.place(load(folder, name, len(classes), job.settings(Network, "ch2_imagenet.network"), device), device)
        keep(file_name(name, seed), partial(scores_by, model, mean=mean, device=device), json.loads((folder / "about.json").read_text()))
        if name == settings["figures"]["branches"] and not (out / "activations.npz").exists():  # of its first seed
            shown = cut(torch.arange(min(len(pictures), settings["figures"]["shown"])))
            np.savez(out / "activations.npz", images=shown.pixels.numpy(), **top_maps(model, shown, mean, device))  # type: ignore[arg-type]
    source = job.dep(f"data/{scale}/sources/{ALEXNET}")
    alexnet = precision.place(vision.load(ALEXNET, source), device)
    described = {"parameters": count_parameters(alexnet), "weights": vision.kind_of(source), **here}
    keep(ALEXNET, partial(scores_by_alexnet, alexnet, device=device), described)
    write_json(out / "about.json", about)
    shutil.copyfile(facts / "provenance.json", out / "provenance.json")


if __name__ == "__main__":
    stage.execute(parser(), main)
