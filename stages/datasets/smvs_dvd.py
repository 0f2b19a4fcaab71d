"""DVD covers of the Stanford Mobile Visual Search data set (Chandrasekhar et al., MMSys 2011): dvd_covers/Canon/001.jpg and so on.

Of each of 100 covers there are five pictures under the same number: a clean one in Reference, and what a camera and three telephones
took.
"""

from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.retrieval import Query, RetrievalSet, grouped, list_pictures

FOLDERS = ("Canon", "Droid", "E63", "Palm", "Reference")


def read(folder: Path) -> RetrievalSet:
    """The pictures of `folder`/dvd_covers, by folder and number, each of them a query for the four others of its cover, not for itself.

    A UserError names a picture that a cover lacks.
    """
    base = folder / "dvd_covers"
    images = [image for name in FOLDERS for image in list_pictures(base / name, "*.jpg")]
    groups = grouped(image.stem for image in images)
    for number, group in groups.items():
        if missing := sorted(set(FOLDERS) - {images[index].parent.name for index in group}):
            raise UserError(f"{base}/{missing[0]}/{number}.jpg is missing, of each cover there are {len(FOLDERS)} pictures: {AGAIN}")
    queries = [_query(images, index, groups[image.stem]) for index, image in enumerate(images)]
    return RetrievalSet(images, queries, by_four=True)


def _query(images: list[Path], index: int, group: list[int]) -> Query:
    image = images[index]
    return Query(f"{image.parent.name}/{image.stem}", index, None, tuple(other for other in group if other != index), (index,))
