"""Figure 2.13, pictures of the data sets that networks trained on one are transferred to, with the list of them.

python -m stages.ch2_imagenet.examples imagenet
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from stages.ch2_imagenet.transfer_sets import TransferSet, read
from stages.ch2_imagenet.transfer_settings import Division
from stages.core import figures, stage
from stages.core.files import write_csv
from stages.datasets.described import name_of
from stages.datasets.pictures import open_picture
from stages.datasets.retrieval import RetrievalSet

SIDE = 256  # pixels, at most, of what is drawn


@dataclass(frozen=True)
class Example:
    """A picture and its class; a retrieval set's has none."""

    image: Path
    category: str


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def evenly(count: int, wanted: int) -> list[int]:
    """`wanted` of the numbers below `count`, first and last among them; all where there are no more."""
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(int).tolist()


def examples_of(dataset: TransferSet, wanted: int) -> list[Example]:
    """The first training image each of some classes, or the pictures of some queries, that lie evenly among all."""
    if isinstance(dataset, RetrievalSet):
        chosen = [dataset.queries[row].image for row in evenly(len(dataset.queries), wanted)]
        return [Example(dataset.images[image], "") for image in chosen]
    firsts = [dataset.train.images[dataset.train.labels.index(label)] for label in range(len(dataset.classes))]
    return [Example(firsts[label], dataset.classes[label]) for label in evenly(len(firsts), wanted)]


def draw(shown: dict[str, list[Example]], titles: dict[str, str]) -> Figure:
    """A row of pictures for each data set, below its title."""
    columns = max(map(len, shown.values()))
    figure = Figure(figsize=(max(6.2, 1.3 * columns), 1.1 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), columns, squeeze=False)
    for line, (dataset, examples) in zip(grid, shown.items(), strict=True):
        line[0].set_title(titles[dataset], loc="left", fontsize=8)
        for axes, example in zip(line, examples, strict=False):
            picture = open_picture(example.image)
            picture.thumbnail((SIDE, SIDE))
            axes.imshow(np.asarray(picture))
        for axes in line:
            axes.set_axis_off()
    return figure


def main(args: argparse.Namespace, job: stage.Job) -> None:
    division = job.settings(Division, "ch2_imagenet.transfer.division")
    titles, wanted = (job.param(f"ch2_imagenet.figures.{key}") for key in ("examples", "shown"))
    names = [name for name in job.param("ch2_imagenet.sets.transfer") if name in titles]
    shown = {name: examples_of(read(name, job.dep(job.data(f"sources/{name}")), division), wanted) for name in names}
    rows = [
        {"dataset": dataset, "place": place, "image": name_of(example.image), "category": example.category}
        for dataset, examples in shown.items()
        for place, example in enumerate(examples, 1)
    ]
    write_csv(job.out("reports/figures/ch2_imagenet/figure_2_13.csv"), rows)
    drawn = Path(job.out("reports/figures/ch2_imagenet/figure_2_13.png"))
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw(shown, titles), drawn, job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
