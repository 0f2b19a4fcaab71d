"""Figure 2.14: an image, its ground truth, and what FCN-8s and FCFN say of it, where FCFN gains most.

    python -m stages.ch2_segmentation.panels

Beside it stands a table of every image's mean IoU, over the classes that are in it or predicted, of the first seed's networks.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from stages.ch2_segmentation import MODELS
from stages.ch2_segmentation.evaluate import confusion_of_image
from stages.core import figures, stage
from stages.core.errors import UserError
from stages.core.files import write_csv
from stages.datasets import voc2012
from stages.datasets.voc2012 import Example
from stages.metrics.segmentation import mean_iou

TITLES = {"fcn-8s": "FCN-8s", "fcfn": "FCFN"}
Row = tuple[Example, dict[str, float]]


def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


def scores(examples: list[Example], folders: dict[str, Path]) -> list[Row]:
    """Every image with its mean IoU by model, in percent, the largest gain of FCFN first, equal ones by name.

    Without images that have no labelled pixel.
    """
    found = [(each, {model: 100 * mean_iou(confusion_of_image(each, folder)) for model, folder in folders.items()}) for each in examples]
    judged = [(example, by_model) for example, by_model in found if not np.isnan(list(by_model.values())).any()]
    return sorted(judged, key=lambda row: (row[1]["fcn-8s"] - row[1]["fcfn"], row[0].name))


def panels_of(row: Row, folders: dict[str, Path]) -> list[tuple[str, np.ndarray]]:
    """An image, its ground truth and predictions in VOC's colours, uint8 (H, W, 3), by title."""
    example, by_model = row
    image, truth = voc2012.read_pair(example)
    predicted = {model: voc2012.read_labels(folder / f"{example.name}.png") for model, folder in folders.items()}
    colours = voc2012.palette()
    return [
        (f"image {example.name}", image),
        ("ground truth", colours[truth]),
        *((f"{TITLES[model]}, mean IoU {by_model[model]:.1f}", colours[labels]) for model, labels in predicted.items()),
    ]


def grid(rows: list[list[tuple[str, np.ndarray]]]) -> Figure:
    """A figure of pictures uint8 (H, W, 3) with their titles, a row each."""
    heights = [panels[0][1].shape[0] / panels[0][1].shape[1] for panels in rows]
    figure = Figure(figsize=(1.9 * len(rows[0]), sum(1.9 * height + 0.25 for height in heights) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False, height_ratios=heights)
    for line, panels in zip(axes, rows, strict=True):
        for place, (title, picture) in zip(line, panels, strict=True):
            place.set_axis_off()
            place.imshow(picture, interpolation="nearest")
            place.set_title(title, fontsize=6)
    return figure


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch2_segmentation"]
    if missing := [model for model in MODELS if model not in settings["models"]]:
        raise UserError(f"Figure 2.14 shows {' and '.join(MODELS)}: add {missing[0]} to ch2_segmentation.models")
    examples = voc2012.val_examples(job.dep(f"data/{scale}/sources/voc2012"))
    stored = job.dep(f"data/{scale}/predictions/ch2_segmentation/voc2012")
    both = [seed for seed in settings["seeds"] if all((stored / f"{model}-seed{seed}").exists() for model in MODELS)]
    if not both:
        raise UserError(f"Figure 2.14 shows {' and '.join(MODELS)} of one seed, and no seed has both: train them")
    folders = {model: stored / f"{model}-seed{both[0]}" for model in MODELS}
    rows, shown = scores(examples, folders), settings["figures"]["shown"]
    if not rows or shown < 1:
        raise UserError(f"Figure 2.14 needs an image to show: ch2_segmentation.figures.shown is {shown}, labelled images are {len(rows)}")
    table = [
        {"image": example.name, **{model: f"{value:.4f}" for model, value in by_model.items()}, "shown": int(place < shown)}
        for place, (example, by_model) in enumerate(rows)
    ]
    write_csv(job.out("reports/figures/ch2_segmentation/figure_2_14.csv"), table)
    with matplotlib.rc_context(figures.STYLE):
        figure = grid([panels_of(row, folders) for row in rows[:shown]])
        figures.save(figure, Path(job.out("reports/figures/ch2_segmentation/figure_2_14.png")), job.params["protocol"])


if __name__ == "__main__":
    stage.execute(parser(), main)
