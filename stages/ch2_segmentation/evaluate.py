"""The IoU of every class and its mean (Eq. 2.14, Table 2.7) from the stored label maps, and the training curves.

python -m stages.ch2_segmentation.evaluate voc2012
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from stages import datasets
from stages.core import metrics, stage, trainings
from stages.core.errors import UserError
from stages.datasets.segmented import IGNORE, Example
from stages.metrics.segmentation import confusion_matrix, iou, mean_iou, pixel_accuracy

# Table 2.7's heads, where they are not a class's own name.
HEADS = {
    "aeroplane": "aero",
    "bicycle": "bike",
    "diningtable": "table",
    "motorbike": "mbike",
    "pottedplant": "plant",
    "tvmonitor": "tv",
}
ABOUT = ("determinism", "parameters", "precision", "encoder")  # what a record says of how it was made


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def confusion_of(reader: ModuleType, examples: list[Example], folder: Path) -> np.ndarray:
    """The table of counts over all images, int64 (K, K). A UserError names a prediction that is missing or of another size."""
    none = np.zeros((len(reader.CLASSES), len(reader.CLASSES)), np.int64)
    return sum((confusion_of_image(reader, example, folder) for example in examples), none)


def confusion_of_image(reader: ModuleType, example: Example, folder: Path) -> np.ndarray:
    """The table of counts of one image, int64 (K, K). reader : the data set's module of stages/datasets."""
    file = folder / f"{example.name}.png"
    if not file.is_file():
        raise UserError(f"{file} is missing: predict again")
    truth, predicted = reader.read_labels(example.labels), reader.read_labels(file)
    if truth.shape != predicted.shape:
        raise UserError(f"{file} is of {predicted.shape} pixels and {example.labels} of {truth.shape}: predict again")
    if (predicted == IGNORE).any():
        raise UserError(f"{file} leaves pixels without a class: predict again")
    return confusion_matrix(truth, predicted, len(reader.CLASSES), IGNORE)


def values_of(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Every metric of a table of counts, in percent; without those of a class that is neither there nor predicted.

    classes : their names. Where the first is the background, there is a mean without it too, of 20 classes `mean_iou_20`.
    """
    by_class = iou(confusion)
    values = {"mean_iou": mean_iou(confusion), "pixel_accuracy": pixel_accuracy(confusion)}
    if classes[0] == "background":
        things = by_class[1:][~np.isnan(by_class[1:])]
        values[f"mean_iou_{len(classes) - 1}"] = things.mean() if len(things) else np.nan
    values |= {f"iou_{HEADS.get(name, name)}": value for name, value in zip(classes, by_class, strict=True)}
    return {metric: 100 * float(value) for metric, value in values.items() if not np.isnan(value)}


def records_of(model: str, seed: int, values: dict[str, float], images: int, about: dict[str, Any]) -> list[metrics.Record]:
    """The metrics of one network as records."""
    return [
        metrics.Record(model=model, seed=seed, metric=metric, value=value, unit="%", better="higher", n=images, **about)
        for metric, value in values.items()
    ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    reader = datasets.reader(args.dataset)
    source = job.dep(job.data(f"sources/{args.dataset}"))
    models, predictions = (job.data(f"{kind}/ch2_segmentation/{args.dataset}") for kind in ("models", "predictions"))
    names, seeds = job.param("ch2_segmentation.models"), job.param("ch2_segmentation.seeds")
    predicted = trainings.available(job, predictions, names, seeds)
    examples = reader.val_examples(source)
    records = []
    for model, seed, labels in predicted:
        about = json.loads((labels / "about.json").read_text())
        facts = {key: about[key] for key in ABOUT} | {"predictions": labels.as_posix(), "trained": f"{models}/{labels.name}"}
        values = values_of(confusion_of(reader, examples, labels), reader.CLASSES)
        records += records_of(model, seed, values, len(examples), facts)
    metrics.publish(job, "ch2_segmentation", args.dataset, metrics.dataset_of(source, args.dataset), records)
    trained = [(model, seed, job.dep(f"{models}/{labels.name}")) for model, seed, labels in predicted]
    trainings.publish_curves(job, "ch2_segmentation", args.dataset, trained)


if __name__ == "__main__":
    stage.execute(parser(), main)
