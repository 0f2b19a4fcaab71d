"""Figure 3.6: fine edge annotations of BSDS500 beside coarse ones from PASCAL Context's segmentations.

python -m stages.ch3_edges.annotations bsds500 pascal_context
"""

import argparse

from stages.ch3_edges.labels import agreed, boundaries
from stages.ch3_edges.panels import Panel, write
from stages.core import stage
from stages.datasets import reader
from stages.datasets.pictures import read_image


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "fine", "coarse")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    count, annotators = job.param("ch3_edges.figures.images"), job.param("ch3_edges.prepare.annotators")
    names: list[str] = []
    rows: list[list[Panel]] = []
    fine, coarse = reader(args.fine), reader(args.coarse)
    for example in fine.list_split(job.dep(job.data(f"sources/{args.fine}")), "train")[:count]:
        edges = agreed(fine.read_truth(example.ground_truth).maps, annotators)
        names.append(example.name)
        rows.append([("(a) image", read_image(example.image)), ("fine edge annotations", edges.astype(float))])
    for example in coarse.list_split(job.dep(job.data(f"sources/{args.coarse}")), "train")[:count]:
        labels = coarse.read_truth(example.ground_truth).labels
        shades = labels / max(labels.max(), 1)
        names.append(example.name)
        panels = [("(b) image", read_image(example.image)), ("segmentation", shades)]
        rows.append([*panels, ("coarse edge annotations", boundaries(labels).astype(float))])
    write(job, "figure_3_6", names, rows)


if __name__ == "__main__":
    stage.execute(parser(), main)
