"""Metrics of Section 8.1 from what is stored of the test part: the three of Table 8.1, and ours; and the training curves.

    python -m stages.ch8_translation.evaluate facades

Of sets with label maps, shares from 0 to 1 as the thesis has them: `pixel_accuracy`, `class_accuracy` and `class_iou` of the scorer's label
maps of generated photos, at the scorer's size, also of what bounds them (`stages.ch8_translation.score`) and of `constant`, which says
the training labels' most frequent class everywhere; `label_pixel_accuracy`, `label_class_accuracy` and `label_iou` of generated label maps,
read by the palette's nearest colour, at the networks' size; and `label_far`, how much of them is more than FAR from all of its colours, so
that the nearest is a guess: none of facades' real ones is. Pixels without a class count nowhere.

Of all sets `spread_forward` and `spread_backward`, how much generated pictures differ from one another as a share of how much the real ones
of their domain do (1: as much; 0: the generator has collapsed), `cycle_a` and `cycle_b`, the mean L1 of a picture to itself after both
chains, and of chains of two and more `intermediate_gap`, how far what their first generators make of A is from what those of B do
(`stages.metrics.generation.gap`).
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.ch8_translation import data, scored, stored
from stages.core import json_files, metrics, stage, trainings
from stages.datasets.translated import IGNORE, nearest, squared_distances
from stages.metrics.generation import gap, spread
from stages.metrics.segmentation import class_accuracy, confusion_matrix, mean_iou, pixel_accuracy

BOUNDS = ("oracle", "oracle-small", "copy")
PICTURES = ("forward", "backward", "forward_first", "backward_first")
CYCLES = ("cycle_a", "cycle_b")
SCORES = ("pixel_accuracy", "class_accuracy", "class_iou")
OF_LABELS = ("label_pixel_accuracy", "label_class_accuracy", "label_iou")
FAR = 80  # levels: as far as most colours of facades' palette are from the next, and what its real label maps are decoded with


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def scores(truth: NDArray[np.uint8], predicted: Iterable[NDArray[np.uint8]], classes: int) -> tuple[float, float, float]:
    """Per-pixel accuracy, per-class accuracy and class IoU over all label maps (n, H, W) together, where there is a class."""
    pairs = zip(truth, predicted, strict=True)  # one at a time: as integers of 8 bytes all would be large
    confusion = sum((confusion_matrix(*pair, classes, IGNORE) for pair in pairs), np.zeros((classes, classes), np.int64))
    return pixel_accuracy(confusion), class_accuracy(confusion), mean_iou(confusion)


def far(truth: NDArray[np.uint8], made: Iterable[NDArray[np.uint8]], palette: NDArray[np.uint8]) -> float:
    """Of the pixels that have a class, the share whose colour in generated label maps (H, W, 3) is more than FAR from all of the palette's.

    NaN where none has a class.
    """
    pairs = zip(truth, made, strict=True)
    guessed = np.concatenate([squared_distances(one[labels != IGNORE], palette).min(-1) > FAR**2 for labels, one in pairs])
    return float(guessed.mean()) if guessed.size else float("nan")


def most_frequent(labels: NDArray[np.uint8]) -> int:
    """The class that most pixels have, of equal ones the first."""
    return int(np.bincount(labels[labels != IGNORE]).argmax())


def measures(made: Mapping[str, NDArray], images: data.Images) -> Iterator[tuple[str, float, str, str]]:
    """Metric, value, unit and which is better, of the pictures and distances that a network's file has."""
    for direction, real in (("forward", images.b), ("backward", images.a)):
        if direction in made and (differ := spread(real)):  # a single real picture does not
            yield f"spread_{direction}", spread(made[direction]) / differ, "ratio", "higher"
    for name in CYCLES:
        if name in made:
            yield name, float(made[name].mean(dtype=np.float64)), "L1", "lower"
    if {"forward_first", "backward_first"} <= made.keys():
        yield "intermediate_gap", gap(made["forward_first"], made["backward_first"]), "L1", "lower"


def records_of(model: str, values: Iterable[tuple[str, float, str, str]], about: Mapping[str, Any], **facts: Any) -> list[metrics.Record]:
    """about : what was said of the pictures, or label maps, of which these are."""
    made: dict[str, Any] = {key: about.get(key) for key in ("determinism", "precision", "encoder", "parameters")}
    return [
        metrics.Record(model=model, metric=metric, value=value, unit=unit, better=better, **made, **facts)
        for metric, value, unit, better in values
    ]


def named(names: Iterable[str], values: Iterable[float], better: str = "higher") -> list[tuple[str, float, str, str]]:
    """Shares under these names; without those that are NaN, as of truth without a labelled pixel."""
    return [(name, value, "share", better) for name, value in zip(names, values, strict=True) if not np.isnan(value)]


def network_records(model: str, seed: int, file: Path, trained: str, images: data.Images, stage_name: str) -> list[metrics.Record]:
    """All but Table 8.1's metrics of what a network has made."""
    counts = {"a": images.a.shape, "b": images.b.shape}
    shapes = {name: counts["a" if name.startswith("forward") else "b"] for name in PICTURES}
    made = stored.read(file, shapes | {name: counts[name[-1]][:1] for name in CYCLES}, stage_name)
    about = json_files.read(file.with_suffix(".json"), "determinism", stage=stage_name)
    values, count = list(measures(made, images)), len(images.a) if len(images.a) == len(images.b) else None
    if images.labels is not None and "backward" in made:
        labels = (nearest(one, images.palette) for one in made["backward"])
        values += named(OF_LABELS, scores(images.labels, labels, len(images.classes)))
        values += named(["label_far"], [far(images.labels, made["backward"], images.palette)], "lower")
    return records_of(model, values, about, seed=seed, n=count, predictions=file.as_posix(), trained=trained)


def label_records(model: str, file: Path, real: scored.Scored, stage_name: str, **facts: Any) -> list[metrics.Record]:
    """Table 8.1's metrics of the label maps in a file."""
    labels = stored.read(file, {"labels": real.labels.shape}, stage_name)["labels"]
    about = json_files.read(file.with_suffix(".json"), "encoder", "determinism", stage=stage_name)
    values = named(SCORES, scores(real.labels, labels, len(real.classes)))
    return records_of(model, values, about, n=len(labels), predictions=file.as_posix(), **facts)


def bound_records(labels: Path, scorer: str, real: scored.Scored, constant: int, stage_name: str) -> Iterator[metrics.Record]:
    """The same of what bounds the networks, and of this class everywhere."""
    for name in BOUNDS:
        if (file := labels / f"{name}.npz").exists():
            yield from label_records(name, file, real, stage_name, scored_by=scorer)
    everywhere = (np.full_like(truth, constant) for truth in real.labels)
    values = named(SCORES, scores(real.labels, everywhere, len(real.classes)))
    yield from records_of("constant", values, {"determinism": "bitwise"}, n=len(real.labels))


def main(args: argparse.Namespace, job: stage.Job) -> None:
    name = args.dataset
    prepared = job.dep(job.data(f"prepared/ch8_translation/{name}"))
    images = data.load(prepared, "test")
    networks = [
        (model, seed, file, job.data(f"models/ch8_translation/{name}/{model}-seed{seed}"))
        for model, seed, file in stored.predictions(job, name)
    ]
    records: list[metrics.Record] = []
    if images.classes:
        folder, labels = (job.dep(job.data(f"{kind}/{name}")) for kind in ("prepared/ch8_scored", "predictions/ch8_labels"))
        real = scored.load(folder, "test")
        constant, score = most_frequent(scored.labels_of(folder, "train")), f"ch8_score@{name}"
        scorer = job.data(f"models/ch8_scorer/{name}")
        records += bound_records(labels, scorer, real, constant, score)
        for model, seed, file, trained in networks:
            records += label_records(model, labels / file.name, real, score, seed=seed, trained=trained, scored_by=scorer)
    for model, seed, file, trained in networks:
        records += network_records(model, seed, file, trained, images, f"ch8_predict@{name}")
    metrics.publish(job, "ch8_translation", name, metrics.dataset_of(prepared, name), records)
    curves = [(model, seed, job.dep(trained)) for model, seed, _, trained in networks]
    trainings.publish_curves(job, "ch8_translation", name, curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
