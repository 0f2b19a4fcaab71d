"""The choices of Chapter 3 that neither the thesis nor the author's code makes, on every second validation image of BSDS500.

    python -m benchmarks.edge_settings DATA FOREST        # data/real_cpu/sources/bsds500 data/real_cpu/forests/bsds500

Canny's sigma and the scales of Structured Edges, by ODS; and what share of the training images' pixels each kind of response relaxes.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from stages.ch3_edges import canny, structured
from stages.ch3_edges.detection_settings import ForestSettings
from stages.ch3_edges.labels import agreed, map_responses, relaxed
from stages.ch3_edges.prepare import dilate, resize_edges, resize_image
from stages.ch3_edges.relax import resize_map
from stages.core import settings
from stages.datasets import bsds500
from stages.datasets.edges import read_boundaries
from stages.datasets.pictures import read_image
from stages.metrics.boundary import evaluate, even_thresholds, summarize
from stages.metrics.nms import thin_edges

SIGMAS, SCALES = (1, 1.5, 2, 2.5, 3), ((1,), (0.5, 1), (0.5, 1, 2))
SIZE = (400, 400)
THRESHOLDS = even_thresholds(99)


def ods(data: Path, detect: Callable[[np.ndarray], np.ndarray]) -> float:
    """On every second validation image, of maps in 255ths."""
    counts = []
    for example in bsds500.list_split(data, "val")[::2]:
        edges = np.rint(255 * detect(read_image(example.image))) / 255
        counts.append(evaluate(edges, read_boundaries(example.ground_truth), THRESHOLDS))
    return summarize(THRESHOLDS, np.stack(counts))["ods"]["f"]


def shares(data: Path, respond: Callable[[np.ndarray], np.ndarray]) -> str:
    """Of each of the five responses, the relaxed pixels on every tenth training image at the size of the thesis."""
    found = []
    for example in bsds500.list_split(data, "train")[::10]:
        truth = resize_edges(dilate(agreed(read_boundaries(example.ground_truth))), SIZE)
        found.append(relaxed(respond(read_image(example.image)), truth).mean(axis=(1, 2)))
    return ", ".join(f"{value:.1%}" for value in np.mean(found, axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("forest", type=Path)
    args = parser.parse_args()
    known = yaml.safe_load(Path("workflow/scales/chapter/ch3_edges.yaml").read_text())["ch3_edges"]["forest"]
    forest = structured.load(args.forest / structured.FILE, settings.build(ForestSettings, known))
    for sigma in SIGMAS:
        print(f"Canny, sigma {sigma}: ODS {ods(args.data, lambda image, sigma=sigma: canny.strength(image, sigma)):.3f}", flush=True)
    for scales in SCALES:
        score = ods(args.data, lambda image, scales=scales: thin_edges(structured.predict(forest, image, scales)))
        print(f"Structured Edges, scales {scales}: ODS {score:.3f}", flush=True)

    def edges(image: np.ndarray) -> np.ndarray:
        return structured.predict(forest, image, SCALES[-1])

    responses = {
        "Canny": lambda image: canny.responses(resize_image(image, SIZE)),
        "SE": lambda image: map_responses(resize_map(edges(image), SIZE)),
        "SE, thinned": lambda image: map_responses(resize_map(thin_edges(edges(image)), SIZE)),
        "SE, thinned, thresholded before resizing": lambda image: np.stack(
            [resize_edges(each, SIZE) for each in map_responses(thin_edges(edges(image)))]
        ),
    }
    for name, respond in responses.items():
        print(f"relaxed by {name}: {shares(args.data, respond)}", flush=True)


if __name__ == "__main__":
    main()
