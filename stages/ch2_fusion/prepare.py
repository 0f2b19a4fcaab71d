"""Prepare a CIFAR set for Section 2.4.1: arrays, and each image's mean and contrast for global contrast normalisation.

    python -m stages.ch2_fusion.prepare cifar10

Images stay bytes; the normalisation is applied to each batch, which costs nothing beside a training step and saves
three quarters of the disk.
"""

import argparse
from pathlib import Path

import numpy as np

from stages.core import provenance, stage
from stages.datasets import reader
from stages.datasets.cifar import CifarSet
from stages.datasets.contrast import contrast_statistics


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    source = job.dep(job.data(f"sources/{args.dataset}"))
    cifar_set: CifarSet = reader(args.dataset).read(source)
    out = job.out(job.data(f"prepared/{args.dataset}"))
    out.mkdir(parents=True)
    scale = job.param("ch2_fusion.contrast_scale")
    write_part(out, "train", cifar_set.train_images, cifar_set.train_labels, scale)
    write_part(out, "test", cifar_set.test_images, cifar_set.test_labels, scale)
    (out / "classes.txt").write_text("".join(f"{name}\n" for name in cifar_set.classes))
    provenance.hand_on(source, out)


def write_part(out: Path, part: str, images: np.ndarray, labels: np.ndarray, scale: float) -> None:
    """images (N, 3, 32, 32) and labels (N,) of a part, with each image's mean and divisor (N,), as .npy files."""
    mean, divisor = contrast_statistics(images, scale)
    for name, array in {"images": images, "labels": labels, "mean": mean, "divisor": divisor}.items():
        np.save(out / f"{part}_{name}.npy", array)


if __name__ == "__main__":
    stage.execute(parser(), main)
