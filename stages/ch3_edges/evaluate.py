"""ODS, OIS and AP of stored edge maps by the boundary benchmark, and the curves of Figure 3.8.

    python -m stages.ch3_edges.evaluate bsds500 networks
    python -m stages.ch3_edges.evaluate bsds500 detectors

`networks` are the trained ones on a test set, `detectors` are Canny, Structured Edges and gPb.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.ch3_edges.networks import tested_here
from stages.core import metrics, stage, trainings
from stages.core.files import write_csv
from stages.datasets import reader
from stages.metrics.boundary import MAX_DIST, evaluate_files, even_thresholds, summarize

DETECTORS = ("canny", "se", "gpb-owt-ucm")
ABOUT = ("determinism", "parameters", "precision", "encoder", "trained")  # what a record says of a network
Maps = Iterator[tuple[str, int | None, Path, dict[str, Any]]]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "part")


def detectors(folder: Path) -> Maps:
    """Each detector's maps: whose they are, no seed, their folder, and what a record says of how they were made."""
    # A forest's training draws at random, from a seed that is not among those of the networks.
    about = {"se": json.loads((folder / "se.json").read_text())}
    yield from ((name, None, folder / name, {"determinism": "bitwise", **about.get(name, {})}) for name in DETECTORS)


def networks(dataset: str, folder: Path, job: stage.Job) -> Maps:
    """Each network's maps on the test set `dataset`, likewise, with its seed."""
    names = [name for _, name in tested_here(job, dataset)]
    for name, seed, maps in trainings.available(job, folder.as_posix(), names, job.param("ch3_edges.seeds")):
        about = json.loads(maps.with_suffix(".json").read_text())
        yield name, seed, maps, {key: about[key] for key in ABOUT}


def tolerances_of(dataset: str, further: dict[str, list[float]]) -> dict[str, float]:
    """Tolerances, as shares of the diagonal, by the suffix of their metrics: none for the benchmark's, _011 for .011."""
    return {"": MAX_DIST} | {f"_{str(value).partition('.')[2]}": value for value in further.get(dataset, [])}


def records_of(model: str, seed: int | None, suffix: str, scores: dict[str, Any], about: dict[str, Any]) -> list[metrics.Record]:
    """The scores of one set of maps as records."""
    values = {
        "ods": (scores["ods"]["f"], "F", "higher"),
        "ois": (scores["ois"]["f"], "F", "higher"),
        "ap": (scores["ap"], "precision", "higher"),
        "r50": (scores["r50"], "recall", "higher"),
        "ods_threshold": (scores["ods"]["threshold"], "probability", "none"),
    }
    return [
        metrics.Record(model=model, seed=seed, metric=name + suffix, value=value, unit=unit, better=better, n=scores["images"], **about)
        for name, (value, unit, better) in values.items()
    ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    examples = reader(args.dataset).list_split(job.dep(job.data(f"sources/{args.dataset}")), "test")
    predictions = job.dep(job.data(f"predictions/ch3_edges/{args.dataset}/{args.part}"))
    thresholds = even_thresholds(job.param("ch3_edges.thresholds"))
    if args.part == "detectors":
        # No schedule of a detector is ever shortened; of generated data everything is a miniature.
        protocol = "full" if job.param("protocol") == "shortened" else job.param("protocol")
        experiment, maps, tolerances = "detectors", detectors(predictions), {"": MAX_DIST}
    else:
        experiment, maps, protocol = args.dataset, networks(args.dataset, predictions, job), job.param("protocol")
        tolerances = tolerances_of(args.dataset, job.param("ch3_edges.tolerances"))
    records, curves = [], []
    for model, seed, folder, about in maps:
        pairs = {example.name: (folder / f"{example.name}.png", example.ground_truth) for example in examples}
        for suffix, tolerance in tolerances.items():
            counts = evaluate_files(pairs, thresholds, tolerance, jobs=job.param("inference.threads"))
            scores = summarize(thresholds, counts)
            records += records_of(model, seed, suffix, scores, {**about, "predictions": folder.as_posix()})
            curves += [{"model": model, "seed": seed, "max_dist": tolerance, **point} for point in scores["curve"]]
    metrics.publish(job, "ch3_edges", experiment, metrics.dataset_of(predictions, args.dataset), records, protocol)
    write_csv(job.out(f"reports/metrics/ch3_edges/{experiment}.pr.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
