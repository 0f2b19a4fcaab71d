"""Table 7.1: the numbers of a data set as it is read, for which nothing is trained.

python -m stages.ch7_mmc.counts mscoco
"""

import argparse
import dataclasses
from collections.abc import Iterator

import numpy as np

from stages.ch7_mmc.labels import labels_of
from stages.ch7_mmc.records import GIVEN
from stages.ch7_mmc.training_settings import Labels
from stages.core import metrics, stage
from stages.datasets.captioned import Described, load_described

UNITS = {"categories": "classes", "unseen_categories": "classes", "texts_per_image": "texts"}  # others are of images


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def counts_of(described: Described) -> dict[str, float]:
    """By the metrics' names; texts of an image are their mean where images differ.

    unseen_categories: of how many no test image is, which average precision leaves out.
    """
    parts = {f"{part}_images": len(images) for part, images in described.parts.items()}
    texts = len(described.captions) / len(described.names)
    counts = {"total": len(described.names), "categories": len(described.classes), **parts, "texts_per_image": texts}
    if described.labels is None:
        return counts
    tested = described.labels[described.parts["test"]]
    return counts | {"unseen_categories": int(np.count_nonzero(~tested.any(axis=0)))}


def records(described: Described, labels: str) -> Iterator[metrics.Record]:
    """labels : where the set's come from."""
    for metric, value in counts_of(described).items():
        unit = UNITS.get(metric, "images")
        encoder = f"labels {labels}" if unit == "classes" and labels != GIVEN else None
        yield metrics.Record("set", metric, value, unit, "none", "bitwise", encoder=encoder)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    encoder, settings = job.param("ch7_mmc.encoders.images"), job.settings(Labels, f"ch7_mmc.labels.{args.dataset}")
    folder = job.dep(job.data(f"features/matching/{args.dataset}/images/{encoder}"))
    described, source = load_described(folder), GIVEN
    if described.labels is not None or settings.words:
        labelled = labels_of(described, settings, args.dataset)
        source = labelled.source
        described = dataclasses.replace(described, classes=labelled.classes, labels=labelled.labels, single=labelled.single)
    dataset = metrics.dataset_of(folder, args.dataset)
    metrics.publish(job, "ch7_mmc", f"{args.dataset}-counts", dataset, records(described, source))


if __name__ == "__main__":
    stage.execute(parser(), main)
