"""Table 2.4's errors from the stored predictions, and the curves behind Figure 2.8b.

python -m stages.ch2_imagenet.evaluate imagenet
"""

import argparse
import json
from pathlib import Path
from typing import Any

from stages.ch2_imagenet.transfer_settings import Encoder
from stages.core import arrays, metrics, stage, trainings
from stages.core.files import read_csv, write_csv
from stages.metrics.classification import top_error_percent


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def errors(classes: Path, stage: str = "") -> tuple[dict[str, float], int]:
    """Top-1 and top-5 error in percent of stored predictions, and over how many images."""
    best, labels = arrays.read_named(classes, stage, "best", "labels")
    return {f"top{k}_error": top_error_percent(best, labels, k) for k in (1, 5)}, len(labels)


def records_of(
    model: str,
    seed: int | None,
    predictions: Path,
    curve: list[dict[str, str]],
    stage: str = "",
    *,
    trained: Path | None = None,
    title: str = "",
) -> list[metrics.Record]:
    """The errors, and the mean fusion weight of each branch at the end of training where the model has such weights.

    predictions : the network's folder. trained : where a network trained here lies. title : of another, whose weights are
    published.
    """
    classes = predictions / "classes.npz"
    percent, n = errors(classes, stage)
    about = json.loads((predictions / "about.json").read_text())
    facts: dict[str, Any] = {key: about[key] for key in ("determinism", "parameters", "precision")}
    facts |= {
        "predictions": classes.as_posix(), "trained": trained.as_posix() if trained else None,
        "encoder": f"{title}, {about['weights']} weights" if title else None,
    }  # fmt: skip
    records = [
        metrics.Record(model=model, seed=seed, metric=metric, value=value, unit="%", better="lower", n=n, **facts)
        for metric, value in percent.items()
    ]
    weights = [key for key in (curve[-1] if curve else {}) if key.startswith("fusion_weight_") and not key.endswith("_sd")]
    return records + [
        metrics.Record(model=model, seed=seed, metric=key, value=float(curve[-1][key]), unit="weight", better="none", **facts)
        for key in weights
    ]


def skipped(part: str, images: int, of: int) -> list[metrics.Record]:
    """How many images of a part could not be decoded, and what share of all. They count in no error."""
    values = {f"skipped_{part}": (images, "images"), f"skipped_{part}_share": (100 * images / of, "%")}
    return [
        metrics.Record(model="dataset", metric=metric, value=float(value), unit=unit, better="lower", determinism="bitwise", n=of)
        for metric, (value, unit) in values.items()
    ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    predictions, networks = (job.data(f"{what}/ch2_imagenet/{args.dataset}") for what in ("predictions", "models"))
    facts = job.dep(job.data(f"packed/{args.dataset}_facts"))
    records, curves = [], []
    models, seeds = job.param("ch2_imagenet.models"), job.param("ch2_imagenet.seeds")
    for model, seed, folder in trainings.available(job, predictions, models, seeds):
        trained = job.dep(f"{networks}/{folder.name}")
        curve = read_csv(trained / "curve.csv")
        records += records_of(model, seed, folder, curve, job.name, trained=trained)
        curves += [{"model": model, "seed": str(seed), **row} for row in curve]
    encoder = job.settings(Encoder, "ch2_imagenet.encoder")
    published = job.dep(f"{predictions}/{encoder.name}")
    records += records_of(encoder.name, None, published, [], job.name, title=encoder.title)
    counts = json.loads((facts / "about.json").read_text())
    for part in ("train", "val"):
        records += skipped(part, counts[f"skipped_{part}"], counts[part] + counts[f"skipped_{part}"])
    metrics.publish(job, "ch2_imagenet", args.dataset, metrics.dataset_of(facts, args.dataset), records)
    write_csv(job.out(f"reports/metrics/ch2_imagenet/{args.dataset}.training.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
