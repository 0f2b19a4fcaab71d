"""Edge maps as they are stored: grey PNG of 8 bits, as the author's were (a map of 255ths of 0..1)."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_map(file: Path, edges: np.ndarray) -> None:
    """Store an edge map, (H, W) in 0..1."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(255 * edges).astype(np.uint8)).save(file, optimize=False)


def read_map(file: Path) -> np.ndarray:
    """A stored edge map, float64 (H, W) in 0..1."""
    with Image.open(file) as image:
        return np.asarray(image) / 255
