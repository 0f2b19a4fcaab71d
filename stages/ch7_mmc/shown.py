"""What Figures 7.3 and 7.8 to 7.12 show, as numbers: a map's neighbours, ranks of classes, points of a sweep, curves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.ch7_mmc.training_settings import PerSet, Variant
from stages.core.metrics import Record
from stages.core.seeds import seed_for

NEIGHBOURS = 5  # as many as an image has texts on MSCOCO

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Row = Mapping[str, object]


def drawn_images(image_of: Indices, images: int | None) -> tuple[Indices, Indices]:
    """So many images, ascending, drawn at random (all: None, or more than there are), and all of their texts."""
    rng = np.random.Generator(np.random.PCG64(seed_for("ch7_mmc", "map")))
    chosen = np.sort(rng.permutation(int(image_of.max()) + 1)[:images])
    return chosen, np.flatnonzero(np.isin(image_of, chosen))


def neighbours(images: Floats, texts: Floats, own: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Indices]:
    """Of each image on a map whether its nearest text is its own, and how many of the five nearest are, (n,).

    images (n, 2), texts (m, 2). own : (n, m), whose each text is.
    """
    distances = np.square(images[:, None] - texts[None]).sum(axis=2)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBOURS]
    right = np.take_along_axis(own, nearest, axis=1)
    return right[:, 0], right.sum(axis=1)


def mean_ranks(scores: NDArray, right: NDArray[np.bool_]) -> Floats:
    """The mean rank, from 1, of each row's right classes, of which it has one at least; of equal scores the first ranks first.

    scores, right : (m, C). Returns (m,).
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1) + 1
    return (ranks * right).sum(axis=1) / right.sum(axis=1)


def points(
    parameter: Literal["beta", "dimension"], variants: Iterable[tuple[str, Variant]], main: str, per_set: PerSet
) -> dict[str, float]:
    """The networks of a sweep and what each has of its parameter, ascending; `main`, which has the data set's, among them."""
    values = {main: getattr(per_set, parameter)}
    values |= {name: value for name, variant in variants if (value := getattr(variant, parameter)) is not None}
    return dict(sorted(values.items(), key=lambda point: point[1]))


def spread(values: Sequence[float]) -> dict[str, object]:
    """Mean and range over seeds, and how many there are."""
    return {"mean": f"{np.mean(values):.4f}", "low": f"{min(values):.4f}", "high": f"{max(values):.4f}", "seeds": len(values)}


def sweep(parameter: str, values: Mapping[str, float], metrics: Iterable[str], records: Iterable[Record]) -> list[dict[str, object]]:
    """A row for each metric and each of the networks that it is known of. values : by network, in the order of the rows."""
    known: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        known[record.metric, record.model].append(record.value)
    return [
        {"metric": metric, "model": model, parameter: f"{value:g}", **spread(known[metric, model])}
        for metric in metrics
        for model, value in values.items()
        if (metric, model) in known
    ]


def curves(rows: Iterable[Mapping[str, str]], models: Sequence[str]) -> list[dict[str, object]]:
    """Test accuracies over the iterations at which there are some, models in the order given. rows : of <set>.training.csv."""
    known: dict[tuple[int, int], list[float]] = defaultdict(list)
    for row in rows:
        if row["model"] in models and row.get("test_accuracy"):
            known[models.index(row["model"]), int(row["iteration"])].append(float(row["test_accuracy"]))
    return [{"model": models[model], "iteration": iteration, **spread(known[model, iteration])} for model, iteration in sorted(known)]


def above(rows: Iterable[Mapping[str, str]], lower: str, higher: str) -> dict[int, tuple[float, int]]:
    """Of each seed of both networks, at what percentage of the iterations that have a test accuracy of both the one of `higher` is higher,
    and of how many that is. rows : of <set>.training.csv."""
    known: dict[str, dict[tuple[int, int], float]] = {lower: {}, higher: {}}
    for row in rows:
        if row["model"] in known and row.get("test_accuracy"):
            known[row["model"]][int(row["seed"]), int(row["iteration"])] = float(row["test_accuracy"])
    shared: dict[int, list[bool]] = defaultdict(list)
    for point in sorted(known[lower].keys() & known[higher].keys()):
        shared[point[0]].append(known[higher][point] > known[lower][point])
    return {seed: (100 * float(np.mean(won)), len(won)) for seed, won in shared.items()}
