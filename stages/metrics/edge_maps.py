"""Edge maps as files: grey PNG of 8 or 16 bits, .npy (values 0 to 1), or BSDS `ucm2` .mat; written as 8-bit PNG, as the author's were."""

from pathlib import Path

import numpy as np
from PIL import Image

from stages.core.errors import UserError
from stages.datasets.edges import read_ucm
from stages.datasets.pictures import as_stored, decoded


def read_map(file: Path) -> np.ndarray:
    """A boundary map, float64 (H, W), 0 to 1; a UserError names a file that is none."""
    reader = READERS[file.suffix]
    values = reader(file)
    if not values.size or not np.all((values >= 0) & (values <= 1)):  # also where one is not a number
        found = f"it goes from {values.min():.4g} to {values.max():.4g}" if values.size else "it is empty"
        raise UserError(f"{file}: a boundary map has values from 0 to 1, and {found}")
    return values


def _read_png(file: Path) -> np.ndarray:
    mode, values = decoded(file, as_stored, ("PNG",))
    if mode not in ("1", "L", "I", "I;16", "I;16B"):
        raise UserError(f"{file} is a PNG of mode {mode}: a boundary map is grey, of 8 or 16 bits")
    return values / {"1": 1, "L": 255}.get(mode, 65535)


def _read_npy(file: Path) -> np.ndarray:
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read as .npy ({error})") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "buif":
        found = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else "an archive"
        raise UserError(f"{file}: a boundary map is an array of numbers of shape (height, width), and this is {found}")
    return values.astype(np.float64)


def write_map(file: Path, edges: np.ndarray) -> None:
    """Store an edge map, (H, W) in 0..1, as PNG of 8 bits: in 255ths."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(255 * edges).astype(np.uint8)).save(file)


READERS = {".png": _read_png, ".npy": _read_npy, ".mat": read_ucm}
SUFFIXES = tuple(READERS)
