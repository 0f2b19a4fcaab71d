"""What the data sets of image retrieval have in common: pictures, queries, and which pictures answer a query (Section 4.4.1).

A reader of the kind `retrieval` offers `read(folder)` -> RetrievalSet.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stages.core.errors import UserError
from stages.datasets import AGAIN

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Query:
    """What is asked for, and what answers it.

    image: index into RetrievalSet.images of its picture
    box: left, top, right, bottom, in pixels, of the part that is asked for; None: the whole picture
    relevant: indices of the images to be found, ascending
    ignored: indices of those that are dropped from a ranking before it is scored, ascending
    """

    name: str
    image: int
    box: tuple[float, float, float, float] | None
    relevant: tuple[int, ...]
    ignored: tuple[int, ...]


@dataclass(frozen=True)
class RetrievalSet:
    """Images sorted by name, which is the path's stem, and where stems are not unique begins with the folder's; and the queries.

    by_four : whether four images answer each query, which N-S counts; mAP can be had of any set.
    """

    images: list[Path]
    queries: list[Query]
    by_four: bool = False


def list_pictures(folder: Path, pattern: str) -> list[Path]:
    """The files of `folder` that match `pattern`, by name, at least one; a UserError where there is none."""
    if images := sorted(folder.glob(pattern), key=lambda file: (file.name, file)):
        return images
    raise UserError(f"{folder} has no {pattern}: {AGAIN}")


def grouped(keys: Iterable[Key]) -> dict[Key, list[int]]:
    """Which indices have the same key, in the order of their first."""
    groups: dict[Key, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return groups
