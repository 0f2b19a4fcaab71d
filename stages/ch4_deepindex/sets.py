"""The data sets that Chapter 4 retrieves in, as its stages describe them to each other."""

import json
from pathlib import Path
from typing import Any


def name_of(image: Path) -> str:
    """What an image is called: its file with the folder that it lies in, for a file's name alone need not be unique."""
    return f"{image.parent.name}/{image.stem}"


def load_set(folder: Path) -> dict[str, Any]:
    """What `features.described` says of the set whose features, or rankings, lie in `folder`."""
    return json.loads((folder / "set.json").read_text())
