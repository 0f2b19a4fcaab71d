"""What the trained networks say of a test set: the fused output, thinned by non-maximum suppression, as 8-bit maps (Algorithm 1).

    python -m stages.ch3_edges.predict bsds500

Single scale, images at their own size, the sigmoid of the fusion alone. Of the images that the figures show, the fused output is kept
unthinned too, in `whole/`. Milliseconds an image (Section 3.4.4) go into the run record.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from stages.ch3_edges.detection_settings import Suppression
from stages.ch3_edges.model import EdgeNetwork, from_vgg16
from stages.ch3_edges.networks import tested_here
from stages.ch3_edges.training_settings import FOLDER
from stages.core import inference, metrics, provenance, runtime, stage, trainings
from stages.core.ahead import beside
from stages.core.files import write_json
from stages.core.runtime import Runtime, gpu_name
from stages.datasets import reader
from stages.datasets.edges import Example
from stages.datasets.pictures import read_image
from stages.encoders.vgg16 import WEIGHTS, normalise
from stages.metrics.edge_maps import write_map
from stages.metrics.nms import thin_edges


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


@torch.no_grad()
def fused_map(model: EdgeNetwork, image: np.ndarray, precision: Runtime, device: torch.device) -> np.ndarray:
    """The probability of an edge by the fusion, float32 (H, W). image : uint8 (H, W, 3)."""
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).to(device)
    with precision.autocast(device):
        _, fused = model(normalise(pixels, WEIGHTS))
    return torch.sigmoid(fused.float())[0, 0].cpu().numpy()


def load(folder: Path, vgg16: dict[str, torch.Tensor], device: torch.device) -> EdgeNetwork:
    """A trained network. vgg16 : the weights it started from, which say how wide it is."""
    state = runtime.load(folder / "model.pt")
    height, width = state["fusion.weight"].shape[2:]  # 1 x 1 where one fusion serves all pixels
    model = from_vgg16(vgg16, (height, width) if height * width > 1 else None)
    model.load_state_dict(state)
    return model.to(device).eval()


def predict(
    model: EdgeNetwork,
    examples: Sequence[Example],
    save: Callable[[Example, np.ndarray], None],
    precision: Runtime,
    device: torch.device,
    bar: Callable[..., Iterable] = iter,
) -> float:
    """Give `save` the map of each example, in any order of time; return the seconds that the network took."""
    seconds = 0.0

    def maps() -> Iterator[tuple[Example, np.ndarray]]:
        nonlocal seconds
        for example, image in beside(lambda example: (example, read_image(example.image)), examples, device):
            started = time.perf_counter()
            edges = fused_map(model, image, precision, device)
            seconds += time.perf_counter() - started
            yield example, edges

    for _ in bar(beside(lambda predicted: save(*predicted), maps(), device)):
        pass
    return seconds


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    suppression = vars(job.settings(Suppression, "ch3_edges.suppression"))
    source = job.dep(job.data(f"sources/{args.dataset}"))
    examples = reader(args.dataset).list_split(source, "test")
    vgg16 = runtime.load(job.dep(job.data("sources/vgg16")) / WEIGHTS.file)
    out = job.out(job.data(f"predictions/ch3_edges/{args.dataset}/networks"))
    seconds, images = 0.0, 0
    folders = [f"{dataset}/{name}" for dataset, name in tested_here(job, args.dataset)]
    there = trainings.available(job, job.data(FOLDER), folders, job.param("ch3_edges.seeds"))
    first = {model: seed for model, seed, _ in reversed(there)}.items()  # the seeds that the figures show
    for model_folder, seed, folder in there:
        name = model_folder.rpartition("/")[2]
        model = load(folder, vgg16, device)
        shown = examples[: job.param("ch3_edges.figures.images")] if (model_folder, seed) in first else []

        def save(example: Example, edges: np.ndarray, name: str = name, seed: int = seed, shown: Sequence[Example] = shown) -> None:
            write_map(out / f"{name}-seed{seed}" / f"{example.name}.png", thin_edges(edges, **suppression))
            if example in shown:
                write_map(out / "whole" / name / f"{example.name}.png", edges)

        bar = partial(tqdm, total=len(examples), unit="image", desc=f"{name} seed {seed}", disable=None)
        seconds += predict(model, examples, save, precision, device, bar)
        images += len(examples)
        about = json.loads((folder / "about.json").read_text())
        made = metrics.made_by(about, precision.describe(device)) | {"trained": folder.as_posix()}
        write_json(out / f"{name}-seed{seed}.json", made)
    job.note(milliseconds_per_image=round(1000 * seconds / images, 3), gpu=gpu_name(device), **precision.describe(device))
    provenance.hand_on(source, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
