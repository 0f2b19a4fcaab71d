"""What the trained networks say of a test set: the fused output, thinned by non-maximum suppression, as 8-bit maps (Algorithm 1).

    python -m stages.ch3_edges.predict bsds500

Single scale, images at their own size, the sigmoid of the fusion alone. Of the images that the figures show, the fused output is kept
unthinned too, in `whole/`. Milliseconds an image (Section 3.4.4) go into the run record.
"""

import argparse
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from stages.ch3_edges.model import EdgeNetwork, from_vgg16, normalise
from stages.ch3_edges.variants import VARIANTS, models_folder
from stages.core import inference, metrics, runtime, stage, trainings
from stages.core.files import write_json
from stages.core.runtime import Runtime, gpu_name
from stages.datasets import reader
from stages.datasets.pictures import read_image
from stages.metrics.edge_maps import write_map
from stages.metrics.nms import thin_edges


@dataclass(frozen=True)
class Suppression:
    """The author's settings of `thin_edges`."""

    blur: int
    radius: int
    border: int
    multiplier: float


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    return parser


@torch.no_grad()
def fused_map(model: EdgeNetwork, image: np.ndarray, precision: Runtime, device: torch.device) -> np.ndarray:
    """The probability of an edge by the fusion, float32 (H, W). image : uint8 (H, W, 3)."""
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).to(device)
    with precision.autocast(device):
        _, fused = model(normalise(pixels))
    return torch.sigmoid(fused.float())[0, 0].cpu().numpy()


def load(folder: Path, name: str, vgg16: dict[str, torch.Tensor], device: torch.device) -> EdgeNetwork:
    """A trained network. vgg16 : the weights it started from, which say how wide it is."""
    state = runtime.load(folder / "model.pt")
    model = from_vgg16(vgg16, state["fusion.weight"].shape[2:] if VARIANTS[name].local else None)
    model.load_state_dict(state)
    return model.to(device).eval()


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    scale, settings = job.params["scale"], job.params["ch3_edges"]
    suppression = vars(job.settings(Suppression, "ch3_edges.suppression"))
    source = job.dep(f"data/{scale}/sources/{args.dataset}")
    examples = reader(args.dataset).list_split(source, "test")
    vgg16 = runtime.load(job.dep(f"data/{scale}/sources/vgg16") / "vgg16_features.pth")
    out = job.out(f"data/{scale}/predictions/ch3_edges/{args.dataset}/networks")
    seconds, images = 0.0, 0
    there = trainings.available(job, models_folder(scale), settings["tested"][args.dataset], settings["seeds"])
    first = {name: seed for name, seed, _ in reversed(there)}.items()  # of each network, the seed that the figures show
    for name, seed, folder in there:
        model = load(folder, name, vgg16, device)
        for row, example in enumerate(tqdm(examples, unit="image", desc=f"{name} seed {seed}", disable=None)):
            image = read_image(example.image)
            started = time.perf_counter()
            edges = fused_map(model, image, precision, device)
            seconds += time.perf_counter() - started
            images += 1
            write_map(out / f"{name}-seed{seed}" / f"{example.name}.png", thin_edges(edges, **suppression))
            if row < settings["shown"] and (name, seed) in first:
                write_map(out / "whole" / name / f"{example.name}.png", edges)
        about = json.loads((folder / "about.json").read_text())
        write_json(out / f"{name}-seed{seed}.json", metrics.made_by(about, precision.describe(device)) | {"trained": folder.as_posix()})
    job.note(milliseconds_per_image=round(1000 * seconds / images, 3), gpu=gpu_name(device), **precision.describe(device))
    shutil.copyfile(source / "provenance.json", out / "provenance.json")


if __name__ == "__main__":
    stage.execute(parser(), main)
