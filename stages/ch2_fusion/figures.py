"""Figures 2.1 (activation maps), 2.7 (loss and test error) and 2.8a (fusion weights), from stored curves and predictions.

python -m stages.ch2_fusion.figures cifar10
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stages.ch2_fusion.settings import Figures
from stages.core import figures, stage
from stages.core.files import write_csv

COLOURS = ("#1f77b4", "#d62728", "#17becf", "#ff7f0e")  # of Figure 2.7's networks, in their order
BRANCHES = {1: "side branch 1", 2: "side branch 2", 3: "side branch 3 (main)"}


def mean_curve(curves: pd.DataFrame, column: str, models: list[str]) -> pd.DataFrame:
    """A column's mean over seeds: one row per iteration where it was measured, one column per model."""
    chosen = curves[curves.model.isin(models)].dropna(subset=column)
    return chosen.pivot_table(index="iteration", columns="model", values=column, aggfunc="mean")[models]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def draw_figure_2_7(losses: pd.DataFrame, errors: pd.DataFrame, colours: Mapping[str, str]) -> Figure:
    """Both tables have a column for each model; colours : by model."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, table, title in zip(panels, (losses, errors), ("(a) training loss", "(b) test error (%)"), strict=True):
        for model in table:
            axes.plot(table.index, table[model], color=colours[model], label=model.upper(), linewidth=1.2)
        axes.set(title=title, xlabel="iterations")
    panels[0].legend()
    return figure


def draw_figure_2_8a(weights: pd.DataFrame, model: str) -> Figure:
    columns = {f"fusion_weight_{branch}": label for branch, label in BRANCHES.items()}
    return figures.draw_bands(weights, columns, title=f"Fusion weights of {model.upper()}", ylabel="mean weight, band of one deviation")


def draw_figure_2_1(stored: dict[str, dict[str, np.ndarray]]) -> Figure:
    """One row per picture: the picture, then of each model and branch the four maps with the highest mean activation."""
    images = next(iter(stored.values()))["images"]
    groups = []
    for model, of_model in stored.items():
        *sides, (_, main) = _branches(of_model)
        groups += [(f"{model.upper()}, side {key.replace('_', ' ')}", maps) for key, maps in sides] + [
            (f"{model.upper()}, main branch", main)
        ]
    figure = Figure(figsize=(1 + 2.1 * len(groups), 0.62 * len(images) + 0.7), layout="constrained")
    grid = figure.subplots(len(images), 1 + 4 * len(groups), squeeze=False)
    for row, image in enumerate(images):
        grid[row, 0].imshow(image.transpose(1, 2, 0))
        for group, (title, maps) in enumerate(groups):
            for rank in range(4):
                axes = grid[row, 1 + 4 * group + rank]
                axes.imshow(maps[row, rank], cmap="viridis")
                if row == 0 and rank == 0:
                    axes.set_title(title, loc="left", fontsize=8)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure


def activation_rows(stored: dict[str, dict[str, np.ndarray]]) -> list[dict[str, object]]:
    """Every map of Figure 2.1 as a row; its values row by row, three decimals."""
    return [{"model": model, **row} for model, maps in stored.items() for row in figures.map_rows(maps)]


def _branches(stored: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    return [(key, maps) for key, maps in sorted(stored.items()) if key.startswith("branch_")]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    protocol, chosen = job.param("protocol"), job.settings(Figures, "ch2_fusion.figures")
    curves = pd.read_csv(job.dep(f"reports/metrics/ch2_fusion/{args.dataset}.training.csv"))
    out = job.out("reports/figures/ch2_fusion")
    out.mkdir()
    coloured = zip(chosen.curves, COLOURS, strict=False)  # there may be fewer networks than colours
    colours = {model: colour for model, colour in coloured if model in set(curves.model)}
    losses, errors = (mean_curve(curves, column, list(colours)) for column in ("train_loss", "test_error"))
    weights = figures.fusion_weight_curve(curves, chosen.weights, len(BRANCHES))
    for name, table in {"figure_2_7a": losses, "figure_2_7b": errors, "figure_2_8a": weights}.items():
        table.to_csv(out / f"{name}.csv", lineterminator="\n")
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw_figure_2_7(losses, errors, colours), out / "figure_2_7.svg", protocol)
        figures.save(draw_figure_2_8a(weights, chosen.weights), out / "figure_2_8a.svg", protocol)
        stored = read_activations(job.dep(job.data(f"predictions/ch2_fusion/{args.dataset}")), chosen.activations)
        write_csv(out / "figure_2_1.csv", activation_rows(stored))
        figures.save(draw_figure_2_1(stored), out / "figure_2_1.png", protocol)


def read_activations(folder: Path, models: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """What the predict stage stored for Figure 2.1: model -> images and maps of each branch."""
    return {model: dict(np.load(folder / f"{model}-activations.npz")) for model in models}


if __name__ == "__main__":
    stage.execute(parser(), main)
