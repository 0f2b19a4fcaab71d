"""The data sets that the networks are transferred to (Section 2.4.3), and what Table 2.5 counts of them."""

from pathlib import Path
from typing import Any

from stages.ch2_imagenet.transfer_settings import Division
from stages.core.errors import UserError
from stages.datasets import reader
from stages.datasets.described import name_of
from stages.datasets.labelled import ClassifiedSet, Undivided, divided
from stages.datasets.retrieval import RetrievalSet

TransferSet = ClassifiedSet | RetrievalSet


def read(name: str, folder: Path, division: Division) -> TransferSet:
    """The data set called `name` in `folder`, divided as `division` says where it has no split of its own."""
    whole: TransferSet | Undivided = reader(name).read(folder)
    if not isinstance(whole, Undivided):
        return whole
    try:
        return divided(whole, division.train_per_class, division.seed)
    except UserError as error:
        raise UserError(f"{folder}, by ch2_imagenet.transfer.division.train_per_class: {error}") from error


def images_of(dataset: TransferSet) -> list[Path]:
    """All images of a set, one a row of its features: of a classified one those to train on and then those to test on."""
    return dataset.images if isinstance(dataset, RetrievalSet) else [*dataset.train.images, *dataset.test.images]


def counts(dataset: TransferSet) -> dict[str, int]:
    """A column of Table 2.5. Of retrieval, "train" are the images that some query is to find, "test" the queries."""
    if isinstance(dataset, RetrievalSet):
        sought = {image for query in dataset.queries for image in query.relevant}
        return {"train_images": len(sought), "test_images": len(dataset.queries)}
    images = {"train_images": len(dataset.train.images), "test_images": len(dataset.test.images)}
    return {"categories": len(dataset.classes)} | images


def described(dataset: TransferSet) -> dict[str, Any]:
    """What set.json holds. `images` are the rows' names.

    Of classification: `classes`, each row's label among them, and which rows are `train` and `test`. Of retrieval:
    `queries`, each with the rows that are its `image`, `relevant` and `ignored`, and whether four images answer each,
    `by_four`.
    """
    shared = {"images": [name_of(image) for image in images_of(dataset)], "counts": counts(dataset)}
    if isinstance(dataset, RetrievalSet):
        keys = ("name", "image", "relevant", "ignored")
        queries = [{key: getattr(query, key) for key in keys} for query in dataset.queries]
        return shared | {"queries": queries, "by_four": dataset.by_four}
    first, end = len(dataset.train.images), len(shared["images"])
    parts = {"train": list(range(first)), "test": list(range(first, end))}
    return shared | parts | {"classes": dataset.classes, "labels": [*dataset.train.labels, *dataset.test.labels]}
