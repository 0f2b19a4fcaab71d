"""What CIFAR-10 and CIFAR-100 have in common: Python pickles of bytes, as their authors publish them.

A reader of the kind `arrays` offers `read(folder)` -> CifarSet.
"""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.datasets import AGAIN


@dataclass(frozen=True)
class CifarSet:
    """Images uint8 (N, 3, 32, 32), labels int64 (N,), class names in the labels' order."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: list[str]


class _ArraysOnly(pickle.Unpickler):
    """Loads plain values and numpy arrays; a pickle that asks for anything else is refused, for it could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return super().find_class("numpy._core.multiarray", name)
        if module == "numpy" and name in ("ndarray", "dtype"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def load(file: Path, *keys: str) -> list[Any]:
    """The values of some keys of a pickled dict."""
    if not file.is_file():
        raise UserError(f"{file} is missing: {AGAIN}")
    try:
        content = _ArraysOnly(io.BytesIO(file.read_bytes()), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UserError(f"{file} is truncated or no CIFAR pickle ({error}): {AGAIN}") from error
    missing = [key for key in keys if not isinstance(content, dict) or key.encode() not in content]
    if missing:
        raise UserError(f"{file} lacks {' and '.join(missing)}: it is not in CIFAR's official layout")
    return [content[key.encode()] for key in keys]


def read_names(file: Path, key: str, count: int) -> list[str]:
    """The names of the classes; a UserError where there are not `count`."""
    (names,) = load(file, key)
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, bytes) for name in names):
        raise UserError(f"{file}: {key} is not a list of {count} names")
    return [name.decode(errors="replace") for name in names]


def read_batch(file: Path, label_key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) of a file; a UserError names one that is missing, damaged or of another layout."""
    images, labels = load(file, "data", label_key)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3 * 32 * 32:
        found = f"{images.dtype} of shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise UserError(f"{file}: data is {found}, where CIFAR has uint8 of shape (N, 3072)")
    if not isinstance(labels, list) or len(labels) != len(images):
        found = f"{len(labels)} values" if isinstance(labels, list) else type(labels).__name__
        raise UserError(f"{file}: {label_key} is {found}, where its {len(images)} images need a list of as many labels")
    for index, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < classes:
            raise UserError(f"{file}: label {label!r} of image {index} is none of the integers 0 to {classes - 1}")
    return images.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)
