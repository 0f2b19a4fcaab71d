"""Figure 2.8b, the fusion weights of CFN-11 over training, with the CSV it was drawn from.

python -m stages.ch2_imagenet.figures imagenet
"""

import argparse
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from stages.ch2_imagenet.variants import BRANCHES
from stages.core import figures, stage


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["imagenet"])
    return parser


def weight_curve(curves: pd.DataFrame, model: str) -> pd.DataFrame:
    """Mean fusion weight of each branch and its deviation over the elements, over training; means over seeds."""
    columns = [f"fusion_weight_{branch}{suffix}" for branch in BRANCHES for suffix in ("", "_sd")]
    return curves[curves.model == model].groupby("iteration")[columns].mean()


def draw_figure_2_8b(weights: pd.DataFrame, model: str) -> Figure:
    columns = {f"fusion_weight_{branch}": label for branch, label in BRANCHES.items()}
    return figures.draw_bands(weights, columns, title=f"Fusion weights of {model.upper()}", ylabel="mean weight, band of one deviation")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    model = job.params["ch2_imagenet"]["figures"]["branches"]
    weights = weight_curve(pd.read_csv(job.dep("reports/metrics/ch2_imagenet/imagenet.training.csv")), model)
    drawn = Path(job.out("reports/figures/ch2_imagenet/figure_2_8b.svg"))
    weights.to_csv(job.out("reports/figures/ch2_imagenet/figure_2_8b.csv"), lineterminator="\n")
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw_figure_2_8b(weights, model), drawn, job.params["protocol"])


if __name__ == "__main__":
    stage.execute(parser(), main)
