"""The recognition benchmark of the University of Kentucky (UKBench, UKB) in its official layout (Nister and Stewenius, CVPR 2006).

full/ukbench00000.jpg to ukbench10199.jpg are 10,200 photographs of 2,550 objects, four of each in turn.
"""

import re
from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.retrieval import Query, RetrievalSet, grouped, list_pictures

VIEWS = 4  # of an object


def read(folder: Path) -> RetrievalSet:
    """The photographs of `folder`/full, each of them a query for all four of its object, itself among them (N-S is of 4).

    A UserError names a file that is none of the set's, and one that its object lacks.
    """
    images = list_pictures(folder / "full", "*.jpg")
    groups = grouped(_number(image) // VIEWS for image in images)
    for number, group in groups.items():
        names = {images[index].stem for index in group}
        if missing := [name for view in range(VIEWS) if (name := f"ukbench{VIEWS * number + view:05d}") not in names]:
            raise UserError(f"{folder}/full/{missing[0]}.jpg is missing, of each object there are {VIEWS}: {AGAIN}")
    queries = [Query(images[index].stem, index, None, tuple(group), ()) for group in groups.values() for index in group]
    return RetrievalSet(images, queries, by_four=True)


def _number(image: Path) -> int:
    if not re.fullmatch(r"ukbench\d{5}", image.stem, re.ASCII):
        raise UserError(f"{image} is none of UKB's photographs, which are named as ukbench00000.jpg: take it away")
    return int(image.stem.removeprefix("ukbench"))
