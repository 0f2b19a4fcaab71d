"""Stored rankings: what each model said of a data set's queries."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays

Rankings = list[NDArray[np.int64]]
SWEEP = "sweep"  # models that only Figure 4.6 shows end so


@dataclass(frozen=True)
class Model:
    """Whose rankings they are: a model of the tables, of which layers, and what else it is known by; `trained`: its codebooks' folder."""

    model: str
    places: tuple[str, ...]
    seed: int | None = None
    assignments: int | None = None
    words: int | None = None
    alpha: float | None = None
    trained: str | None = None


def save(rankings: Rankings, file: Path) -> None:
    """Write the rankings of all queries."""
    starts = np.concatenate([[0], np.cumsum([len(each) for each in rankings])])
    np.savez(file, starts=starts.astype(np.int64), images=np.concatenate(rankings).astype(np.int32))


def load(file: Path, stage: str = "") -> list[NDArray[np.int32]]:
    """Read what `save` wrote, for the stage of this name."""
    images, starts = arrays.read_named(file, stage, "images", "starts")
    return np.split(images, starts[1:-1])


def load_models(folder: Path, stage: str = "") -> Iterator[tuple[Model, list[NDArray[np.int32]]]]:
    """Every model and its rankings, one after the other: of all together a large set has gigabytes."""
    for number, entry in enumerate(json.loads((folder / "models.json").read_text())):
        yield Model(**entry | {"places": tuple(entry["places"])}), load(folder / f"{number}.npz", stage)
