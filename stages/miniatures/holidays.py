"""A miniature of INRIA Holidays in its official layout: groups of views, each of a generated place."""

from pathlib import Path

from stages.miniatures import request
from stages.miniatures.files import save_jpeg
from stages.miniatures.places import VIEW, sample_camera_view, sample_place
from stages.miniatures.views import draw
from stages.miniatures.world import generator

_STREAM = 4_000  # of random numbers: data sets never share a place


def write(folder: Path, *, groups: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/jpg: groups of two, three and four views in turn, the first of them the query."""
    request.check("Holidays", {"groups": groups}, width, height)
    for index in range(groups):
        place = sample_place(seed, _STREAM, index, width, height)
        for number in range(2 + index % 3):
            view = sample_camera_view(generator(seed, _STREAM, VIEW, index, number), place, width, height)
            save_jpeg(draw(view, width, height)[0], folder / f"jpg/{100_000 + 100 * index + number}.jpg")
