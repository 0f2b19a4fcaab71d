"""The detectors without a training schedule on a test set, as 8-bit thinned edge maps: Canny, Structured Edges, gPb-owt-ucm.

python -m stages.ch3_edges.detect bsds500
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages.ch3_edges import canny, structured
from stages.ch3_edges.detectors import structured_edges
from stages.core import stage
from stages.core.files import write_json
from stages.datasets import bsds500
from stages.datasets.pictures import read_image
from stages.metrics.edge_maps import write_map
from stages.metrics.nms import thin_edges


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["bsds500"])
    return parser


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch3_edges"]["detectors"]
    source = job.dep(f"data/{scale}/sources/{args.dataset}")
    place = job.params["ch3_edges"]["structured_edges"]
    detect = structured_edges(
        job.dep(place),
        job.settings(structured.Settings, "ch3_edges.forest"),
        settings["se_scales"],
    )
    out = job.out(f"data/{scale}/predictions/ch3_edges/{args.dataset}/detectors")
    for example in tqdm(bsds500.list_split(source, "test"), unit="image", disable=None):
        image = read_image(example.image)
        maps: dict[str, np.ndarray] = {
            "canny": canny.strength(image, settings["canny_sigma"]),  # thin as it is
            "se": thin_edges(detect(example.name, image)),
            "gpb-owt-ucm": bsds500.read_contours(source, "test", example.name),  # the benchmark thins it
        }
        for name, edges in maps.items():
            write_map(out / name / f"{example.name}.png", edges)
    ours = (Path(place) / structured.FILE).exists()
    write_json(out / "se.json", {"encoder": "forest trained here", "trained": place} if ours else {"encoder": f"ready maps, {place}"})
    shutil.copyfile(source / "provenance.json", out / "provenance.json")


if __name__ == "__main__":
    stage.execute(parser(), main)
