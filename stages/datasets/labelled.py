"""What the data sets of recognition have in common: classes, and images that each are of one, to train and to test on (Section 2.4.3).

A reader of the kind `classified` offers `read(folder)`: a ClassifiedSet, or where nobody has published a split, Undivided.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets import AGAIN


@dataclass(frozen=True)
class Labelled:
    """Images, and of each the index of its class in ClassifiedSet.classes."""

    images: list[Path]
    labels: list[int]


@dataclass(frozen=True)
class ClassifiedSet:
    classes: list[str]
    train: Labelled
    test: Labelled


@dataclass(frozen=True)
class Undivided:
    """A set without a split of its own: of each class the images, by name."""

    images: dict[str, list[Path]]


def divided(whole: Undivided, train_per_class: int, seed: int) -> ClassifiedSet:
    """A random split by `seed`, so many images of each class to train on; what is drawn of a class depends on no other class's images.

    A UserError names a class of which nothing would be left to test on.
    """
    train, test = Labelled([], []), Labelled([], [])
    for label, (name, images) in enumerate(whole.images.items()):
        if len(images) <= train_per_class:
            raise UserError(
                f"{name} has {len(images)} images, where {train_per_class} are to train on and others to test on: lower that, or {AGAIN}"
            )
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(label,))))
        chosen = set(random.permutation(len(images))[:train_per_class].tolist())
        for index, image in enumerate(images):
            part = train if index in chosen else test
            part.images.append(image)
            part.labels.append(label)
    return ClassifiedSet(list(whole.images), train, test)


def checked(found: ClassifiedSet, source: Path) -> ClassifiedSet:
    """The set itself; a UserError names a class without images to train or to test on. `source` is what says which these are."""
    for part, purpose in ((found.train, "train"), (found.test, "test")):
        for label in sorted(set(range(len(found.classes))) - set(part.labels)):
            raise UserError(f"{source}: the class {found.classes[label]} has no images to {purpose} on: {AGAIN}")
    return found


def existing(image: Path, file: Path, place: str) -> Path:
    """The image itself; a UserError where it is not there, though `file` lists it at `place`."""
    if not image.is_file():
        raise UserError(f"{file}, {place}: the image {image} is missing: {AGAIN}")
    return image


def read_lines(file: Path) -> list[str]:
    """The lines of a text, without the space around them and without empty ones at the end; a UserError where there are none."""
    if not file.is_file():
        raise UserError(f"{file} is missing: {AGAIN}")
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").rstrip().splitlines()]
    except ValueError as error:
        raise UserError(f"{file} is no text: {AGAIN}") from error
    if not lines:
        raise UserError(f"{file} is empty: {AGAIN}")
    return lines
