"""Figure 2.12, feature maps of CFN-11's four branches, with every map's values.

python -m stages.ch2_imagenet.panels imagenet
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.ch2_imagenet.variants import BRANCHES
from stages.core import figures, stage
from stages.core.files import write_csv


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["imagenet"])
    return parser


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


def activation_rows(stored: dict[str, NDArray]) -> list[dict[str, object]]:
    """Every map of Figure 2.12 as a row; its values row by row, three decimals."""
    return [
        {"branch": branch, "picture": picture, "rank": rank + 1, "size": maps.shape[-1],
         "values": " ".join(f"{value:.3f}" for value in maps[picture, rank].ravel())}
        for branch in BRANCHES for maps in [stored[f"branch_{branch}"]]
        for picture in range(maps.shape[0]) for rank in range(maps.shape[1])
    ]  # fmt: skip


def main(args: argparse.Namespace, job: stage.Job) -> None:
    stored = dict(np.load(job.dep(f"data/{job.params['scale']}/predictions/ch2_imagenet/imagenet") / "activations.npz"))
    write_csv(job.out("reports/figures/ch2_imagenet/figure_2_12.csv"), activation_rows(stored))
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw_figure_2_12(stored), Path(job.out("reports/figures/ch2_imagenet/figure_2_12.png")), job.params["protocol"])


if __name__ == "__main__":
    stage.execute(parser(), main)
