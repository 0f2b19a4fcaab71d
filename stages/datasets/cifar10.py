"""CIFAR-10 in its official layout, cifar-10-batches-py."""

from pathlib import Path

import numpy as np

from stages.datasets.cifar import CifarSet, read_batch, read_names


def read(folder: Path) -> CifarSet:
    """The set in `folder`/cifar-10-batches-py. A UserError names the file that is missing, damaged or not in the layout."""
    base = folder / "cifar-10-batches-py"
    classes = read_names(base / "batches.meta", "label_names", 10)
    train = [read_batch(base / f"data_batch_{number}", "labels", 10) for number in range(1, 6)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return CifarSet(images, labels, *read_batch(base / "test_batch", "labels", 10), classes)
