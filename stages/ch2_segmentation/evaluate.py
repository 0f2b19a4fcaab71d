"""The IoU of every class and its mean (Eq. 2.14, Table 2.7) from the stored label maps, and the training curves.

python -m stages.ch2_segmentation.evaluate
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from stages.ch2_segmentation import models_folder
from stages.core import metrics, stage, trainings
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv
from stages.datasets import voc2012
from stages.datasets.voc2012 import CLASSES, Example
from stages.metrics.segmentation import confusion_matrix, iou, mean_iou, pixel_accuracy

# Table 2.7's heads, in VOC's order.
HEADS = (
    *("background", "aero", "bike", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("table", "dog", "horse", "mbike", "person", "plant", "sheep", "sofa", "train", "tv"),
)
ABOUT = ("determinism", "parameters", "precision", "encoder")  # what a record says of how it was made


def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


def confusion_of(examples: list[Example], folder: Path) -> np.ndarray:
    """The table of counts over all images, int64 (21, 21). A UserError names a prediction that is missing or of another size."""
    return sum((confusion_of_image(example, folder) for example in examples), np.zeros((len(CLASSES), len(CLASSES)), np.int64))


def confusion_of_image(example: Example, folder: Path) -> np.ndarray:
    """The table of counts of one image, int64 (21, 21)."""
    file = folder / f"{example.name}.png"
    if not file.is_file():
        raise UserError(f"{file} is missing: predict again")
    truth, predicted = voc2012.read_labels(example.labels), voc2012.read_labels(file)
    if truth.shape != predicted.shape:
        raise UserError(f"{file} is of {predicted.shape} pixels and {example.labels} of {truth.shape}: predict again")
    if (predicted == voc2012.IGNORE).any():
        raise UserError(f"{file} leaves pixels without a class: predict again")
    return confusion_matrix(truth, predicted, len(CLASSES), voc2012.IGNORE)


def values_of(confusion: np.ndarray) -> dict[str, float]:
    """Every metric of a table of counts, in percent; without those of a class that is neither there nor predicted."""
    by_class = iou(confusion)
    things = by_class[1:][~np.isnan(by_class[1:])]
    mean_of_things = things.mean() if len(things) else np.nan
    values = {"mean_iou": mean_iou(confusion), "mean_iou_20": mean_of_things, "pixel_accuracy": pixel_accuracy(confusion)}
    values |= {f"iou_{head}": value for head, value in zip(HEADS, by_class, strict=True)}
    return {metric: 100 * float(value) for metric, value in values.items() if not np.isnan(value)}


def records_of(model: str, seed: int, confusion: np.ndarray, images: int, about: dict[str, Any]) -> list[metrics.Record]:
    """The metrics of one network as records."""
    return [
        metrics.Record(model=model, seed=seed, metric=metric, value=value, unit="%", better="higher", n=images, **about)
        for metric, value in values_of(confusion).items()
    ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch2_segmentation"]
    examples = voc2012.val_examples(job.dep(f"data/{scale}/sources/voc2012"))
    predictions = job.dep(f"data/{scale}/predictions/ch2_segmentation/voc2012")
    records, curves = [], []
    for model, seed, trained in trainings.available(job, models_folder(scale), settings["models"], settings["seeds"]):
        folder = predictions / f"{model}-seed{seed}"
        about = json.loads((predictions / f"{model}-seed{seed}.json").read_text())
        facts = {key: about[key] for key in ABOUT} | {"predictions": folder.as_posix(), "trained": trained.as_posix()}
        records += records_of(model, seed, confusion_of(examples, folder), len(examples), facts)
        curves += [{"model": model, "seed": str(seed), **row} for row in read_csv(trained / "curve.csv")]
    provenance = json.loads((predictions / "provenance.json").read_text())
    metrics.write(
        job.out("reports/metrics/ch2_segmentation/voc2012.json"), chapter="ch2_segmentation", experiment="voc2012", scale=scale,
        protocol=job.params["protocol"], dataset=metrics.Dataset("voc2012", provenance["kind"], provenance["note"]), records=records,
    )  # fmt: skip
    write_csv(job.out("reports/metrics/ch2_segmentation/voc2012.training.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
