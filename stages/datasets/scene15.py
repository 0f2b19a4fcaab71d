"""Scene-15 in its official layout: scene_categories/<category>/image_0001.jpg, 4,485 pictures of 15 categories.

Lazebnik et al., CVPR 2006. It has no official split: papers draw 100 pictures of each category to train on, 1,500, and test on the
other 2,985.
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets.labelled import AGAIN, ClassifiedSet, Labelled

TRAIN_PER_CLASS = 100


def read(folder: Path, *, train_per_class: int = TRAIN_PER_CLASS, seed: int = 0) -> ClassifiedSet:
    """The categories by name, and a random split by `seed`; what is drawn of a category depends on no other category's pictures.

    A UserError names a category of which nothing would be left to test on.
    """
    base = folder / "scene_categories"
    places = sorted(place for place in base.glob("*") if place.is_dir())
    if not places:
        raise UserError(f"{base} has no categories: {AGAIN}")
    train, test = Labelled([], []), Labelled([], [])
    for label, place in enumerate(places):
        images = sorted(place.glob("*.jpg"))
        if len(images) <= train_per_class:
            raise UserError(
                f"{place} has {len(images)} *.jpg, where ch2_imagenet.transfer.scene15_train, {train_per_class}, are to train on and "
                f"others to test on: lower it, or {AGAIN}"
            )
        chosen = set(_generator(seed, label).permutation(len(images))[:train_per_class].tolist())
        for index, image in enumerate(images):
            part = train if index in chosen else test
            part.images.append(image)
            part.labels.append(label)
    return ClassifiedSet([place.name for place in places], train, test)


def _generator(seed: int, label: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(label,))))
