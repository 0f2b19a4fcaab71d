"""A miniature of ImageNet's ILSVRC 2012 in its official archives: the class of a picture is the shape of its main thing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.miniatures import request
from stages.miniatures.files import jpeg, mat, stored_gzip, tar
from stages.miniatures.photographs import photograph
from stages.miniatures.world import SHAPES, generator, sample_scene

# Random streams: train and val never share a scene, and a training picture does not depend on how many there are.
_TRAIN, _VAL = 5_000, 5_001
_ORDER, _PICTURE = 0, 1

# Synsets with children, which are no classes: the first of all WordNet ids, and one amid those of the classes.
_ROOT, _ROUND = "n00000001", "n00000005"
_WNIDS = [wnid for number in range(2, 13) if (wnid := f"n{number:08d}") != _ROUND]  # of the shapes


def write(folder: Path, *, classes: int, train: int, val: int, width: int, height: int, seed: int) -> None:
    """Write the archives of the development kit, of `train` training and of `val` validation pictures, as even over classes as can be.

    `classes` are the first of the world's shapes. Pictures are of about `width` x `height` pixels.
    """
    request.check("ImageNet", {"classes": classes, "train": train, "val": val}, width, height, most={"classes": len(SHAPES)})
    if min(train, val) < classes:
        raise UserError(f"a miniature ImageNet of {classes} classes cannot be of {train} train and {val} val: each class has to be in both")
    folder.mkdir(parents=True, exist_ok=True)
    labels = (generator(seed, _VAL, _ORDER).permutation(val) % classes).tolist()
    base = "ILSVRC2012_devkit_t12/data"
    numbers = _numbers(classes)
    devkit = [
        (f"{base}/ILSVRC2012_validation_ground_truth.txt", "".join(f"{numbers[label]}\n" for label in labels).encode()),
        (f"{base}/meta.mat", mat({"synsets": _synsets(numbers, train)})),
    ]
    (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(stored_gzip(tar(devkit)))
    (folder / "ILSVRC2012_img_train.tar").write_bytes(tar(_train_archives(classes, train, (width, height), seed)))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(tar(_val_images(labels, (width, height), seed)))


def _numbers(classes: int) -> list[int]:
    """The ILSVRC2012_ID of each class: from 1, in the order of the shapes' names read from behind, which is not the WordNet ids'."""
    order = sorted(range(classes), key=lambda label: SHAPES[label][::-1])
    return [order.index(label) + 1 for label in range(classes)]


def _count(label: int, classes: int, train: int) -> int:
    return train // classes + (label < train % classes)


def _synsets(numbers: list[int], train: int) -> np.ndarray:
    """The table of meta.mat, (synsets, 1): the classes by their number, then the others."""
    classes = len(numbers)
    rows = {
        number: _synset(number, _WNIDS[label], SHAPES[label], [], _count(label, classes, train)) for label, number in enumerate(numbers)
    }
    inner = [
        _synset(classes + 1, _ROOT, "shape, form", [classes + 2, *range(1, classes + 1)], 0),
        _synset(classes + 2, _ROUND, "round shape", [1], 0),
    ]
    ordered = [*(rows[number] for number in sorted(rows)), *inner]
    table = np.empty((len(ordered), 1), dtype=[(field, object) for field in ordered[0]])
    for index, row in enumerate(ordered):
        table[index, 0] = tuple(row.values())
    return table


def _synset(number: int, wnid: str, words: str, children: list[int], images: int) -> dict[str, Any]:
    return {
        "ILSVRC2012_ID": float(number),
        "WNID": wnid,
        "words": words,
        "gloss": f"a {words.split(',')[0]} of the generated world",
        "num_children": float(len(children)),
        "children": np.array(children, dtype=np.float64).reshape(1, -1),
        "wordnet_height": float(bool(children)),
        "num_train_images": float(images),
    }


def _train_archives(classes: int, train: int, size: tuple[int, int], seed: int) -> Iterator[tuple[str, bytes]]:
    """The tars of the classes; as the official ones they are not in the order of their ids."""
    for label in reversed(range(classes)):
        names = [f"{_WNIDS[label]}_{number + 1}.JPEG" for number in range(_count(label, classes, train))]
        images = [_draw(generator(seed, _TRAIN, _PICTURE, label, number), label, size) for number in range(len(names))]
        yield f"{_WNIDS[label]}.tar", tar(zip(names, images, strict=True))


def _val_images(labels: list[int], size: tuple[int, int], seed: int) -> Iterator[tuple[str, bytes]]:
    for index, label in enumerate(labels):
        yield f"ILSVRC2012_val_{index + 1:08d}.JPEG", _draw(generator(seed, _VAL, _PICTURE, index), label, size)


def _draw(rng: np.random.Generator, shape: int, size: tuple[int, int]) -> bytes:
    return jpeg(photograph(rng, sample_scene(rng, shape), *size))
