"""QMUL's shoes and chairs (Yu et al., Sketch Me That Shoe, CVPR 2016): what the readers of both share.

sbir_cvpr2016/KIND/{train,test}/{images,sketches}/NAME.*, as programs that read the official archive have it; a sketch is of the photo of
the same name.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets.pictures import open_picture, pictures_in
from stages.datasets.translated import Pair, matched

ROOT = "sbir_cvpr2016_release/sbir_cvpr2016"


def pairs_of(folder: Path, kind: str, part: str) -> list[Pair]:
    """Sketches and photos of shoes or chairs, by name; a UserError names a sketch or a photo that is missing, or there twice."""
    sketches, photos = (folder / ROOT / kind / part / name for name in ("sketches", "images"))
    a, b = _by_name(sketches), _by_name(photos)
    return matched(a, b, ("the sketch", "the photo"), lambda domain, name: (photos if domain else sketches) / f"{name}.*")


def read(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A sketch, over white where it is transparent, and a photo: uint8 (H, W, 3), of any sizes."""
    assert pair.a is not None
    assert pair.b is not None
    return np.asarray(open_picture(pair.a)), np.asarray(open_picture(pair.b))


def _by_name(folder: Path) -> dict[str, Path]:
    by_name: dict[str, Path] = {}
    for file in pictures_in(folder)[0]:
        if other := by_name.get(file.stem):
            raise UserError(f"{file} and {other.name} are of one name, by which sketches and photos are matched: take one away")
        by_name[file.stem] = file
    return by_name
