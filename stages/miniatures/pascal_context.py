"""A miniature of PASCAL Context in its official layout: pictures of VOC 2010, and the class of every pixel."""

from pathlib import Path

import numpy as np

from stages.miniatures import request
from stages.miniatures.files import save_jpeg, save_mat
from stages.miniatures.views import draw, sample_view
from stages.miniatures.world import SHAPES, generator

NAMES = ("backdrop", "ground", *SHAPES)  # of the classes 1, 2, ...

_STREAM = 3_010  # none of BSDS500's, so no scene is in both


def write(folder: Path, *, images: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/VOCdevkit/VOC2010/JPEGImages, label maps in `folder`/trainval and their classes in `folder`/labels.txt.

    `images` is how many, sides are in pixels. Things of one class that touch are one region, as in any map of classes.
    """
    request.check("PASCAL Context", {"images": images}, width, height)
    for index in range(images):
        name = f"2008_{index + 1:06d}"
        scene = sample_view(generator(seed, _STREAM, index), width, height)
        picture, regions = draw(scene, width, height)
        save_jpeg(picture, folder / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg")
        classes = np.array([1, 2, *(3 + thing.shape for thing in scene.things)], dtype=np.uint16)
        save_mat({"LabelMap": classes[regions]}, folder / f"trainval/{name}.mat")
    (folder / "labels.txt").write_text("".join(f"{number}: {name}\n" for number, name in enumerate(NAMES, 1)))
