"""Features that are not finite, named by their file: a training on them would blame its learning rate."""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.matching.features import Features

ROWS = 4096  # at a time: which values of MSCOCO's captions are finite would be 2 GB


def check_finite(features: Features, images: Path, texts: Path) -> None:
    """A UserError names the first row that is not. images, texts : the folders that they were read from."""
    for folder, values in ((images, features.images), (texts, features.texts)):
        for first in range(0, len(values), ROWS):
            if len(broken := np.flatnonzero(~np.isfinite(values[first : first + ROWS]).all(axis=1))):
                raise UserError(f"row {first + broken[0]} of {folder / 'features.npy'} has numbers that are not finite: make it again")
