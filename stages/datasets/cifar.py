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


class _ArraysOnly(pickle.Unpickler):
    """Loads numpy arrays and plain values; a pickle that asks for anything else is refused, for it could run code."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {"_reconstruct", "ndarray", "dtype", "scalar", "encode"}
        if (module.split(".")[0] == "numpy" or module == "_codecs") and name in allowed:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_cifar10(folder: Path) -> CifarSet:
    """The set in `folder`/cifar-10-batches-py."""
    base = folder / "cifar-10-batches-py"
    classes = _names(base / "batches.meta", b"label_names")
    train = [_read_batch(base / f"data_batch_{number}", b"labels", len(classes)) for number in range(1, 6)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return CifarSet(images, labels, *_read_batch(base / "test_batch", b"labels", len(classes)), classes)


def read_cifar100(folder: Path) -> CifarSet:
    """The set in `folder`/cifar-100-python, with its 100 fine labels."""
    base = folder / "cifar-100-python"
    classes = _names(base / "meta", b"fine_label_names")
    train = _read_batch(base / "train", b"fine_labels", len(classes))
    return CifarSet(*train, *_read_batch(base / "test", b"fine_labels", len(classes)), classes)


def _load(file: Path, keys: tuple[bytes, ...]) -> dict[bytes, Any]:
    if not file.is_file():
        raise UserError(f"{file} is missing: download the data set again")
    try:
        content = _ArraysOnly(io.BytesIO(file.read_bytes()), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UserError(f"{file} is truncated or no CIFAR pickle ({error}): download the data set again") from error
    if not isinstance(content, dict) or any(key not in content for key in keys):
        raise UserError(f"{file} lacks {', '.join(key.decode() for key in keys)}: it is not in CIFAR's official layout")
    return content


def _names(file: Path, key: bytes) -> list[str]:
    return [name.decode() for name in _load(file, (key,))[key]]


def _read_batch(file: Path, label_key: bytes, classes: int) -> tuple[np.ndarray, np.ndarray]:
    content = _load(file, (b"data", label_key))
    images, labels = np.asarray(content[b"data"]), np.asarray(content[label_key])
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072:
        raise UserError(f"{file} holds data of type {images.dtype} and shape {images.shape}, not uint8 (N, 3072)")
    if labels.shape != (len(images),):
        raise UserError(f"{file} has {len(images)} images and {labels.size} labels")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise UserError(f"{file}: label {labels[wrong[0]]} of image {wrong[0]} is not in 0..{classes - 1}")
    return images.reshape(-1, 3, 32, 32), labels.astype(np.int64)
