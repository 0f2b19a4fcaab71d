"""The data sets that Chapter 4 retrieves in: the thesis's three, and a stand-in for UKB."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.datasets import holidays, paris6k, smvs_dvd, ukb
from stages.datasets.retrieval import RetrievalSet

SETS: dict[str, Callable[[Path], RetrievalSet]] = {
    "holidays": holidays.read,
    "paris6k": paris6k.read,
    "ukb": ukb.read,
    "smvs_dvd": smvs_dvd.read,
}
BY_FOUR = ("ukb", "smvs_dvd")  # scored by N-S as well as by mAP


def name_of(image: Path) -> str:
    """What an image is called: its file with the folder that it lies in, for a file's name alone need not be unique."""
    return f"{image.parent.name}/{image.stem}"


def load_set(folder: Path) -> dict[str, Any]:
    """What `features.described` says of the set whose features, or rankings, lie in `folder`."""
    return json.loads((folder / "set.json").read_text())
