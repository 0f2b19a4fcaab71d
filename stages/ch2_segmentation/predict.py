"""What a trained network says of the validation images: the class of each pixel, as 8-bit grey PNG.

    python -m stages.ch2_segmentation.predict voc2012 fcfn --seed 0

Images are at their own size, once each. Milliseconds an image go into the run record.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from stages import datasets
from stages.ch2_segmentation.data import pixels_of
from stages.ch2_segmentation.model import trained_model
from stages.ch2_segmentation.training_settings import Network, Variant
from stages.core import inference, metrics, provenance, runtime, stage
from stages.core.ahead import beside
from stages.core.files import write_json
from stages.core.runtime import gpu_name
from stages.datasets.pictures import read_image
from stages.encoders.fcn8s import label_maps, weights_called
from stages.encoders.vgg16 import normalise


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "model", seed=True)


def write_labels(file: Path, labels: np.ndarray) -> None:
    """Store a label map, uint8 (H, W), as it is, and not compressed: what zlib makes differs from one build to another."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(file, compress_level=0)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    torch.backends.cudnn.benchmark = False  # as in training
    network = job.settings(Network, "ch2_segmentation.network")
    weights = weights_called(job.param("ch2_segmentation.weights"), "ch2_segmentation.weights")
    variant = job.settings(Variant, f"ch2_segmentation.variants.{args.model}")
    name = f"ch2_segmentation/{args.dataset}/{args.model}-seed{args.seed}"
    source, folder = job.dep(job.data(f"sources/{args.dataset}")), job.dep(job.data(f"models/{name}"))
    out = job.out(job.data(f"predictions/{name}"))
    model = trained_model(variant, runtime.load(folder / "model.pt"), network).to(device)
    examples, seconds = datasets.reader(args.dataset).val_examples(source), 0.0

    def predicted() -> Iterator[tuple[Path, np.ndarray]]:
        nonlocal seconds
        for example, image in beside(lambda example: (example, read_image(example.image)), examples, device):
            started = time.perf_counter()
            labels = label_maps(model, normalise(pixels_of(image).to(device), weights), precision)[0].numpy()
            seconds += time.perf_counter() - started
            yield out / f"{example.name}.png", labels

    writing = beside(lambda labelled: write_labels(*labelled), predicted(), device)
    for _ in tqdm(writing, total=len(examples), unit="image", desc=f"{args.model} seed {args.seed}", disable=None):
        pass
    here = precision.describe(device)
    write_json(out / "about.json", metrics.made_by(json.loads((folder / "about.json").read_text()), here))
    provenance.hand_on(source, out)
    job.note(milliseconds_per_image=round(1000 * seconds / len(examples), 3), gpu=gpu_name(device), **here)


if __name__ == "__main__":
    stage.execute(parser(), main)
