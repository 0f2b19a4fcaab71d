"""What every trained model of a data set makes of the test pairs.

    python -m stages.ch8_swapgan.predict figures

Of each model and seed `<model>-seed<seed>.npz`, with q test pairs (reference, condition) in prepared order:

    swapped                      uint8 (q, S, S, 3): X_GI of Eq. 8.12, the head not pasted
    returned                     uint8 (q, S, S, 3): X_GII of Eq. 8.15, where there is G_II
    mask_swapped, mask_returned  uint8 (q, S, S), 0 to 255: G_III of either, where there is G_III, and of the second where there is G_II

`<model>-seed<seed>.json` beside it: what is said of it.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.ch8_swapgan import data, people
from stages.ch8_swapgan.loss import Made
from stages.ch8_swapgan.model import SwapGAN
from stages.ch8_swapgan.trained import load, networks
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core import inference, json_files, metrics, provenance, stage
from stages.core.files import write_json
from stages.core.runtime import Runtime
from stages.gan.images import to_bytes, to_unit

CHUNK = 16  # pairs at a time


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


@torch.no_grad()
def predicted(model: SwapGAN, photos: data.People, precision: Runtime, device: torch.device) -> dict[str, NDArray[np.uint8]]:
    """The arrays of a model, by name."""
    images, poses, parts = (torch.from_numpy(one) for one in (photos.images, photos.poses, photos.parts))
    made: dict[str, list[NDArray[np.uint8]]] = {}
    for references, conditions in (chunk.unbind(1) for chunk in torch.from_numpy(photos.pairs).split(CHUNK)):
        image, pose, part = (one.to(device) for one in (images[conditions], poses[references], parts[conditions]))
        with precision.autocast(device):
            answer = model(to_unit(image), to_unit(pose), people.one_hot(part))
        for name, values in stored(answer).items():
            made.setdefault(name, []).append(values.cpu().numpy())
    return {name: np.concatenate(values) for name, values in made.items()}


def stored(made: Made) -> dict[str, Tensor]:
    """What there is of it as bytes: images (N, S, S, 3), masks (N, S, S)."""
    values = {name: value for name, value in vars(made).items() if value is not None}
    return {name: mask_bytes(value) if name.startswith("mask") else to_bytes(value) for name, value in values.items()}


def mask_bytes(masks: Tensor) -> Tensor:
    """(N, 1, H, W) in 0..1 -> uint8 (N, H, W), to the nearest byte."""
    return (masks[:, 0].float() * 255).round().to(torch.uint8)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    network = job.settings(Network, "ch8_swapgan.network")
    source = job.dep(job.data(f"prepared/ch8_swapgan/{args.dataset}"))
    photos = data.load(source, "test")
    out = job.out(job.data(f"predictions/ch8_swapgan/{args.dataset}"))
    out.mkdir(parents=True)
    here = precision.describe(device)
    for name, seed, folder in networks(job, args.dataset):
        model = load(folder, job.settings(Variant, f"ch8_swapgan.variants.{name}"), network, device)
        np.savez(out / f"{name}-seed{seed}.npz", **predicted(model, photos, precision, device))  # type: ignore[arg-type]
        about = metrics.made_by(json_files.read(folder / "about.json", "determinism", stage=job.name), here)
        write_json(out / f"{name}-seed{seed}.json", {"model": name, "seed": seed, **about})
    provenance.hand_on(source, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
