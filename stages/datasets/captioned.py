"""What the data sets of image and text matching have in common: images, sentences, parts (Chapters 5 to 7).

A reader of the kind `captioned` offers `read(folder, **options)` -> CaptionedSet; which options, its own docstring
says, and the thesis's are the defaults. How many captions an image has is never a constant: `image_of` says which image
each is of.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.core.seeds import seed_for
from stages.datasets import AGAIN, reader
from stages.datasets.described import SET_FILE, load_set, name_of

PARTS = ("train", "val", "test")

SHARED = "texts that several images have"

Parts = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class CaptionedSet:
    """N images and M captions; those of an image stand together, in the order of the images.

    image_of : int64 (M,), the index of the image that each caption is of, ascending.
    parts : train, val and test, indices of images: no image is in two of them, each is in one. val is empty where there
    is none.
    classes, labels : names of C classes, and bool (N, C), which of them are in each image; no names and None where
    there are no labels.
    single : whether each image is of exactly one class.
    counts : what a reader left out or came across, and how often, in words.
    """

    images: list[Path]
    captions: list[str]
    image_of: NDArray[np.int64]
    parts: Parts
    classes: list[str] = field(default_factory=list)
    labels: NDArray[np.bool_] | None = None
    single: bool = False
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """The same without files: what lies beside the features of a set. `names` are the images', unique."""

    names: list[str]
    captions: list[str]
    image_of: NDArray[np.int64]
    parts: Parts
    classes: list[str] = field(default_factory=list)
    labels: NDArray[np.bool_] | None = None
    single: bool = False


def drawn(images: Sequence[Path], val: int, test: int, *purpose: object) -> dict[str, list[Path]]:
    """A random split of images, each part in their order: so many for validation and test, the others to train on.

    purpose : what the draw follows from, as `seeds.seed_for` has it. A UserError where nothing would be left to train
    on.
    """
    if len(images) <= val + test:
        raise UserError(
            f"{images[0].parent if images else 'a folder'} has {len(images)} images, where {val} are for validation, {test} for "
            "the test and others to train on: lower these, or add images"
        )
    order = np.random.Generator(np.random.PCG64(seed_for(*purpose))).permutation(len(images)).tolist()
    chosen = {"val": set(order[:val]), "test": set(order[val : val + test]), "train": set(order[val + test :])}
    return {part: [image for index, image in enumerate(images) if index in chosen[part]] for part in PARTS}


def gathered(
    images: Mapping[str, Sequence[Path]],
    captions: Mapping[Path, Sequence[str]],
    source: Path,
    *,
    classes: Sequence[str] = (),
    labels_of: Mapping[Path, Sequence[int]] | None = None,
    counts: Mapping[str, int] | None = None,
    remedy: str = AGAIN,
) -> CaptionedSet:
    """The set of what readers have by file: the images part by part, with their captions in the order given.

    images : those of train, val and test. labels_of : indices into `classes`, none for an image that it lacks.
    source : the file or folder that says which captions there are, which an error names. A UserError as `checked` has it.
    """
    listed = [image for part in PARTS for image in images[part]]
    sizes = np.cumsum([0, *(len(images[part]) for part in PARTS)])
    owners: dict[str, set[Path]] = {}
    for image in listed:
        for caption in captions.get(image, ()):
            owners.setdefault(caption, set()).add(image)
    labels = None
    if labels_of is not None:
        labels = np.zeros((len(listed), len(classes)), np.bool_)
        for index, image in enumerate(listed):
            labels[index, list(labels_of.get(image, ()))] = True
    return checked(
        CaptionedSet(
            images=listed,
            captions=[caption for image in listed for caption in captions.get(image, ())],
            image_of=np.repeat(np.arange(len(listed)), [len(captions.get(image, ())) for image in listed]),
            parts={part: np.arange(*sizes[place : place + 2]) for place, part in enumerate(PARTS)},
            classes=list(classes),
            labels=labels,
            single=labels is not None and bool((labels.sum(1) == 1).all()),
            # A negative of a pair can be its positive, word for word.
            counts={**(counts or {}), SHARED: sum(len(own) > 1 for own in owners.values())},
        ),
        source,
        remedy,
    )


def checked(whole: CaptionedSet, source: Path, remedy: str = AGAIN) -> CaptionedSet:
    """The set itself; a UserError names `source` and an image in two parts, without a caption or of another's name,
    or an empty part."""
    part_of = {index: part for part, indices in whole.parts.items() for index in indices.tolist()}
    seen: dict[str, int] = {}
    for index, image in enumerate(whole.images):
        first = seen.setdefault(name_of(image), index)
        if whole.images[first] != image:
            raise UserError(f"{source}: {whole.images[first]} and {image} have one name, with their folder's: rename one")
        if first != index:
            raise UserError(f"{source}: the image {image} is in {part_of[first]} and in {part_of[index]}: {remedy}")
    captions = np.bincount(whole.image_of, minlength=len(whole.images))
    for image in (whole.images[number] for number in np.flatnonzero(captions == 0)):
        raise UserError(f"{source}: the image {image} has no caption: {remedy}")
    for part in ("train", "test"):
        if not len(whole.parts[part]):
            raise UserError(f"{source}: no image is in the part {part}: {remedy}")
    return whole


def read_set(dataset: str, folder: Path, options: Mapping[str, Any]) -> CaptionedSet:
    """What the set's reader reads with `matching.options` of it; a UserError names an option that the reader does not have."""
    read = reader(dataset).read
    try:
        inspect.signature(read).bind(folder, **options)
    except TypeError as error:
        raise UserError(f"matching.options.{dataset}: the reader stages/datasets/{dataset}.py {error}") from error
    return read(folder, **options)


def described(whole: CaptionedSet) -> dict[str, Any]:
    """What set.json has of a set: labels are the lists of the images' class numbers, which are few of many."""
    return {
        "names": [name_of(image) for image in whole.images],
        "captions": whole.captions,
        "image_of": whole.image_of.tolist(),
        "parts": {part: indices.tolist() for part, indices in whole.parts.items()},
        "classes": whole.classes,
        "labels": None if whole.labels is None else [np.flatnonzero(row).tolist() for row in whole.labels],
        "single": whole.single,
        "counts": whole.counts,
    }


def load_described(folder: Path) -> Described:
    """What `described` has put into `folder`/set.json; a UserError where it is cut off, or lacks a key."""
    try:
        values = load_set(folder)
        labels = None
        if values["labels"] is not None:
            labels = np.zeros((len(values["names"]), len(values["classes"])), np.bool_)
            for row, numbers in zip(labels, values["labels"], strict=True):
                row[numbers] = True
        return Described(
            values["names"],
            values["captions"],
            np.array(values["image_of"], np.int64),
            {part: np.array(values["parts"][part], np.int64) for part in PARTS},
            values["classes"],
            labels,
            values["single"],
        )
    except KeyError as error:
        raise UserError(f"{folder / SET_FILE} lacks {error.args[0]}: run the stage that wrote it again") from error
    except (ValueError, IndexError, TypeError) as error:
        raise UserError(f"{folder / SET_FILE} is damaged ({error}): run the stage that wrote it again") from error
