"""Train the structured forest of the relaxed labels RDS(SE) and of Table 2.8 on a data set's training images.

python -m stages.ch3_edges.forest bsds500
"""

import argparse

from stages.ch3_edges import structured
from stages.ch3_edges.detection_settings import ForestSettings
from stages.core import stage
from stages.datasets import reader
from stages.datasets.edges import read_ground_truth
from stages.datasets.pictures import read_image


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    examples = reader(args.dataset).list_split(job.dep(job.data(f"sources/{args.dataset}")), "train")
    images = [read_image(example.image) for example in examples]
    labels = [[one.segmentation for one in read_ground_truth(example.ground_truth)] for example in examples]
    settings = job.settings(ForestSettings, "ch3_edges.forest")
    forest = structured.train(images, labels, settings, job.param("ch3_edges.forest_seed"))
    out = job.out(job.data(f"forests/{args.dataset}"))
    out.mkdir(parents=True)
    structured.save(forest, out / structured.FILE)


if __name__ == "__main__":
    stage.execute(parser(), main)
