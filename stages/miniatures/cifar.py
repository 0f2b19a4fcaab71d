"""What the miniatures of CIFAR-10 and CIFAR-100 share: pictures of one thing each, and Python pickles as Python 2 wrote them."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.shapes import PATTERNS, SHAPES
from stages.miniatures.world import Scene, generator, render, sample_scene

SIZE = 32

# Random streams: train and test never share a scene, and a scene does not depend on how many there are.
TRAIN, TEST = 0, 1


def check_counts(title: str, classes: int, train: int, test: int) -> None:
    """A UserError where a miniature of so many images cannot be made: all classes are to have as many."""
    if min(train, test) < 1 or train % classes or test % classes:
        raise UserError(
            f"a miniature {title} of {train} training and {test} test images cannot be: both have to be multiples of {classes}, "
            "for classes have as many images each"
        )


def draw(classes: int, count: int, seed: int, stream: int) -> tuple[list[int], np.ndarray, list[str]]:
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
