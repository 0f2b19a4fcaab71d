"""Stored arrays as an evaluation reads them: one that is cut off or damaged is one sentence."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError


def read(file: Path, stage: str = "") -> NDArray:
    """The array of a .npy file, for the stage of this name."""
    return read_named(file, stage)[0]


def read_named(file: Path, stage: str, *names: str) -> list[NDArray]:
    """The arrays of these names of a .npz file; without names the one of a .npy file."""
    with _reading(file, stage):
        stored = np.load(file)
        if not names:
            return [stored]
        with stored:
            return [stored[name] for name in names]


def read_all(file: Path, stage: str = "") -> dict[str, NDArray]:
    """All arrays of a .npz file by name, for the stage of this name."""
    with _reading(file, stage), np.load(file) as stored:
        return dict(stored)


@contextlib.contextmanager
def _reading(file: Path, stage: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        wrong = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({' '.join(str(error).split())})"
        repro = f"python -m workflow.repro {stage}".strip()
        raise UserError(f"{file} {wrong}: `{repro}` brings it back, or makes it again") from error
