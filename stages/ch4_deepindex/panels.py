"""Figure 4.1, a picture's pyramid of patches; Figure 4.7, what 1-D and 2-D DeepIndex find for a query each of Holidays and UKB.

    python -m stages.ch4_deepindex.panels

Of each data set the query is shown that gains most average precision from the second dimension, as the thesis's examples gain.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.ch4_deepindex.patches import open_picture, pyramid
from stages.ch4_deepindex.rankings import load_models
from stages.ch4_deepindex.sets import load_set, name_of
from stages.ch4_deepindex.variants import VARIANTS
from stages.core import figures, stage
from stages.core.files import write_csv
from stages.datasets import reader
from stages.datasets.retrieval import RetrievalSet
from stages.metrics.ranking import average_precision, without

SHOWN = ("holidays", "ukb")
RIGHT, WRONG = "#1a8a3a", "#c03030"


@dataclass(frozen=True)
class Row:
    """A query and the first images found for it, each with whether it is right."""

    dataset: str
    method: str
    query: str
    precision: float
    found: list[tuple[str, bool]]


def draw_pyramid(picture: NDArray[np.uint8]) -> Figure:
    """Figure 4.1: the patches P_1 to P_14 of a picture (H, W, 3), level by level."""
    height, width = picture.shape[:2]
    boxes = pyramid(width, height)
    figure = Figure(figsize=(6, 2.1), layout="constrained")
    first = 0
    panels: Any = figure.subfigures(1, 3)
    for panel, side in zip(panels, (1, 2, 3), strict=True):
        axes = np.atleast_1d(panel.subplots(side, side)).ravel()
        for number, place in enumerate(axes, first):
            left, top, right, bottom = boxes[number]
            place.imshow(picture[top:bottom, left:right])
            place.set_title(f"$P_{{{number + 1}}}$", fontsize=7)
            place.set_axis_off()
        panel.suptitle(f"Level {side}", fontsize=8)
        first += side * side
    return figure


def results(dataset: str, folder: Path, own: dict[str, Any], seed: int, top: int) -> list[Row]:
    """The rows of one data set: its most gaining query by the 1-D method of the best variant's second layer, and by the best variant."""
    about = load_set(folder)
    best = own["best"]
    single = next(name for name, places in VARIANTS.items() if places == VARIANTS[best][-1:])
    rankings = {
        model.model: found
        for model, found in load_models(folder)
        if (model.assignments, model.seed) == (own["best_assignments"], seed) and model.model in (single, best)
    }
    kept = {
        name: [without(ranking, query["ignored"]) for ranking, query in zip(found, about["queries"], strict=True)]
        for name, found in rankings.items()
    }
    scores = {
        name: np.array([average_precision(r, q["relevant"]) for r, q in zip(found, about["queries"], strict=True)])
        for name, found in kept.items()
    }
    chosen = int(np.argmax(scores[best] - scores[single]))
    query = about["queries"][chosen]
    return [
        Row(
            dataset, name, about["images"][query["image"]], round(float(scores[name][chosen]), 6),
            [(about["images"][image], int(image) in query["relevant"]) for image in kept[name][chosen][:top]],
        )
        for name in (single, best)
    ]  # fmt: skip


def draw_results(rows: list[Row], pictures: dict[str, dict[str, Path]], top: int) -> Figure:
    figure = Figure(figsize=(1.1 * (top + 1), 1.1 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), top + 1, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        files = pictures[row.dataset]
        _show(line[0], files[row.query], f"{row.dataset}: query\n{row.method}, AP {row.precision:.2f}", None)
        for place, (name, right) in zip(line[1:], row.found, strict=False):
            _show(place, files[name], name, RIGHT if right else WRONG)
        for place in line[1 + len(row.found) :]:
            place.set_axis_off()
    return figure


def _show(axes: Axes, file: Path, title: str, color: str | None) -> None:
    axes.imshow(np.asarray(open_picture(file)))
    axes.set_title(title, fontsize=4)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=color is not None, color=color, linewidth=2)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch4_deepindex"]
    pictures, rows = {}, []
    for dataset in SHOWN:
        found: RetrievalSet = reader(dataset).read(job.dep(f"data/{scale}/sources/{dataset}"))
        pictures[dataset] = {name_of(image): image for image in found.images}
        folder = Path(job.dep(f"data/{scale}/predictions/ch4_deepindex/{dataset}"))
        rows += results(dataset, folder, settings["per_set"][dataset], settings["seeds"][0], settings["figures"]["top"])
    first = next(iter(pictures[SHOWN[0]].values()))
    picture = np.asarray(open_picture(first))
    boxes = [dict(zip(("left", "top", "right", "bottom"), box, strict=True)) for box in pyramid(picture.shape[1], picture.shape[0])]
    write_csv(job.out("reports/figures/ch4_deepindex/figure_4_1.csv"), [{"patch": n, **box} for n, box in enumerate(boxes, 1)])
    write_csv(
        job.out("reports/figures/ch4_deepindex/figure_4_7.csv"),
        [
            {
                "dataset": row.dataset,
                "query": row.query,
                "method": row.method,
                "ap": row.precision,
                "place": n,
                "image": name,
                "right": right,
            }
            for row in rows
            for n, (name, right) in enumerate(row.found, 1)
        ],
    )
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw_pyramid(picture), Path(job.out("reports/figures/ch4_deepindex/figure_4_1.png")), job.params["protocol"])
        drawn = draw_results(rows, pictures, settings["figures"]["top"])
        figures.save(drawn, Path(job.out("reports/figures/ch4_deepindex/figure_4_7.png")), job.params["protocol"])


if __name__ == "__main__":
    stage.execute(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter), main)
