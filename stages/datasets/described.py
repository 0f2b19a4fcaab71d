"""A data set as stages describe it to each other: set.json, which has rows and names instead of files."""

import json
from pathlib import Path
from typing import Any

SET_FILE = "set.json"


def name_of(image: Path) -> str:
    """What an image is called: its file with the folder that it lies in, for a file's name alone need not be unique."""
    return f"{image.parent.name}/{image.stem}"


def load_set(folder: Path) -> dict[str, Any]:
    """What is said of the set whose features, predictions or rankings lie in `folder`."""
    return json.loads((folder / SET_FILE).read_text())
