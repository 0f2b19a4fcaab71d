"""A number of the chapter with what is said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import metrics
from stages.core.stage import Job
from stages.matching import store

GIVEN = "given"  # what `labels` of a set is where its classes are the data set's own


def protocol(job: Job) -> str:
    """The run's, but that none is `full`: the thesis says not how long Algorithm 3's stages are (the README's `stage-lengths`)."""
    return "assumed" if job.param("protocol") == "full" else job.param("protocol")


@dataclass(frozen=True)
class Source:
    """Where numbers come from: what a stored prediction says of itself, its seed and file, the folder of its network, and where the
    labels of the set come from."""

    about: Mapping[str, Any]
    seed: int | None
    predictions: Path
    trained: Path | None = None
    labels: str = GIVEN


def encoder_of(source: Source, *, labelled: bool) -> str:
    """What a network sees by, in words. labelled : whether the number is of the set's labels.

    Where these are made from the captions, it ends with `labels from captions` if the number is of them, or the network has learnt them:
    they are in what it reads, so that it says nothing of the claims on labels that a data set gives.
    """
    about = source.about
    images = about["images"]
    seen = store.encoder_of(about) if "texts" in about else f"{images['encoder']}, {images['weights']} weights"
    learnt = "classification" in about.get("losses", ())
    return f"{seen}, labels {source.labels}" if source.labels != GIVEN and (labelled or learnt) else seen


def record(model: str, metric: str, value: float, source: Source, facts: Mapping[str, Any], *, labelled: bool = False) -> metrics.Record:
    """facts : unit, better and n."""
    about = source.about
    return metrics.Record(
        model=model, metric=metric, value=value, seed=source.seed, encoder=encoder_of(source, labelled=labelled),
        determinism=about["determinism"], precision=about.get("precision"), parameters=about.get("parameters"),
        predictions=source.predictions.as_posix(), trained=source.trained.as_posix() if source.trained else None, **facts,
    )  # fmt: skip
