"""What the images of a set are labelled with: the set's own labels, or those that its captions name (Chapter 9 proposes such key words).

Labels from captions leak the texts that a network sees, so `source` is said beside every number that follows from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.ch7_mmc.training_settings import Labels
from stages.core.errors import UserError
from stages.datasets.captioned import Described
from stages.encoders.words import needed


@dataclass(frozen=True)
class Labelled:
    """classes : names of C. labels : bool (N, C), which are in each image. single : whether each image is of exactly one, so that
    Eq. 7.9 is minimised, else Eq. 7.11."""

    classes: list[str]
    labels: NDArray[np.bool_]
    single: bool
    source: Literal["given", "from captions"]


def labels_of(described: Described, settings: Labels, name: str) -> Labelled:
    """The labels of all images of the data set `name`.

    A UserError: there are neither labels nor words to find some by; a class has no image to train on; one image has no label where every
    other has one.
    """
    if described.labels is None:
        if not settings.words:
            key = f"ch7_mmc.labels.{name}.words"
            raise UserError(f"{name} has no labels, and {key} is empty: name classes and their words there, or label its images")
        return _from_captions(described, settings, name)
    classes, labels = described.classes, described.labels
    for label in np.flatnonzero(~labels[described.parts["train"]].any(axis=0)):
        raise UserError(f"{name}: the class {classes[label]} has no image to train on: give it one, or take its labels away")
    counts = labels.sum(axis=1)
    if counts.max() == 1 and len(without := np.flatnonzero(counts == 0)):
        raise UserError(f"{name}: the image {described.names[without[0]]} has no label, where every other has one: give it one too")
    return Labelled(classes, labels, described.single, "given")


def _from_captions(described: Described, settings: Labels, name: str) -> Labelled:
    """A class is in an image if one of its captions has one of the class's words; classes in few training images are left out."""
    captions: list[list[str]] = [[] for _ in described.names]
    for caption, image in zip(described.captions, described.image_of.tolist(), strict=True):
        captions[image].append(caption)
    labels = named(captions, list(settings.words.values()))
    kept = np.flatnonzero(labels[described.parts["train"]].sum(axis=0) >= settings.least)
    if not len(kept):
        raise UserError(f"no class of ch7_mmc.labels.{name}.words is in {settings.least} training images: lower least, or name other words")
    classes = list(settings.words)
    return Labelled([classes[label] for label in kept], labels[:, kept], False, "from captions")


def named(captions: Sequence[Sequence[str]], words: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Of N images' captions which of C classes, of so many words each, they name in whole words of any case, (N, C)."""
    said = [needed(own, lower=True) for own in captions]
    return np.array([[not own.isdisjoint(one) for one in words] for own in said], np.bool_).reshape(len(captions), len(words))
