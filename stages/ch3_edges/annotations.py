"""Figure 3.6: fine edge annotations of BSDS500 beside coarse ones from PASCAL Context's segmentations.

python -m stages.ch3_edges.annotations pascal_context
"""

import argparse

from stages.ch3_edges.labels import agreed, boundaries
from stages.ch3_edges.panels import Panel, write
from stages.core import stage
from stages.datasets import bsds500, pascal_context
from stages.datasets.edges import read_boundaries
from stages.datasets.pictures import read_image


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["pascal_context"])
    return parser


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, count = job.params["scale"], job.params["ch3_edges"]["shown"]
    annotators = job.params["ch3_edges"]["prepare"]["annotators"]
    names: list[str] = []
    rows: list[list[Panel]] = []
    for example in bsds500.list_split(job.dep(f"data/{scale}/sources/bsds500"), "train")[:count]:
        edges = agreed(read_boundaries(example.ground_truth), annotators)
        names.append(example.name)
        rows.append([("(a) image", read_image(example.image)), ("fine edge annotations", edges.astype(float))])
    for example in pascal_context.list_split(job.dep(f"data/{scale}/sources/{args.dataset}"), "train")[:count]:
        labels = pascal_context.read_label_map(example.ground_truth)
        shades = labels / max(labels.max(), 1)
        names.append(example.name)
        panels = [("(b) image", read_image(example.image)), ("segmentation", shades)]
        rows.append([*panels, ("coarse edge annotations", boundaries(labels).astype(float))])
    write(job, "3_6", names, rows)


if __name__ == "__main__":
    stage.execute(parser(), main)
