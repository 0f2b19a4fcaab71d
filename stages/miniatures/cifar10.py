"""A miniature of CIFAR-10 in its official layout: the class of a picture is its main thing's shape."""

from pathlib import Path

import numpy as np

from stages.miniatures.cifar import SIZE, TEST, TRAIN, check_counts, draw, python2_pickle
from stages.miniatures.shapes import SHAPES

_BATCHES = 5


def write(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write `folder`/cifar-10-batches-py: `train` images in five batches and `test` images, of ten classes evenly."""
    check_counts("CIFAR-10", 10, train, test)
    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True, exist_ok=True)
    each = train // _BATCHES
    labels, data, names = draw(10, train, seed, TRAIN)
    for number in range(_BATCHES):
        part = slice(number * each, (number + 1) * each)
        title = f"training batch {number + 1} of {_BATCHES}"
        _write_batch(base / f"data_batch_{number + 1}", title, labels[part], data[part], names[part])
    _write_batch(base / "test_batch", "testing batch 1 of 1", *draw(10, test, seed, TEST))
    meta = {"num_cases_per_batch": each, "label_names": list(SHAPES), "num_vis": 3 * SIZE * SIZE}
    (base / "batches.meta").write_bytes(python2_pickle(meta))


def _write_batch(file: Path, title: str, labels: list[int], data: np.ndarray, names: list[str]) -> None:
    file.write_bytes(python2_pickle({"batch_label": title, "labels": labels, "data": data, "filenames": names}))
