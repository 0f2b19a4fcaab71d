"""Paris (Philbin et al., CVPR 2008) as its official archives unpack: paris/<landmark>/paris_<landmark>_<number>.jpg, and the ground truth.

The archives hold 6,412 files, the number that papers give; the official page lists 20 of them as corrupt (they hold no picture), which
leaves 6,392. All files are listed here: what to do with a corrupt one is for whoever decodes it.

Of each query, <landmark>_<n>, there are four text files, which have no folder in their archive and are put into ground_truth:
<query>_query.txt has the picture's name and a box; <query>_good.txt, _ok.txt and _junk.txt list pictures where the landmark is clearly
visible, more than a quarter visible, and less.
"""

import math
from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.retrieval import Query, RetrievalSet, list_pictures

ENDING = "_query.txt"


def read(folder: Path) -> RetrievalSet:
    """The pictures of `folder`/paris, by name, and the queries of `folder`/ground_truth: good and ok are to be found, junk is ignored.

    As in the official evaluation a query's own picture, which is a good one, is to be found too. A UserError names a text file that is
    missing or has a line that cannot be read, and a picture that is listed and not there.
    """
    images = list_pictures(folder / "paris", "*/*.jpg")
    places = {image.stem: index for index, image in enumerate(images)}
    files = list_pictures(folder / "ground_truth", f"*{ENDING}")
    return RetrievalSet(images, [_query(file, places) for file in files])


def _query(file: Path, places: dict[str, int]) -> Query:
    name = file.name.removesuffix(ENDING)
    good, ok, junk = (_listed(file.with_name(f"{name}_{kind}.txt"), places) for kind in ("good", "ok", "junk"))
    if not good | ok:
        raise UserError(f"{file.with_name(f'{name}_good.txt')} and its _ok.txt are empty, so there is nothing to be found: {AGAIN}")
    image, box = _asked(file, places)
    return Query(name, image, box, tuple(sorted(good | ok)), tuple(sorted(junk)))


def _asked(file: Path, places: dict[str, int]) -> tuple[int, tuple[float, float, float, float]]:
    """The picture and the box of a query file, "paris_louvre_000012 20.5 31 640 480"."""
    text = _text(file)
    try:
        name, *numbers = text.split()
        left, top, right, bottom = (float(number) for number in numbers)
        readable = all(map(math.isfinite, (left, top, right, bottom))) and left < right and top < bottom
    except ValueError:
        readable = False
    if not readable:
        raise UserError(f"{file} should have a picture's name and its box, left, top, right and bottom, and has {text.strip()!r}: {AGAIN}")
    return _place(file, name, places), (left, top, right, bottom)


def _listed(file: Path, places: dict[str, int]) -> set[int]:
    return {_place(file, name, places) for name in _text(file).split()}


def _place(file: Path, name: str, places: dict[str, int]) -> int:
    if name not in places:
        raise UserError(f"{file} lists {name}, which is not among the pictures: {AGAIN}, and keep corrupt pictures too")
    return places[name]


def _text(file: Path) -> str:
    if not file.is_file():
        raise UserError(f"{file} is missing: {AGAIN}")
    try:
        return file.read_text()
    except ValueError as error:
        raise UserError(f"{file} is no text: {AGAIN}") from error
