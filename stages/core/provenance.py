"""Whose bytes a result is made of: `provenance.json`, which a download writes and whatever makes data of it hands on."""

import json
import shutil
from pathlib import Path

from stages.core.metrics import Dataset

FILE = "provenance.json"


def hand_on(source: Path, out: Path) -> None:
    """Say in the folder `out` what the folder `source` says of its bytes."""
    shutil.copyfile(source / FILE, out / FILE)


def kind_of(folder: Path) -> str:
    """official, unverified, altered or miniature."""
    return json.loads((folder / FILE).read_text())["kind"]


def dataset(folder: Path, name: str) -> Dataset:
    """The data set `name` as metrics files have it, by what `folder` says of its bytes."""
    said = json.loads((folder / FILE).read_text())
    return Dataset(name, said["kind"], said["note"])
