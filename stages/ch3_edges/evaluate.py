"""ODS, OIS and AP of stored edge maps by the boundary benchmark, and the curves of Figure 3.8.

    python -m stages.ch3_edges.evaluate bsds500

`bsds500` and `nyud_v2` are the trained networks on these test sets, `detectors` are Canny, Structured Edges and gPb on BSDS500.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import metrics, stage, trainings
from stages.core.files import write_csv
from stages.datasets import reader
from stages.metrics.boundary import MAX_DIST, evaluate_files, even_thresholds, summarize

DETECTORS = ("canny", "se", "gpb-owt-ucm")


@dataclass(frozen=True)
class Experiment:
    """A metrics file: what was detected where, and the suffix of its metrics at each tolerance."""

    dataset: str
    part: str
    tolerances: dict[str, float]


EXPERIMENTS = {
    "bsds500": Experiment("bsds500", "networks", {"": MAX_DIST}),
    "nyud_v2": Experiment("nyud_v2", "networks", {"": MAX_DIST, "_011": 0.011}),
    "detectors": Experiment("bsds500", "detectors", {"": MAX_DIST}),
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    return parser


def detected(experiment: str, folder: Path, job: stage.Job) -> Iterator[tuple[str, int | None, Path, dict[str, Any]]]:
    """Every set of maps: whose it is, the seed, its folder, and what a record says of how it was made."""
    if experiment == "detectors":
        # A forest's training draws at random, from a seed that is not among those of the networks.
        about = {"se": json.loads((folder / "se.json").read_text())}
        yield from ((name, None, folder / name, {"determinism": "bitwise", **about.get(name, {})}) for name in DETECTORS)
        return
    settings = job.params["ch3_edges"]
    for name, seed, maps in trainings.available(job, folder.as_posix(), settings["tested"][experiment], settings["seeds"]):
        about = json.loads(maps.with_suffix(".json").read_text())
        yield name, seed, maps, {key: about[key] for key in ("determinism", "parameters", "precision", "encoder", "trained")}


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
    scale, experiment = job.params["scale"], EXPERIMENTS[args.experiment]
    examples = reader(experiment.dataset).list_split(job.dep(f"data/{scale}/sources/{experiment.dataset}"), "test")
    predictions = job.dep(f"data/{scale}/predictions/ch3_edges/{experiment.dataset}/{experiment.part}")
    thresholds = even_thresholds(job.params["ch3_edges"]["thresholds"])
    records, curves = [], []
    for model, seed, folder, about in detected(args.experiment, predictions, job):
        pairs = {example.name: (folder / f"{example.name}.png", example.ground_truth) for example in examples}
        for suffix, tolerance in experiment.tolerances.items():
            counts = evaluate_files(pairs, thresholds, tolerance, jobs=job.params["inference"]["threads"])
            scores = summarize(thresholds, counts)
            records += records_of(model, seed, suffix, scores, {**about, "predictions": folder.as_posix()})
            curves += [{"model": model, "seed": seed, "max_dist": tolerance, **point} for point in scores["curve"]]
    provenance = json.loads((predictions / "provenance.json").read_text())
    # No schedule of a detector is ever shortened; of generated data everything is a miniature.
    protocol = "full" if args.experiment == "detectors" and job.params["protocol"] == "shortened" else job.params["protocol"]
    metrics.write(
        job.out(f"reports/metrics/ch3_edges/{args.experiment}.json"), chapter="ch3_edges", experiment=args.experiment, scale=scale,
        protocol=protocol, dataset=metrics.Dataset(experiment.dataset, provenance["kind"], provenance["note"]), records=records,
    )  # fmt: skip
    write_csv(job.out(f"reports/metrics/ch3_edges/{args.experiment}.pr.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
