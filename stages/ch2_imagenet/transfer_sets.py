"""The six data sets that the networks are transferred to (Section 2.4.3), and what Table 2.5 counts of them."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.datasets import cub200, flowers102, holidays, indoor67, scene15, ukb
from stages.datasets.labelled import ClassifiedSet
from stages.datasets.retrieval import RetrievalSet

Found = ClassifiedSet | RetrievalSet


@dataclass(frozen=True)
class Split:
    """How Scene-15, which has no split of its own, is divided: at random by `seed`, so many images of each category to train on."""

    train_per_class: int
    seed: int


CLASSIFICATION: dict[str, Callable[[Path, Split], ClassifiedSet]] = {
    "scene15": lambda folder, split: scene15.read(folder, **asdict(split)),
    "indoor67": lambda folder, split: indoor67.read(folder),
    "flowers102": lambda folder, split: flowers102.read(folder),
    "cub200": lambda folder, split: cub200.read(folder),
}
RETRIEVAL: dict[str, Callable[[Path], RetrievalSet]] = {"holidays": holidays.read, "ukb": ukb.read}
SETS = (*CLASSIFICATION, *RETRIEVAL)
BY_FOUR = ("ukb",)  # scored by N-S, the others of RETRIEVAL by mAP


def read(name: str, folder: Path, split: Split) -> Found:
    """The data set called `name` (one of SETS) in `folder`."""
    return CLASSIFICATION[name](folder, split) if name in CLASSIFICATION else RETRIEVAL[name](folder)


def images_of(found: Found) -> list[Path]:
    """All images of a set, one a row of its features: of a classified one those to train on and then those to test on."""
    return found.images if isinstance(found, RetrievalSet) else [*found.train.images, *found.test.images]


def counts(found: Found) -> dict[str, int]:
    """A column of Table 2.5. Of retrieval, "train" are the images that some query is to find, "test" the queries."""
    if isinstance(found, RetrievalSet):
        sought = {image for query in found.queries for image in query.relevant}
        return {"train_images": len(sought), "test_images": len(found.queries)}
    return {"categories": len(found.classes), "train_images": len(found.train.images), "test_images": len(found.test.images)}


def described(found: Found) -> dict[str, Any]:
    """What set.json holds. `images` are the rows' names.

    Of classification: `classes`, each row's label among them, and which rows are `train` and `test`. Of retrieval: `queries`, each with
    the rows that are its `image`, `relevant` and `ignored`.
    """
    shared = {"images": [name_of(image) for image in images_of(found)], "counts": counts(found)}
    if isinstance(found, RetrievalSet):
        queries = [{key: getattr(query, key) for key in ("name", "image", "relevant", "ignored")} for query in found.queries]
        return shared | {"queries": queries}
    first, end = len(found.train.images), len(shared["images"])
    parts = {"train": list(range(first)), "test": list(range(first, end))}
    return shared | parts | {"classes": found.classes, "labels": [*found.train.labels, *found.test.labels]}


def name_of(image: Path) -> str:
    """What an image is called: its file with the folder that it lies in, for a file's name alone need not be unique."""
    return f"{image.parent.name}/{image.stem}"


def load_set(folder: Path) -> dict[str, Any]:
    """What `described` says of the set whose features, or predictions, lie in `folder`."""
    return json.loads((folder / "set.json").read_text())
