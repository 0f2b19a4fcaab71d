"""Maps of 20 classes, as a parser trained on LIP (Gong et al., Look into Person, CVPR 2017) makes them of a photo: a PNG of indices."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets.pictures import decoded

CLASSES = (
    *("background", "hat", "hair", "glove", "sunglasses", "upper-clothes", "dress", "coat", "socks", "pants", "jumpsuits", "scarf"),
    *("skirt", "face", "left-arm", "right-arm", "left-leg", "right-leg", "left-shoe", "right-shoe"),
)


def read(file: Path) -> NDArray[np.uint8]:
    """The class of each pixel, uint8 (H, W); a UserError of a file that is missing or damaged, has colours, or a value above 19."""
    if not file.is_file():
        raise UserError(f"{file} is missing: run a parser of LIP's 20 classes on its photo and put the map of indices there")
    mode, classes = decoded(file, lambda picture: (picture.mode, np.asarray(picture)), ("PNG",))
    if mode not in ("L", "P"):  # of a palette the indices are classes, and its colours are for the eye
        raise UserError(
            f"{file} is a PNG of the mode {mode}, and the map of a parser has indices, of the mode L or P: save its classes, 0 to 19"
        )
    if (highest := int(classes.max())) >= len(CLASSES):
        raise UserError(f"{file} has the value {highest}, and LIP's classes are 0 to {len(CLASSES) - 1}: save the classes, not grey levels")
    return classes
