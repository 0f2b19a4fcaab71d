"""Matlab files."""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError


def load_mat(file: Path, key: str) -> np.ndarray:
    """One variable of a Matlab file; a UserError names a file that is missing, damaged or lacks it."""
    from scipy.io import loadmat

    if not file.is_file():
        raise UserError(f"{file} is missing")
    try:
        content = loadmat(file, variable_names=[key])
    except NotImplementedError as error:  # what SciPy raises for that version, which is HDF5
        raise UserError(f"{file} is a Matlab 7.3 file: save it with Matlab's option -v7") from error
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{file} is damaged or no Matlab file ({error})") from error
    if key not in content:
        raise UserError(f"{file} has no variable {key}")
    return content[key]
