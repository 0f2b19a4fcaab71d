"""A miniature of Oxford's 102 flowers in its official layout: the class of a picture is a blossom's pattern and hue."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.miniatures import request
from stages.miniatures.files import save_jpeg, save_mat
from stages.miniatures.photographs import clutter, coloured, photograph
from stages.miniatures.world import PATTERNS, SHAPES, Scene, Thing, generator, sample_scene

FLOWERS = 102

# Random streams: data sets, and their parts, never share a scene, and a scene does not depend on how many there are.
_STREAM = 5_030
_PICTURE, _ORDER = 1, 2

_HUES = 11  # with ten patterns 110 classes; without a divisor in common with its stride, 3: neighbouring classes are unlike
_BLOSSOMS = ("ring", "star", "cross")


def write(
    folder: Path, *, classes: int, train: int, val: int, test: int, width: int, height: int, seed: int,
    paint: Callable[[np.random.Generator, int], Scene] | None = None,
) -> None:  # fmt: skip
    """Write `folder`/jpg, imagelabels.mat and setid.mat: `train`, `val` and `test` pictures of each class, numbered in random order.

    paint : what makes a scene of a class, `flower` where it is None.
    """
    counts = {"train": train, "val": val, "test": test}
    request.check("Flowers", {"classes": classes, **counts}, width, height, most={"classes": FLOWERS})
    wanted = [(part, label, index) for part, count in enumerate(counts.values()) for label in range(classes) for index in range(count)]
    numbers = (generator(seed, _STREAM, _ORDER).permutation(len(wanted)) + 1).tolist()
    labels = np.zeros((1, len(wanted)), np.uint8)
    for number, (part, label, index) in zip(numbers, wanted, strict=True):
        rng = generator(seed, _STREAM, _PICTURE, part, label, index)
        save_jpeg(photograph(rng, (paint or flower)(rng, label), width, height), folder / f"jpg/image_{number:05d}.jpg")
        labels[0, number - 1] = label + 1
    save_mat({"labels": labels}, folder / "imagelabels.mat")
    parts = {
        key: np.array([[number for number, which in zip(numbers, wanted, strict=True) if which[0] == part]], np.uint16)
        for part, key in enumerate(("trnid", "valid", "tstid"))
    }
    save_mat(parts, folder / "setid.mat")


def flower(rng: np.random.Generator, label: int) -> Scene:
    """A blossom of any outline with the pattern and hue of its class, and a heart of any hue."""
    scene = sample_scene(rng, 0)
    hue = (3 * label % _HUES + 0.5 * (rng.random() - 0.5)) / _HUES
    shape = SHAPES.index(_BLOSSOMS[int(rng.integers(len(_BLOSSOMS)))])
    centre = (0.4 + 0.2 * rng.random(), 0.4 + 0.2 * rng.random())
    blossom = Thing(shape, coloured(rng, label % len(PATTERNS), hue, 0.15), centre, 0.34 + 0.1 * rng.random(), angle=360 * rng.random())
    heart = Thing(SHAPES.index("disc"), coloured(rng, PATTERNS.index("plain"), rng.random(), 0.1), centre, 0.1)
    return replace(scene, things=(clutter(rng), blossom, heart), main=1)
