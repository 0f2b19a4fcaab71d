"""Figure 2.12, feature maps of a network's four branches, by its first seed, with every map's values.

python -m stages.ch2_imagenet.panels imagenet
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.ch2_imagenet.labels import BRANCHES
from stages.core import figures, stage
from stages.core.files import write_csv


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def draw_figure_2_12(stored: dict[str, NDArray]) -> Figure:
    """One row per picture: the picture, then of each branch the maps with the highest mean activation."""
    images, top = stored["images"], stored["branch_1"].shape[1]
    figure = Figure(figsize=(1 + 2.1 * len(BRANCHES), 0.62 * len(images) + 0.7), layout="constrained")
    grid = figure.subplots(len(images), 1 + top * len(BRANCHES), squeeze=False)
    for row, image in enumerate(images):
        grid[row, 0].imshow(image)
        for group, (branch, label) in enumerate(BRANCHES.items()):
            for rank in range(top):
                axes = grid[row, 1 + top * group + rank]
                axes.imshow(stored[f"branch_{branch}"][row, rank], cmap="viridis")
                if row == rank == 0:
                    axes.set_title(label, loc="left", fontsize=8)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure


def main(args: argparse.Namespace, job: stage.Job) -> None:
    network = f"{job.param('ch2_imagenet.figures.branches')}-seed{job.param('ch2_imagenet.seeds')[0]}"
    stored = dict(np.load(job.dep(job.data(f"predictions/ch2_imagenet/{args.dataset}/{network}")) / "activations.npz"))
    write_csv(job.out("reports/figures/ch2_imagenet/figure_2_12.csv"), figures.map_rows(stored))
    drawn = Path(job.out("reports/figures/ch2_imagenet/figure_2_12.png"))
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw_figure_2_12(stored), drawn, job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
