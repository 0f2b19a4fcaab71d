"""A number of the chapter with what is said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import metrics
from stages.matching import store


@dataclass(frozen=True)
class Source:
    """Where numbers come from: what a stored prediction says of itself, its seed and file, and the folder of its network."""

    about: Mapping[str, Any]
    seed: int | None
    predictions: Path
    trained: Path | None = None


def record(model: str, metric: str, value: float, source: Source, facts: Mapping[str, Any]) -> metrics.Record:
    """facts : unit, better and n."""
    about = source.about
    return metrics.Record(
        model=model, metric=metric, value=value, seed=source.seed, encoder=store.encoder_of(about), determinism=about["determinism"],
        precision=about.get("precision"), parameters=about.get("parameters"), predictions=source.predictions.as_posix(),
        trained=source.trained.as_posix() if source.trained else None, **facts,
    )  # fmt: skip
