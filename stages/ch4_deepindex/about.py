"""What the stages of Chapter 4 say to each other of features and of what is made of them: about.json."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def load_about(folder: Path) -> dict[str, Any]:
    """What `features` says of the features in `folder`, or of those behind its rankings: layers, weights, precision."""
    return json.loads((folder / "about.json").read_text())


def encoder_of(layers: Iterable[str], about: Mapping[str, Any]) -> str:
    """Which layers of which encoders these layers of the thesis are, and of what kind their weights, in words.

    about : as `load_about` has it; that of older releases does not know of the weights.
    """
    parts = []
    for name in layers:
        encoder, layer = about["layers"][name].split(".")
        kind = about.get("weights", {}).get(encoder)
        parts.append(f"{encoder} {layer}" + (f", {kind} weights" if kind else ""))
    return " + ".join(parts)
