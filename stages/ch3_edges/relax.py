"""Five responses of each detector on the training images, of which relaxed labels are made (Eq. 3.1 and 3.2).

    python -m stages.ch3_edges.relax bsds500

Canny runs on the images as they are trained on; the maps of Structured Edges and gPb are made, or taken, at the original size and
resized. How many images a second the labels take (Section 3.4.4) goes into the run record.
"""

import argparse
import time
from collections import defaultdict

import numpy as np
from PIL import Image
from tqdm import tqdm

from stages.ch3_edges import canny
from stages.ch3_edges.detection_settings import ForestSettings, Responses
from stages.ch3_edges.detectors import contours_of, structured_edges
from stages.ch3_edges.labels import map_responses, packed
from stages.core import provenance, stage
from stages.datasets import reader
from stages.datasets.pictures import read_image
from stages.metrics.nms import thin_edges


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Responses, "ch3_edges.relaxed")
    dataset, contours = reader(args.dataset), contours_of(args.dataset)
    source = job.dep(job.data(f"sources/{args.dataset}"))
    prepared = np.load(job.dep(job.data(f"prepared/ch3_edges/{args.dataset}")) / "images.npy", mmap_mode="r")
    folder = f"{job.param('ch3_edges.structured_edges')}/{args.dataset}"
    scales = job.param("ch3_edges.detectors.se_scales")
    detect = structured_edges(job.dep(folder), job.settings(ForestSettings, "ch3_edges.forest"), scales)
    size = (prepared.shape[2], prepared.shape[3])
    found: dict[str, list[np.ndarray]] = {"canny": [], "se": [], "gpb": []}
    seconds: defaultdict[str, float] = defaultdict(float)
    for row, example in enumerate(tqdm(dataset.list_split(source, "train"), unit="image", disable=None)):
        image = read_image(example.image)
        started = time.perf_counter()
        found["canny"].append(packed(canny.responses(prepared[row].transpose(1, 2, 0), high=settings.canny_high)))
        seconds["canny"] += time.perf_counter() - started
        started = time.perf_counter()
        edges = detect(example.name, image)
        found["se"].append(packed(map_responses(resize_map(thin_edges(edges) if settings.se_thinned else edges, size))))
        seconds["se"] += time.perf_counter() - started
        edges = contours(source, "train", example.name)
        found["gpb"].append(packed(map_responses(resize_map(edges, size))))
    job.note(**{f"{name}_images_per_second": round(len(prepared) / value, 3) for name, value in seconds.items()})
    out = job.out(job.data(f"relaxed/ch3_edges/{args.dataset}"))
    out.mkdir(parents=True)
    for name, responses in found.items():
        np.save(out / f"{name}.npy", np.stack(responses))
    provenance.hand_on(source, out)


def resize_map(edges: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An edge map (H, W) at another (height, width), float32."""
    return np.asarray(Image.fromarray(edges.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR))


if __name__ == "__main__":
    stage.execute(parser(), main)
