"""Whose bytes a result is made of: `provenance.json`, which a download writes and whatever makes data of it hands on."""

import json
import shutil
from pathlib import Path

FILE = "provenance.json"


def hand_on(source: Path, out: Path) -> None:
    """Say in the folder `out` what the folder `source` says of its bytes."""
    shutil.copyfile(source / FILE, out / FILE)


def kind_of(folder: Path) -> str:
    """official, unverified, altered or miniature."""
    return read(folder)["kind"]


def read(folder: Path) -> dict[str, str]:
    """What `folder` says of its bytes: dataset, kind, note and, where they stand in for another set's, stands_in_for."""
    return json.loads((folder / FILE).read_text())
