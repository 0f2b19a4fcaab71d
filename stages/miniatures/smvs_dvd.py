"""A miniature of the DVD covers of Stanford Mobile Visual Search in its official layout: generated places as five cameras have them."""

from dataclasses import replace
from pathlib import Path

from stages.miniatures import request
from stages.miniatures.files import save_jpeg
from stages.miniatures.places import VIEW, sample_camera_view, sample_place
from stages.miniatures.views import draw
from stages.miniatures.world import Light, generator

REFERENCE, CAMERAS = "Reference", ("Canon", "Droid", "E63", "Palm")

_STREAM = 4_030  # of random numbers: data sets never share a place


def write(folder: Path, *, objects: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/dvd_covers: of each object a clean picture in Reference, and a view in the folder of each camera."""
    request.check("SMVS", {"objects": objects}, width, height)
    base = folder / "dvd_covers"
    for index in range(objects):
        place = sample_place(seed, _STREAM, index, width, height)
        save_jpeg(draw(replace(place, light=Light()), width, height)[0], base / f"{REFERENCE}/{index + 1:03d}.jpg")
        for number, camera in enumerate(CAMERAS):
            view = sample_camera_view(generator(seed, _STREAM, VIEW, index, number), place, width, height)
            save_jpeg(draw(view, width, height)[0], base / f"{camera}/{index + 1:03d}.jpg")
