"""A miniature of Caltech-UCSD Birds 200 in its official layout: birds of one build, which differ by finer patterns and nearer hues."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.miniatures import request
from stages.miniatures.files import save_jpeg
from stages.miniatures.photographs import clutter, coloured, photograph
from stages.miniatures.world import PATTERNS, SHAPES, Scene, Thing, generator, sample_scene

BIRDS = 200

# Random streams: data sets never share a scene, and a scene does not depend on how many there are.
_STREAM = 5_040
_PICTURE, _ORDER = 1, 2

_HUES = 21  # with ten patterns 210 classes; without a divisor in common with its stride, 8: neighbouring classes are unlike


def write(
    folder: Path, *, classes: int, train: int, test: int, width: int, height: int, seed: int,
    paint: Callable[[np.random.Generator, int], Scene] | None = None,
) -> None:  # fmt: skip
    """Write `folder`/CUB_200_2011: `train` and `test` pictures of each class, in random order, and the tables.

    paint : what makes a scene of a class, `bird` where it is None.
    """
    request.check("CUB-200", {"classes": classes, "train": train, "test": test}, width, height, most={"classes": BIRDS})
    base = folder / "CUB_200_2011"
    names = [f"{label + 1:03d}.{PATTERNS[_bird_kind(label)[0]].title()}_Bird_{_bird_kind(label)[1]:02d}" for label in range(classes)]
    images, labels, split = [], [], []
    for label, name in enumerate(names):
        for index, place in enumerate(generator(seed, _STREAM, _ORDER, label).permutation(train + test).tolist()):
            rng = generator(seed, _STREAM, _PICTURE, label, index)
            images.append(f"{name}/{name[4:]}_{index + 1:04d}.jpg")
            labels.append(label + 1)
            split.append(int(place < train))
            save_jpeg(photograph(rng, (paint or bird)(rng, label), width, height), base / "images" / images[-1])
    tables: dict[str, list] = {"classes": names, "images": images, "image_class_labels": labels, "train_test_split": split}
    for table, values in tables.items():
        (base / f"{table}.txt").write_text("".join(f"{number} {value}\n" for number, value in enumerate(values, 1)))


def bird(rng: np.random.Generator, label: int) -> Scene:
    """Body, head and wing, which face either way; body and head are of the class's hue, the wing has its pattern."""
    scene = sample_scene(rng, 0)
    pattern, number = _bird_kind(label)
    hue = (number + 0.5 * (rng.random() - 0.5)) / _HUES
    side, size = (-1 if rng.random() < 0.5 else 1), 0.26 + 0.08 * rng.random()
    x, y = 0.42 + 0.16 * rng.random(), 0.46 + 0.16 * rng.random()
    disc, plain = SHAPES.index("disc"), PATTERNS.index("plain")
    coat = coloured(rng, plain, hue, 0.1)
    body = Thing(disc, coat, (x, y), size, angle=20 * (rng.random() - 0.5), stretch=1.25)
    head = Thing(disc, coat, (x + side * size, y - 0.7 * size), 0.5 * size)
    wing = Thing(disc, coloured(rng, pattern, hue + 0.5, 0.09), (x - 0.2 * side * size, y), 0.7 * size, angle=-20 * side, stretch=1.3)
    return replace(scene, things=(clutter(rng), body, head, wing), main=1)


def _bird_kind(label: int) -> tuple[int, int]:
    """The pattern and the number of the hue of a class."""
    return label % len(PATTERNS), 8 * label % _HUES
