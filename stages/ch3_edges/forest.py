"""Train the structured forest of the relaxed labels RDS(SE) and of Table 2.8 on a data set's training images.

python -m stages.ch3_edges.forest bsds500
"""

import argparse

from stages.ch3_edges import structured
from stages.core import stage
from stages.datasets import bsds500
from stages.datasets.edges import read_ground_truth
from stages.datasets.pictures import read_image


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["bsds500"])
    return parser


def main(args: argparse.Namespace, job: stage.Job) -> None:
    examples = bsds500.list_split(job.dep(f"data/{job.params['scale']}/sources/{args.dataset}"), "train")
    images = [read_image(example.image) for example in examples]
    labels = [[one.segmentation for one in read_ground_truth(example.ground_truth)] for example in examples]
    forest = structured.train(images, labels, job.settings(structured.Settings, "ch3_edges.forest"), job.params["ch3_edges"]["forest_seed"])
    out = job.out(f"data/{job.params['scale']}/forests/{args.dataset}")
    out.mkdir(parents=True)
    structured.save(forest, out / structured.FILE)


if __name__ == "__main__":
    stage.execute(parser(), main)
