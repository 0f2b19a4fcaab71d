"""Figure 3.6: fine edge annotations of BSDS500 beside coarse ones from PASCAL Context's segmentations.

python -m stages.ch3_edges.annotations bsds500 pascal_context
"""

import argparse

from stages.ch3_edges.labels import agreed, boundaries
from stages.ch3_edges.panels import Panel, write
from stages.core import stage
from stages.datasets import bsds500, pascal_context


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "fine", "coarse")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    count, annotators = job.param("ch3_edges.figures.images"), job.param("ch3_edges.prepare.annotators")
    names: list[str] = []
    rows: list[list[Panel]] = []
    for example in bsds500.list_split(job.dep(job.data(f"sources/{args.fine}")), "train")[:count]:
        edges = agreed(bsds500.read_boundaries(example.ground_truth), annotators)
        names.append(example.name)
        rows.append([("(a) image", bsds500.read_image(example.image)), ("fine edge annotations", edges.astype(float))])
    for example in pascal_context.list_images(job.dep(job.data(f"sources/{args.coarse}")))[:count]:
        labels = pascal_context.read_label_map(example.ground_truth)
        shades = labels / max(labels.max(), 1)
        names.append(example.name)
        panels = [("(b) image", bsds500.read_image(example.image)), ("segmentation", shades)]
        rows.append([*panels, ("coarse edge annotations", boundaries(labels).astype(float))])
    write(job, "figure_3_6", names, rows)


if __name__ == "__main__":
    stage.execute(parser(), main)
