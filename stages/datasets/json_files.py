"""JSON files of annotations, as MSCOCO and Karpathy publish them: an object with lists of rows, checked on reading."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from stages.datasets import AGAIN


def load_object(file: Path, *keys: str) -> dict[str, Any]:
    """A file's object, whose `keys` are lists; a UserError where the file is missing, no JSON, or lacks one."""
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{file} is missing: {AGAIN}") from None
    except ValueError as error:
        raise UserError(f"{file} is truncated or no JSON ({error}): {AGAIN}") from error
    for key in keys:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UserError(f"{file} has no list {key}, so it is not in its official layout: {AGAIN}")
    return content


def rows(file: Path, content: dict[str, Any], name: str, /, **keys: type) -> Iterator[list[Any]]:
    """The values of `keys` in each row of a list; a UserError names the row and the key that it lacks, or has of another type."""
    for number, row in enumerate(content[name]):
        for key, kind in keys.items():
            if not isinstance(row, dict) or not isinstance(row.get(key), kind):
                raise UserError(f"{file}: {name}[{number}] has no {key} of the type {kind.__name__}, as official files have: {AGAIN}")
        yield [row[key] for key in keys]


def karpathy_names(file: Path, parts: tuple[str, ...]) -> dict[str, list[str]]:
    """The file names of each part in a dataset_*.json of Karpathy and Fei-Fei (CVPR 2015), in its order."""
    images = list(rows(file, load_object(file, "images"), "images", filename=str, split=str))
    return {part: [name for name, split in images if split == part] for part in parts}
