"""Figure 2.13, pictures of the data sets that networks trained on one are transferred to, with the list of them.

python -m stages.ch2_imagenet.examples imagenet
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from stages.ch2_imagenet.transfer_sets import Found, Split, name_of, read
from stages.core import figures, stage
from stages.core.files import write_csv
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


def examples_of(found: Found, wanted: int) -> list[Example]:
    """The first training image each of some classes, or the pictures of some queries, that lie evenly among all."""
    if isinstance(found, RetrievalSet):
        return [Example(found.images[found.queries[row].image], "") for row in evenly(len(found.queries), wanted)]
    firsts = [found.train.images[found.train.labels.index(label)] for label in range(len(found.classes))]
    return [Example(firsts[label], found.classes[label]) for label in evenly(len(firsts), wanted)]


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
    split = Split(*(job.param(f"ch2_imagenet.transfer.scene15_{key}") for key in ("train", "seed")))
    titles, wanted = (job.param(f"ch2_imagenet.figures.{key}") for key in ("examples", "shown"))
    shown = {name: examples_of(read(name, job.dep(job.data(f"sources/{name}")), split), wanted) for name in titles}
    rows = [
        {"dataset": dataset, "place": place, "image": name_of(example.image), "category": example.category}
        for dataset, examples in shown.items()
        for place, example in enumerate(examples, 1)
    ]
    write_csv(job.out("reports/figures/ch2_imagenet/figure_2_13.csv"), rows)
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw(shown, titles), Path(job.out("reports/figures/ch2_imagenet/figure_2_13.png")), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
