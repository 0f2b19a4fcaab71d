"""Figure 2.14: an image, its ground truth, and what two networks say of it, where the second gains most.

    python -m stages.ch2_segmentation.panels voc2012

Beside it stands a table of every image's mean IoU, over the classes that are in it or predicted, of the first seed's networks.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import matplotlib
import numpy as np

from stages import datasets
from stages.ch2_segmentation.evaluate import confusion_of_image
from stages.ch2_segmentation.settings import Figures
from stages.core import figures, stage
from stages.core.errors import UserError
from stages.core.files import write_csv
from stages.datasets.segmented import Example
from stages.metrics.segmentation import mean_iou

Row = tuple[Example, dict[str, float]]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def scores(reader: ModuleType, examples: list[Example], folders: dict[str, Path]) -> list[Row]:
    """Every image with its mean IoU by model, in percent, the largest gain of the second first, equal ones by name.

    Without images that have no labelled pixel. folders : of the two models' label maps.
    """
    first, second = folders
    rows = [
        (example, {model: 100 * mean_iou(confusion_of_image(reader, example, folder)) for model, folder in folders.items()})
        for example in examples
    ]
    judged = [(example, by_model) for example, by_model in rows if not np.isnan(list(by_model.values())).any()]
    return sorted(judged, key=lambda row: (row[1][first] - row[1][second], row[0].name))


def panels_of(reader: ModuleType, row: Row, folders: dict[str, Path], titles: Mapping[str, str]) -> list[tuple[str, np.ndarray]]:
    """An image, its ground truth and predictions in VOC's colours, uint8 (H, W, 3), by title."""
    example, by_model = row
    image, truth = reader.read_pair(example)
    predicted = {model: reader.read_labels(folder / f"{example.name}.png") for model, folder in folders.items()}
    colours = reader.palette()
    return [
        (f"image {example.name}", image),
        ("ground truth", colours[truth]),
        *((f"{titles.get(model, model)}, mean IoU {by_model[model]:.1f}", colours[labels]) for model, labels in predicted.items()),
    ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    reader, settings = datasets.reader(args.dataset), job.settings(Figures, "ch2_segmentation.figures")
    examples = reader.val_examples(job.dep(job.data(f"sources/{args.dataset}")))
    stored = job.dep(job.data(f"predictions/ch2_segmentation/{args.dataset}"))
    seeds = job.param("ch2_segmentation.seeds")
    by_seed = [{model: stored / f"{model}-seed{seed}" for model in settings.compared} for seed in seeds]
    folders = next((folders for folders in by_seed if all(folder.exists() for folder in folders.values())), None)
    if folders is None:
        raise UserError(f"Figure 2.14 shows {' and '.join(settings.compared)} of one seed, and no seed has both: train them")
    rows, shown = scores(reader, examples, folders), settings.images
    if not rows:
        raise UserError(f"Figure 2.14 needs an image to show, and none of {args.dataset} that is judged has a label")
    table = [
        {"image": example.name, **{model: f"{value:.4f}" for model, value in by_model.items()}, "shown": int(rank < shown)}
        for rank, (example, by_model) in enumerate(rows)
    ]
    write_csv(job.out("reports/figures/ch2_segmentation/figure_2_14.csv"), table)
    with matplotlib.rc_context(figures.STYLE):
        figure = figures.grid([panels_of(reader, row, folders, settings.titles) for row in rows[:shown]])
        figures.save(figure, Path(job.out("reports/figures/ch2_segmentation/figure_2_14.png")), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
