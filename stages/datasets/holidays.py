"""INRIA Holidays in its official layout: jpg/100000.jpg and so on, 1,491 photographs of 500 places (Jegou et al., ECCV 2008).

The number's last two digits count a group's photographs: 00 is the query, the others are to be found.
"""

import re
from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.retrieval import Query, RetrievalSet, grouped, list_pictures


def read(folder: Path) -> RetrievalSet:
    """The photographs of `folder`/jpg, and one query for each group. A query is not found itself.

    A UserError names a file that is none of the set's, and a group without its query or with nothing to be found.
    """
    images = list_pictures(folder / "jpg", "*.jpg")
    groups = grouped(_number(image) // 100 for image in images)
    return RetrievalSet(images, [_query(images, number, group) for number, group in groups.items()])


def _query(images: list[Path], number: int, group: list[int]) -> Query:
    first, *others = group
    if _number(images[first]) != 100 * number:
        raise UserError(f"{images[first].with_stem(f'{100 * number}')}, the query of its group, is missing: {AGAIN}")
    if not others:
        raise UserError(f"{images[first]} is alone in its group, so there is nothing to be found: {AGAIN}")
    return Query(images[first].stem, first, None, tuple(others), (first,))


def _number(image: Path) -> int:
    if not re.fullmatch(r"1\d{5}", image.stem, re.ASCII):
        raise UserError(f"{image} is none of Holidays' photographs, which are named as 100000.jpg: take it away")
    return int(image.stem)
