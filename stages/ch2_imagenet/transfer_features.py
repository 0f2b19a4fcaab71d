"""Image representations of a data set by the networks trained on ImageNet (Section 2.4.3), each picture decoded once for all of them.

    python -m stages.ch2_imagenet.transfer_features scene15

AlexNet's are its fc7, CNN-11's its global average pooling, CFN-11's its fused feature. Under `data/<scale>/features/ch2_imagenet/<set>`:
`cfn-11-seed0.npy` and so on, float32 (images, D), not normalised; `set.json`, what the rows are.
"""

import argparse
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from stages.ch2_imagenet.data import Crops, class_names, load_mean
from stages.ch2_imagenet.networks import ImageNetwork, Network, count_parameters, load
from stages.ch2_imagenet.transfer_sets import described, images_of, read
from stages.ch2_imagenet.variants import ALEXNET, file_name, trained_models
from stages.core import inference, metrics, stage
from stages.core.ahead import map_ahead, workers
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.runtime import Runtime, gpu_name
from stages.datasets.pictures import BadPicture, open_picture
from stages.encoders import vision

FC7 = "fc7"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Encoder:
    """A network as what represents images: Crops of N images -> float32 (N, D). about : what about.json says of it."""

    represent: Callable[[Crops], Tensor]
    about: dict[str, Any]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    return parser


def layer_of(model: str) -> str:
    """What represents an image, in words."""
    if model == ALEXNET:
        return FC7
    return "fused feature" if model.startswith("cfn") else "global average pooling"


def middle(file: Path, *, size: int, crop: int, dataset: str) -> Pixels:
    """The middle, uint8 (crop, crop, 3), of the picture at size x size, as it is taken of ImageNet's validation images.

    A UserError names a picture that cannot be read.
    """
    try:
        picture = open_picture(file).resize((size, size), Image.Resampling.BILINEAR)
    except BadPicture as error:
        raise UserError(f"{error}; all pictures of {dataset} are needed: get it anew with `dvc repro download@{dataset}`") from error
    corner = (size - crop) // 2
    return np.asarray(picture)[corner : corner + crop, corner : corner + crop]


def as_crops(pixels: list[Pixels], corner: int) -> Crops:
    """A batch whose pictures were cut at row and column `corner`; nothing is mirrored, and labels are not known here."""
    count = len(pixels)
    corners = torch.full((count, 2), corner)
    return Crops(torch.from_numpy(np.stack(pixels)), torch.zeros(count, dtype=torch.long), corners, torch.zeros(count, dtype=torch.bool))


def by_alexnet(model: nn.Module, precision: Runtime, device: torch.device, crops: Crops) -> Tensor:
    with precision.autocast(device):
        return vision.features(model, vision.encoder(ALEXNET), [FC7], crops.pixels.permute(0, 3, 1, 2).to(device))[FC7]


def by_network(model: ImageNetwork, mean: Tensor, precision: Runtime, device: torch.device, crops: Crops) -> Tensor:
    with precision.autocast(device):
        return model.features(crops.normalised(mean, device)[0]).float()


@torch.no_grad()
def extract(images: list[Path], encoders: list[Encoder], cut: Callable[[Path], Pixels], corner: int, settings: dict) -> list[NDArray]:
    """Each encoder's features of all images, float32 (N, D).

    A network's last digits depend on what else is in its batch, so batches are runs of `batch_size` images in the given order.
    """
    size = settings["batch_size"]
    rows: list[list[NDArray]] = [[] for _ in encoders]
    decoding = map_ahead(cut, images, threads=workers(), ahead=size)
    with closing(decoding) as decoded, tqdm(total=len(images), unit="image", disable=None) as progress:
        while batch := list(itertools.islice(decoded, size)):
            crops = as_crops(batch, corner)
            for found, encoder in zip(rows, encoders, strict=True):
                found.append(encoder.represent(crops).cpu().numpy())
            progress.update(len(batch))
    return [np.concatenate(found) for found in rows]


def alexnet(job: stage.Job, precision: Runtime, device: torch.device) -> Encoder:
    """AlexNet with the weights that were fetched or, of a miniature, generated."""
    source = job.dep(f"data/{job.params['scale']}/sources/{ALEXNET}")
    model = precision.place(vision.load(ALEXNET, source), device)
    about = {"model": ALEXNET, "seed": None, "parameters": count_parameters(model), "weights": vision.kind_of(source)}
    about |= precision.describe(device)
    return Encoder(partial(by_alexnet, model, precision, device), about)


def trained(job: stage.Job, names: list[str], precision: Runtime, device: torch.device) -> Iterator[Encoder]:
    """Every network trained here with each of its seeds."""
    scale, settings = job.params["scale"], job.params["ch2_imagenet"]
    facts = job.dep(f"data/{scale}/packed/imagenet_facts")
    mean, classes = load_mean(facts, settings["mean"], device), len(class_names(facts))
    for name, seed, folder in trained_models(job, names):
        model = precision.place(load(folder, name, classes, job.settings(Network, "ch2_imagenet.network"), device), device)
        training, here = json.loads((folder / "about.json").read_text())["determinism"], precision.describe(device)
        about = {"model": name, "seed": seed, "parameters": count_parameters(model), "trained": folder.as_posix(), **here}
        about["determinism"] = metrics.least(training, here["determinism"])
        yield Encoder(partial(by_network, model, mean, precision, device), about)


def encoders_of(job: stage.Job, precision: Runtime, device: torch.device) -> list[Encoder]:
    """The networks that are transferred."""
    names = job.params["ch2_imagenet"]["transfer"]["models"]
    fetched = [alexnet(job, precision, device)] if ALEXNET in names else []
    return [*fetched, *trained(job, [name for name in names if name != ALEXNET], precision, device)]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch2_imagenet"]
    precision, device = inference.start(job)
    encoders = encoders_of(job, precision, device)
    source = job.dep(f"data/{scale}/sources/{args.dataset}")
    found = read(args.dataset, source, settings["transfer"])
    images, size, crop = images_of(found), settings["prepare"]["size"], settings["crop"]
    cut = partial(middle, size=size, crop=crop, dataset=args.dataset)
    features = extract(images, encoders, cut, (size - crop) // 2, settings)
    out = job.out(f"data/{scale}/features/ch2_imagenet/{args.dataset}")
    out.mkdir(parents=True)
    models = []
    for encoder, values in zip(encoders, features, strict=True):
        name, seed = encoder.about["model"], encoder.about["seed"]
        models.append(encoder.about | {"file": file_name(name, seed), "layer": layer_of(name), "dimensions": values.shape[1]})
        np.save(out / f"{file_name(name, seed)}.npy", values)
    write_json(out / "set.json", described(found))
    write_json(out / "about.json", {"models": models})
    shutil.copyfile(source / "provenance.json", out / "provenance.json")
    job.note(gpu=gpu_name(device), pictures=len(images), **precision.describe(device))


if __name__ == "__main__":
    stage.execute(parser(), main)
