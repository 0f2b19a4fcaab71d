"""Accuracy, mAP or N-S of the stored predictions (Table 2.6), and what Table 2.5 counts of the data set.

python -m stages.ch2_imagenet.transfer_evaluate scene15
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, metrics, stage
from stages.datasets.described import load_set
from stages.metrics.ranking import average_precision, mean_over, ns_score

Value = tuple[float, str, str]  # with its unit and whether it is better lower or higher


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def accuracy(predicted: NDArray, labels: NDArray) -> float:
    """Share of images whose class is right, in percent."""
    return 100 * float(np.mean(predicted == labels))


def class_accuracy(predicted: NDArray, labels: NDArray) -> float:
    """Mean over classes of the share of a class's images that are right, in percent."""
    return float(np.mean([accuracy(predicted[labels == label], label) for label in np.unique(labels)]))


def of_classification(predicted: NDArray[np.int16], about: dict[str, Any]) -> dict[str, Value]:
    labels = np.array(about["labels"])[about["test"]]
    return {
        "accuracy": (accuracy(predicted, labels), "%", "higher"),
        "class_accuracy": (class_accuracy(predicted, labels), "%", "higher"),
    }


def of_retrieval(rankings: NDArray[np.int32], queries: list[dict[str, Any]], by_four: bool) -> dict[str, Value]:
    """mAP in percent, or where it is wanted the N-S score, over all queries."""
    if by_four:
        return {"ns": (mean_over(ns_score, rankings, queries), "N-S", "higher")}
    return {"map": (100 * mean_over(average_precision, rankings, queries), "%", "higher")}


def scores_of(predicted: NDArray, about: dict[str, Any]) -> dict[str, Value]:
    """The scores of one network on the set that set.json is `about`."""
    if "classes" in about:
        return of_classification(predicted, about)
    return of_retrieval(predicted, about["queries"], about["by_four"])


def records_of(model: dict[str, Any], scores: dict[str, Value], n: int, predictions: Path) -> list[metrics.Record]:
    """The scores of one network, of how many components they are, and its SVM's cost."""
    values = scores | {"dimensions": (model["dimensions"], "components", "none")}
    if "svm" in model:
        values["svm_cost"] = (model["svm"]["cost"], "C", "none")
    encoder = f"{model['model']} {model['layer']}" + (f", {model['weights']} weights" if "weights" in model else "")
    return [
        metrics.Record(
            model=model["model"], seed=model["seed"], metric=metric, value=value, unit=unit, better=better,
            n=n if metric in scores else None, encoder=encoder, predictions=predictions.as_posix(),
            trained=model.get("trained"), **{key: model[key] for key in ("determinism", "parameters", "precision")},
        )
        for metric, (value, unit, better) in values.items()
    ]  # fmt: skip


def counted(counts: dict[str, int]) -> list[metrics.Record]:
    """A column of Table 2.5."""
    units = {"categories": "categories", "train_images": "images", "test_images": "images"}
    return [
        metrics.Record(model="dataset", metric=key, value=count, unit=units[key], better="none", determinism="bitwise")
        for key, count in counts.items()
    ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    folder = job.dep(job.data(f"predictions/ch2_imagenet/{args.dataset}"))
    about = load_set(folder)
    records = counted(about["counts"])
    for model in json.loads((folder / "about.json").read_text())["models"]:
        file = folder / f"{model['file']}.npy"
        predicted = arrays.read(file, job.name)
        records += records_of(model, scores_of(predicted, about), len(predicted), file)
    metrics.publish(job, "ch2_imagenet", args.dataset, metrics.dataset_of(folder, args.dataset), records)


if __name__ == "__main__":
    stage.execute(parser(), main)
