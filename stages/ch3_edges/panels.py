"""Pictures beside their edges: Figures 2.15 (HED, FCFN), 3.3 (relaxed labels), 3.7 (dilation) and 3.9 (results).

    python -m stages.ch3_edges.panels bsds500

Each figure stands beside a table of what its panels hold: the mean of each map. Networks that are not trained are
left out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from stages.ch3_edges.labels import ETAS, SIGMAS, relaxed, unpacked
from stages.ch3_edges.settings import Panels
from stages.core import figures, stage
from stages.core.files import write_csv
from stages.datasets import reader
from stages.datasets.pictures import read_image
from stages.metrics.edge_maps import read_map

SHOWN = (0, 2, 4)  # of the five responses, in Figure 3.3
BLUE = (0.15, 0.35, 0.9)

Panel = tuple[str, np.ndarray]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def grid(rows: Sequence[Sequence[Panel]]) -> Figure:
    """A figure of panels, a row each; photographs (H, W, 3) as they are, maps (H, W) in 0..1 dark on white."""
    columns = max(map(len, rows))
    height, width = rows[0][0][1].shape[:2]
    figure = Figure(figsize=(1.7 * columns, len(rows) * (1.7 * height / width + 0.25) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for line, panels in zip(axes, rows, strict=True):
        for place, (title, picture) in zip(line, panels, strict=False):
            place.imshow(picture if picture.ndim == 3 else 1 - picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            place.set_title(title, fontsize=6)
    return figure


def write(job: stage.Job, figure: str, names: Sequence[str], rows: Sequence[Sequence[Panel]]) -> None:
    """The figure `figure`, as figure_3_6, and its table, a row for each map: image, panel, mean."""
    means = [
        {"image": name, "panel": title, "mean": f"{picture.mean():.6f}"}
        for name, panels in zip(names, rows, strict=True)
        for title, picture in panels
        if picture.ndim == 2
    ]
    write_csv(job.out(f"reports/figures/ch3_edges/{figure}.csv"), means)
    with matplotlib.rc_context(figures.STYLE):
        figures.save(grid(rows), job.out(f"reports/figures/ch3_edges/{figure}.png"), job.param("protocol"))


def result_panels(image: Path, truth: np.ndarray, maps: dict[str, Path]) -> list[Panel]:
    """An image, the share of its annotators who marked each pixel, and stored maps by title.

    truth : what each annotator marked, bool (annotators, H, W).
    """
    found = [(title, read_map(file)) for title, file in maps.items()]
    return [("image", read_image(image)), ("ground truth", truth.mean(axis=0)), *found]


def relaxed_panels(image: np.ndarray, truth: np.ndarray, responses: dict[str, np.ndarray]) -> list[Panel]:
    """Figure 3.3 for one image: of each detector the chosen responses with what is relaxed in blue, photographs' form (H, W, 3).

    truth : bool (H, W). responses : bool (5, H, W) by detector.
    """
    panels: list[Panel] = [("image", image), ("ground truth", truth.astype(float))]
    labels = {"canny": [f"Canny, σ = {sigma:g}" for sigma in SIGMAS], "se": [f"SE, η = {eta:g}" for eta in ETAS]}
    for detector, found in responses.items():
        free = relaxed(found, truth)
        for k in SHOWN:
            picture = np.ones((*truth.shape, 3))
            picture[found[k]] = 0.2
            picture[free[k]] = BLUE
            panels.append((f"{labels[detector][k]}: {free[k].mean():.1%} relaxed", picture))
    return panels


def main(args: argparse.Namespace, job: stage.Job) -> None:
    count = job.param("ch3_edges.figures.images")
    maps = job.dep(job.data(f"predictions/ch3_edges/{args.dataset}/networks")) / "whole"
    dataset = reader(args.dataset)
    examples = dataset.list_split(job.dep(job.data(f"sources/{args.dataset}")), "test")[:count]
    for figure, titles in vars(job.settings(Panels, "ch3_edges.figures.panels")).items():
        networks = {title: maps / network for network, title in titles if (maps / network).exists()}
        rows = []
        for example in examples:
            files = {title: folder / f"{example.name}.png" for title, folder in networks.items()}
            rows.append(result_panels(example.image, dataset.read_truth(example.ground_truth).maps, files))
        write(job, figure, [example.name for example in examples], rows)
    prepared, labels = (job.dep(job.data(f"{folder}/ch3_edges/{args.dataset}")) for folder in ("prepared", "relaxed"))
    images = np.load(prepared / "images.npy", mmap_mode="r")[:count].transpose(0, 2, 3, 1)
    width = images.shape[2]
    truths = unpacked(np.load(prepared / "truth_dilated.npy", mmap_mode="r")[:count], width)
    responses = {name: unpacked(np.load(labels / f"{name}.npy", mmap_mode="r")[:count], width) for name in ("canny", "se")}
    rows = [
        relaxed_panels(images[row], truths[row], {detector: found[row] for detector, found in responses.items()})
        for row in range(len(images))
    ]
    write(job, "figure_3_3", (prepared / "names.txt").read_text().splitlines()[:count], rows)


if __name__ == "__main__":
    stage.execute(parser(), main)
