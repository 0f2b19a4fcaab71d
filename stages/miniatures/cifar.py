"""Miniatures of CIFAR-10 and CIFAR-100, in their official layout: Python pickles as Python 2 wrote them.

The class of the ten is the main thing's shape; of the hundred its shape and pattern; of the twenty its shape and family of patterns.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.shapes import PATTERN_FAMILIES, PATTERNS, SHAPES
from stages.miniatures.world import Scene, generator, render, sample_scene

SIZE = 32
FINE_NAMES = [f"{pattern}_{shape}" for shape in SHAPES for pattern in PATTERNS]
COARSE_NAMES = [f"{family}_{shape}" for shape in SHAPES for family in PATTERN_FAMILIES]

# Random streams: train and test never share a scene, and a scene does not depend on how many there are.
_TRAIN, _TEST = 0, 1
_BATCHES = 5


def write_cifar10(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write `folder`/cifar-10-batches-py: `train` images in five batches and `test` images, of ten classes evenly."""
    _check_counts("CIFAR-10", train, test, multiple=_BATCHES)
    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True, exist_ok=True)
    each = train // _BATCHES
    labels, data, names = _draw(10, train, seed, _TRAIN)
    for number in range(_BATCHES):
        part = slice(number * each, (number + 1) * each)
        title = f"training batch {number + 1} of {_BATCHES}"
        _write_batch10(base / f"data_batch_{number + 1}", title, labels[part], data[part], names[part])
    _write_batch10(base / "test_batch", "testing batch 1 of 1", *_draw(10, test, seed, _TEST))
    meta = {"num_cases_per_batch": each, "label_names": list(SHAPES), "num_vis": 3 * SIZE * SIZE}
    (base / "batches.meta").write_bytes(python2_pickle(meta))


def write_cifar100(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write `folder`/cifar-100-python: `train` and `test` images of a hundred classes evenly, in twenty coarse classes of five."""
    _check_counts("CIFAR-100", train, test, multiple=1)
    base = folder / "cifar-100-python"
    base.mkdir(parents=True, exist_ok=True)
    for file, title, count, stream in (("train", "training", train, _TRAIN), ("test", "testing", test, _TEST)):
        labels, data, names = _draw(100, count, seed, stream)
        batch = {
            "filenames": names,
            "batch_label": f"{title} batch 1 of 1",
            "fine_labels": labels,
            "coarse_labels": [label // 5 for label in labels],
            "data": data,
        }
        (base / file).write_bytes(python2_pickle(batch))
    (base / "meta").write_bytes(python2_pickle({"fine_label_names": FINE_NAMES, "coarse_label_names": COARSE_NAMES}))


def _check_counts(title: str, train: int, test: int, *, multiple: int) -> None:
    if train < 1 or train % multiple or test < 1:
        evenly = f", train a multiple of {multiple} (its batches)" if multiple > 1 else ""
        raise UserError(f"a miniature {title} of {train} training and {test} test images cannot be: both have to be positive{evenly}")


def _write_batch10(file: Path, title: str, labels: list[int], data: np.ndarray, names: list[str]) -> None:
    file.write_bytes(python2_pickle({"batch_label": title, "labels": labels, "data": data, "filenames": names}))


def _draw(classes: int, count: int, seed: int, stream: int) -> tuple[list[int], np.ndarray, list[str]]:
    """`count` labels, as evenly as can be and in random order; their pictures, uint8 (count, 3072) red, green, blue; their file names."""
    labels = (generator(seed, classes, stream).permutation(count) % classes).tolist()
    data = np.empty((count, 3, SIZE, SIZE), dtype=np.uint8)
    names = []
    for index, label in enumerate(labels):
        scene = _scene(generator(seed, classes, stream, index), classes, label)
        data[index] = render(scene, SIZE)[0].transpose(2, 0, 1)
        names.append(f"{PATTERNS[scene.pattern]}_{SHAPES[scene.shape]}_s_{index:06d}.png")
    return labels, data.reshape(count, -1), names


def _scene(rng: np.random.Generator, classes: int, label: int) -> Scene:
    if classes == 10:
        return sample_scene(rng, label)
    return sample_scene(rng, label // len(PATTERNS), label % len(PATTERNS))


def python2_pickle(value: Any) -> bytes:
    """A protocol 2 pickle of dicts, lists, text, integers and uint8 matrices as Python 2 made them: text is bytes to a reader.

    Written by hand, because no pickler of Python 3 writes Python 2's strings, and what a pickler writes of an array depends on
    the version of numpy; these bytes never change.
    """
    return b"\x80\x02" + b"".join(_opcodes(value)) + b"."


def _opcodes(value: Any) -> Iterator[bytes]:
    if isinstance(value, str):
        text = value.encode("ascii")
        yield b"U" + struct.pack("<B", len(text)) + text  # SHORT_BINSTRING
    elif isinstance(value, int):
        yield b"J" + struct.pack("<i", value)  # BININT
    elif isinstance(value, list):
        yield b"]("  # EMPTY_LIST, MARK, ..., APPENDS
        for item in value:
            yield from _opcodes(item)
        yield b"e"
    elif isinstance(value, dict):
        yield b"}("  # EMPTY_DICT, MARK, ..., SETITEMS
        for key, item in value.items():
            yield from _opcodes(key)
            yield from _opcodes(item)
        yield b"u"
    elif isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 2:
        yield from _matrix_opcodes(value)
    else:
        raise TypeError(f"cannot pickle {type(value).__name__}")


def _matrix_opcodes(matrix: np.ndarray) -> Iterator[bytes]:
    """_reconstruct(ndarray, (0,), "b"), then its state: version 1, shape, dtype("u1", 0, 1) with its own state, C order, the bytes."""
    yield b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    yield b"(K\x01" + b"".join(b"J" + struct.pack("<i", length) for length in matrix.shape) + b"\x86"
    yield b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    content = matrix.tobytes()
    yield b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"  # NEWFALSE, BINSTRING, TUPLE, BUILD
