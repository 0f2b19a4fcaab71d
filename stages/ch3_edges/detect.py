"""The detectors without a training schedule on a test set, as 8-bit thinned edge maps: Canny, Structured Edges, gPb-owt-ucm.

python -m stages.ch3_edges.detect bsds500
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages.ch3_edges import canny, structured
from stages.ch3_edges.detection_settings import Detectors, ForestSettings
from stages.ch3_edges.detectors import contours_of, structured_edges
from stages.core import provenance, stage
from stages.core.files import write_json
from stages.datasets import reader
from stages.datasets.pictures import read_image
from stages.metrics.edge_maps import write_map
from stages.metrics.nms import thin_edges


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Detectors, "ch3_edges.detectors")
    dataset, contours = reader(args.dataset), contours_of(args.dataset)
    source = job.dep(job.data(f"sources/{args.dataset}"))
    folder = f"{job.param('ch3_edges.structured_edges')}/{args.dataset}"
    detect = structured_edges(job.dep(folder), job.settings(ForestSettings, "ch3_edges.forest"), settings.se_scales)
    out = job.out(job.data(f"predictions/ch3_edges/{args.dataset}/detectors"))
    for example in tqdm(dataset.list_split(source, "test"), unit="image", disable=None):
        image = read_image(example.image)
        maps: dict[str, np.ndarray] = {
            "canny": canny.strength(image, settings.canny_sigma),  # thin as it is
            "se": thin_edges(detect(example.name, image)),
            "gpb-owt-ucm": contours(source, "test", example.name),  # the benchmark thins it
        }
        for name, edges in maps.items():
            write_map(out / name / f"{example.name}.png", edges)
    ours = (Path(folder) / structured.FILE).exists()
    about = {"encoder": "forest trained here", "trained": folder} if ours else {"encoder": f"ready maps, {folder}"}
    write_json(out / "se.json", about)
    provenance.hand_on(source, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
