"""Table 2.4's errors from the stored predictions, and the curves behind Figure 2.8b.

python -m stages.ch2_imagenet.evaluate imagenet
"""

import argparse
import json
from pathlib import Path
from typing import Any

from stages.ch2_imagenet.variants import ALEXNET, file_name, trained_models
from stages.core import arrays, metrics, stage
from stages.core.files import read_csv, write_csv
from stages.metrics.classification import top_error_percent


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["imagenet"])
    return parser


def errors(predictions: Path, stage: str = "") -> tuple[dict[str, float], int]:
    """Top-1 and top-5 error in percent, and over how many images."""
    best, labels = arrays.read_named(predictions, stage, "best", "labels")
    return {f"top{k}_error": top_error_percent(best, labels, k) for k in (1, 5)}, len(labels)


def records_of(
    model: str,
    seed: int | None,
    trained: Path | None,
    predictions: Path,
    curve: list[dict[str, str]],
    about: dict[str, Any],
    stage: str = "",
) -> list[metrics.Record]:
    """The errors, and the mean fusion weight of each branch at the end of training where the model has such weights."""
    found, n = errors(predictions, stage)
    facts = {
        "determinism": about["determinism"], "parameters": about["parameters"], "precision": about["precision"],
        "predictions": predictions.as_posix(), "encoder": f"AlexNet, {about['weights']} weights" if seed is None else None,
        "trained": trained.as_posix() if trained else None,
    }  # fmt: skip
    records = [
        metrics.Record(model=model, seed=seed, metric=metric, value=value, unit="%", better="lower", n=n, **facts)
        for metric, value in found.items()
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
    scale = job.params["scale"]
    predictions = job.dep(f"data/{scale}/predictions/ch2_imagenet/imagenet")
    stored = json.loads((predictions / "about.json").read_text())
    records, curves = [], []
    for model, seed, folder in trained_models(job, job.params["ch2_imagenet"]["models"]):
        name, curve = file_name(model, seed), read_csv(folder / "curve.csv")
        records += records_of(model, seed, folder, predictions / f"{name}.npz", curve, stored["models"][name], job.name)
        curves += [{"model": model, "seed": str(seed), **row} for row in curve]
    records += records_of(ALEXNET, None, None, predictions / f"{ALEXNET}.npz", [], stored["models"][ALEXNET], job.name)
    for part in ("train", "val"):
        records += skipped(part, stored[f"skipped_{part}"], stored[part] + stored[f"skipped_{part}"])
    provenance = json.loads((predictions / "provenance.json").read_text())
    metrics.write(
        job.out("reports/metrics/ch2_imagenet/imagenet.json"), chapter="ch2_imagenet", experiment="imagenet", scale=scale,
        protocol=job.params["protocol"], dataset=metrics.Dataset("imagenet", provenance["kind"], provenance["note"]), records=records,
    )  # fmt: skip
    write_csv(job.out("reports/metrics/ch2_imagenet/imagenet.training.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
