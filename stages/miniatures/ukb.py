"""A miniature of UKB in its official layout: four views of each object, which is a generated place."""

from pathlib import Path

from stages.miniatures import request
from stages.miniatures.files import save_jpeg
from stages.miniatures.places import VIEW, sample_camera_view, sample_place
from stages.miniatures.views import draw
from stages.miniatures.world import generator

VIEWS = 4  # of an object

_STREAM = 4_020  # of random numbers: data sets never share a place


def write(folder: Path, *, objects: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/full: four views of each object."""
    request.check("UKB", {"objects": objects}, width, height)
    for index in range(objects):
        place = sample_place(seed, _STREAM, index, width, height)
        for number in range(VIEWS):
            view = sample_camera_view(generator(seed, _STREAM, VIEW, index, number), place, width, height)
            save_jpeg(draw(view, width, height)[0], folder / f"full/ukbench{VIEWS * index + number:05d}.jpg")
