"""What the trained networks say of VOC's validation images: the class of each pixel, as 8-bit grey PNG.

    python -m stages.ch2_segmentation.predict

Images are at their own size, once each. Milliseconds an image go into the run record.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from stages.ch2_segmentation import models_folder
from stages.ch2_segmentation.data import pixels_of
from stages.ch2_segmentation.model import FCN8s, Network, trained_model, weights_called
from stages.core import inference, metrics, runtime, stage, trainings
from stages.core.files import write_json
from stages.core.runtime import Runtime, gpu_name
from stages.datasets import voc2012
from stages.datasets.pictures import read_image
from stages.encoders.vgg16 import Weights, normalise


def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


@torch.no_grad()
def label_map(model: FCN8s, image: np.ndarray, weights: Weights, precision: Runtime, device: torch.device) -> np.ndarray:
    """The class of the highest logit at each pixel, of equal ones the first; uint8 (H, W). image : uint8 (H, W, 3)."""
    with precision.autocast(device):
        logits = model(normalise(pixels_of(image).to(device), weights))
    return logits[0].float().argmax(dim=0).to(torch.uint8).cpu().numpy()


def write_labels(file: Path, labels: np.ndarray) -> None:
    """Store a label map, uint8 (H, W), as it is, and not compressed: what zlib makes differs from one build to another."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(file, compress_level=0)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    torch.backends.cudnn.benchmark = False  # as in training
    scale, settings = job.params["scale"], job.params["ch2_segmentation"]
    network, weights = job.settings(Network, "ch2_segmentation.network"), weights_called(settings["weights"])
    source = job.dep(f"data/{scale}/sources/voc2012")
    examples = voc2012.val_examples(source)
    out = job.out(f"data/{scale}/predictions/ch2_segmentation/voc2012")
    seconds, images = 0.0, 0
    for name, seed, folder in trainings.available(job, models_folder(scale), settings["models"], settings["seeds"]):
        model = trained_model(name, runtime.load(folder / "model.pt"), network).to(device)
        for example in tqdm(examples, unit="image", desc=f"{name} seed {seed}", disable=None):
            image = read_image(example.image)
            started = time.perf_counter()
            labels = label_map(model, image, weights, precision, device)
            seconds += time.perf_counter() - started
            images += 1
            write_labels(out / f"{name}-seed{seed}" / f"{example.name}.png", labels)
        about = json.loads((folder / "about.json").read_text())
        write_json(out / f"{name}-seed{seed}.json", metrics.made_by(about, precision.describe(device)))
    job.note(milliseconds_per_image=round(1000 * seconds / images, 3), gpu=gpu_name(device), **precision.describe(device))
    shutil.copyfile(source / "provenance.json", out / "provenance.json")


if __name__ == "__main__":
    stage.execute(parser(), main)
