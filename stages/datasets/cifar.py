"""CIFAR-10 and CIFAR-100 in their official layout: Python pickles of bytes, as their authors publish them."""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import UserError


@dataclass(frozen=True)
class CifarSet:
    """Images uint8 (N, 3, 32, 32), labels int64 (N,), class names in the labels' order."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: list[str]


def read_cifar10(folder: Path) -> CifarSet:
    """The set in `folder`/cifar-10-batches-py. A UserError names the file that is missing, damaged or not in the layout."""
    base = folder / "cifar-10-batches-py"
    classes = _names(base / "batches.meta", "label_names", 10)
    train = [_read_batch(base / f"data_batch_{number}", "labels", 10) for number in range(1, 6)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return CifarSet(images, labels, *_read_batch(base / "test_batch", "labels", 10), classes)


def read_cifar100(folder: Path, *, coarse: bool = False) -> CifarSet:
    """The set in `folder`/cifar-100-python, with its 100 fine classes, or its 20 coarse ones; errors as `read_cifar10`."""
    base = folder / "cifar-100-python"
    kind, count = ("coarse", 20) if coarse else ("fine", 100)
    classes = _names(base / "meta", f"{kind}_label_names", count)
    train, test = (_read_batch(base / part, f"{kind}_labels", count) for part in ("train", "test"))
    return CifarSet(*train, *test, classes)


class _ArraysOnly(pickle.Unpickler):
    """Loads plain values and numpy arrays; a pickle that asks for anything else is refused, for it could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return super().find_class("numpy._core.multiarray", name)
        if module == "numpy" and name in ("ndarray", "dtype"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _load(file: Path, *keys: str) -> list[Any]:
    """The values of some keys of a pickled dict."""
    if not file.is_file():
        raise UserError(f"{file} is missing: download the data set again")
    try:
        content = _ArraysOnly(io.BytesIO(file.read_bytes()), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UserError(f"{file} is truncated or no CIFAR pickle ({error}): download the data set again") from error
    missing = [key for key in keys if not isinstance(content, dict) or key.encode() not in content]
    if missing:
        raise UserError(f"{file} lacks {' and '.join(missing)}: it is not in CIFAR's official layout")
    return [content[key.encode()] for key in keys]


def _names(file: Path, key: str, count: int) -> list[str]:
    (names,) = _load(file, key)
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, bytes) for name in names):
        raise UserError(f"{file}: {key} is not a list of {count} names")
    return [name.decode(errors="replace") for name in names]


def _read_batch(file: Path, label_key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _load(file, "data", label_key)
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
