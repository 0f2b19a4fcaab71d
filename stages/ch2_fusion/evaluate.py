"""Metrics of Section 2.4.1 from the stored predictions, and the curves behind Figures 2.7 and 2.8a.

python -m stages.ch2_fusion.evaluate cifar10
"""

import argparse
import json
from pathlib import Path

import numpy as np

from stages.core import arrays, metrics, stage, trainings
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv
from stages.metrics.classification import error_percent


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["cifar10", "cifar10_augmented", "cifar100"])
    return parser


def records_of(
    model: str, seed: int, folder: Path, predictions: Path, curve: list[dict[str, str]], about: dict, stage: str = ""
) -> list[metrics.Record]:
    """The test error, and the mean fusion weight of each branch at the end of training where the model has such weights."""
    scores, labels = arrays.read_named(predictions, stage, "scores", "labels")
    if not np.isfinite(scores).all():
        raise UserError(f"{predictions} holds scores that are not finite: the training of {model}, seed {seed}, failed in its last steps")
    values: list[tuple[str, float, str, str, int | None]] = [("error", error_percent(scores, labels), "%", "lower", len(labels))]
    weights = [key for key in curve[-1] if key.startswith("fusion_weight_") and not key.endswith("_sd")]
    values += [(key, float(curve[-1][key]), "weight", "none", None) for key in weights]
    return [
        metrics.Record(
            model=model, seed=seed, metric=metric, value=value, unit=unit, better=better, n=n, encoder=None,
            determinism=about["determinism"], parameters=about["parameters"], precision=about["precision"],
            predictions=predictions.as_posix(), trained=folder.as_posix(),
        )
        for metric, value, unit, better, n in values
    ]  # fmt: skip


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch2_fusion"]
    predictions = job.dep(f"data/{scale}/predictions/ch2_fusion/{args.dataset}")
    records, curves = [], []
    models = f"data/{scale}/models/ch2_fusion/{args.dataset}"
    for model, seed, folder in trainings.available(job, models, settings["models"][args.dataset], settings["seeds"]):
        curve = read_csv(folder / "curve.csv")
        about = json.loads((predictions / f"{model}-seed{seed}.json").read_text())
        records += records_of(model, seed, folder, predictions / f"{model}-seed{seed}.npz", curve, about, job.name)
        curves += [{"model": model, "seed": str(seed), **row} for row in curve]
    provenance = json.loads((predictions / "provenance.json").read_text())
    metrics.write(
        job.out(f"reports/metrics/ch2_fusion/{args.dataset}.json"), chapter="ch2_fusion", experiment=args.dataset, scale=scale,
        protocol=job.params["protocol"], dataset=metrics.Dataset(args.dataset, provenance["kind"], provenance["note"]), records=records,
    )  # fmt: skip
    write_csv(job.out(f"reports/metrics/ch2_fusion/{args.dataset}.training.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
