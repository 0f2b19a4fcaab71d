"""Image representations of a data set by the networks trained on ImageNet (Section 2.4.3), each picture decoded once for all of them.

    python -m stages.ch2_imagenet.transfer_features scene15

A published network's are those of one of its layers, CNN-11's its global average pooling, CFN-11's its fused feature.
Under `data/<scale>/features/ch2_imagenet/<set>`: `alexnet.npy`, `cfn-11-seed0.npy` and so on, float32 (images, D), not
normalised; `set.json`, what the rows are.
"""

import argparse
import itertools
import json
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
from stages.ch2_imagenet.networks import ImageNetwork, count_parameters, load
from stages.ch2_imagenet.training_settings import Network, Variant
from stages.ch2_imagenet.transfer_sets import described, images_of, read
from stages.ch2_imagenet.transfer_settings import Division, Encoder
from stages.core import inference, metrics, provenance, stage, trainings
from stages.core.ahead import map_ahead, workers
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.runtime import Runtime, gpu_name
from stages.datasets.described import SET_FILE
from stages.datasets.pictures import BadPicture, open_picture
from stages.encoders import vision

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Representation:
    """A network as what represents images: Crops of N images -> float32 (N, D). about : what about.json says of it."""

    represent: Callable[[Crops], Tensor]
    about: dict[str, Any]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


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


def by_encoder(model: nn.Module, encoder: Encoder, precision: Runtime, device: torch.device, crops: Crops) -> Tensor:
    pixels = crops.pixels.permute(0, 3, 1, 2).to(device)
    with precision.autocast(device):
        return vision.features(model, vision.encoder(encoder.name), [encoder.layer], pixels)[encoder.layer]


def by_network(model: ImageNetwork, mean: Tensor, precision: Runtime, device: torch.device, crops: Crops) -> Tensor:
    with precision.autocast(device):
        return model.features(crops.normalised(mean, device)[0]).float()


@torch.no_grad()
def extract(
    images: list[Path], networks: list[Representation], cut: Callable[[Path], Pixels], corner: int, batch_size: int
) -> list[NDArray]:
    """Each network's features of all images, float32 (N, D).

    A network's last digits depend on what else is in its batch, so batches are runs of `batch_size` images in the given order.
    """
    rows: list[list[NDArray]] = [[] for _ in networks]
    decoding = map_ahead(cut, images, threads=workers(), ahead=batch_size)
    with closing(decoding) as decoded, tqdm(total=len(images), unit="image", disable=None) as progress:
        while batch := list(itertools.islice(decoded, batch_size)):
            crops = as_crops(batch, corner)
            for features, network in zip(rows, networks, strict=True):
                features.append(network.represent(crops).cpu().numpy())
            progress.update(len(batch))
    return [np.concatenate(features) for features in rows]


def published(job: stage.Job, precision: Runtime, device: torch.device) -> Representation:
    """The network whose weights were fetched or, of a miniature, generated."""
    encoder = job.settings(Encoder, "ch2_imagenet.encoder")
    source = job.dep(job.data(f"sources/{encoder.name}"))
    model = precision.place(vision.load(encoder.name, source), device)
    about = {"model": encoder.name, "seed": None, "parameters": count_parameters(model)}
    about |= {"weights": provenance.kind_of(source)} | precision.describe(device) | {"file": encoder.name, "layer": encoder.layer}
    return Representation(partial(by_encoder, model, encoder, precision, device), about)


def trained(job: stage.Job, precision: Runtime, device: torch.device) -> Iterator[Representation]:
    """Every network trained here that is transferred, with each of its seeds."""
    source, names = (job.param(f"ch2_imagenet.transfer.{key}") for key in ("source", "models"))
    seeds, network = job.param("ch2_imagenet.seeds"), job.settings(Network, "ch2_imagenet.network")
    facts = job.dep(job.data(f"packed/{source}_facts"))
    mean, classes = load_mean(facts, job.param("ch2_imagenet.mean"), device), len(class_names(facts))
    for name, seed, folder in trainings.available(job, job.data(f"models/ch2_imagenet/{source}"), names, seeds):
        variant = job.settings(Variant, f"ch2_imagenet.variants.{name}")
        model = precision.place(load(folder, variant, classes, network, device), device)
        training, here = json.loads((folder / "about.json").read_text())["determinism"], precision.describe(device)
        about = {"model": name, "seed": seed, "parameters": count_parameters(model), "trained": folder.as_posix(), **here}
        about["determinism"] = metrics.least(training, here["determinism"])
        layer = "fused feature" if variant.sides == "fused" else "global average pooling"
        about |= {"file": folder.name, "layer": layer}
        yield Representation(partial(by_network, model, mean, precision, device), about)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    networks = [published(job, precision, device), *trained(job, precision, device)]
    source = job.dep(job.data(f"sources/{args.dataset}"))
    dataset = read(args.dataset, source, job.settings(Division, "ch2_imagenet.transfer.division"))
    images, size, crop = images_of(dataset), job.param("ch2_imagenet.prepare.size"), job.param("ch2_imagenet.crop")
    cut = partial(middle, size=size, crop=crop, dataset=args.dataset)
    features = extract(images, networks, cut, (size - crop) // 2, job.param("ch2_imagenet.batch_size"))
    out = job.out(job.data(f"features/ch2_imagenet/{args.dataset}"))
    out.mkdir(parents=True)
    models = []
    for network, values in zip(networks, features, strict=True):
        models.append(network.about | {"dimensions": values.shape[1]})
        np.save(out / f"{network.about['file']}.npy", values)
    write_json(out / SET_FILE, described(dataset))
    write_json(out / "about.json", {"models": models})
    provenance.hand_on(source, out)
    job.note(gpu=gpu_name(device), pictures=len(images), **precision.describe(device))


if __name__ == "__main__":
    stage.execute(parser(), main)
