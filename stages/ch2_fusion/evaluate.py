"""Metrics of Section 2.4.1 from the stored predictions, and the curves behind Figures 2.7 and 2.8a.

python -m stages.ch2_fusion.evaluate cifar10
"""

import argparse
import json
from pathlib import Path

import numpy as np

from stages.ch2_fusion.experiments import role_of
from stages.core import arrays, metrics, stage, trainings
from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.metrics.classification import error_percent


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "experiment")


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
    predictions = job.dep(job.data(f"predictions/ch2_fusion/{args.experiment}"))
    names, seeds = job.param(f"ch2_fusion.models.{role_of(args.experiment)}"), job.param("ch2_fusion.seeds")
    networks = trainings.available(job, job.data(f"models/ch2_fusion/{args.experiment}"), names, seeds)
    records = []
    for model, seed, folder in networks:
        about = json.loads((predictions / f"{model}-seed{seed}.json").read_text())
        stored, curve = predictions / f"{model}-seed{seed}.npz", read_csv(folder / "curve.csv")
        records += records_of(model, seed, folder, stored, curve, about, job.name)
    metrics.publish(job, "ch2_fusion", args.experiment, metrics.dataset_of(predictions, args.experiment), records)
    trainings.publish_curves(job, "ch2_fusion", args.experiment, networks)


if __name__ == "__main__":
    stage.execute(parser(), main)
