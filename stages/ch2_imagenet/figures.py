"""Figure 2.8b, the fusion weights of a network over training, with the CSV it was drawn from.

python -m stages.ch2_imagenet.figures imagenet
"""

import argparse
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from stages.ch2_imagenet.labels import BRANCHES
from stages.core import figures, stage


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def draw_figure_2_8b(weights: pd.DataFrame, model: str) -> Figure:
    columns = {f"fusion_weight_{branch}": label for branch, label in BRANCHES.items()}
    return figures.draw_bands(weights, columns, title=f"Fusion weights of {model.upper()}", ylabel="mean weight, band of one deviation")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    model = job.param("ch2_imagenet.figures.branches")
    curves = pd.read_csv(job.dep(f"reports/metrics/ch2_imagenet/{args.dataset}.training.csv"))
    weights = figures.fusion_weight_curve(curves, model, len(BRANCHES))
    drawn = Path(job.out("reports/figures/ch2_imagenet/figure_2_8b.svg"))
    weights.to_csv(job.out("reports/figures/ch2_imagenet/figure_2_8b.csv"), lineterminator="\n")
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw_figure_2_8b(weights, model), drawn, job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
