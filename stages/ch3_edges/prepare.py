"""Training images of Chapter 3 at the size they are trained at, with their edges (Section 3.4.1).

    python -m stages.ch3_edges.prepare bsds500

Of BSDS500 the training images and what enough annotators marked; of PASCAL Context all images and the borders of their label maps,
which are the coarse edge annotations of Section 3.3.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from stages.ch3_edges.detection_settings import Preparation
from stages.ch3_edges.labels import agreed, boundaries, packed
from stages.core import provenance, stage
from stages.core.errors import UserError
from stages.datasets import reader
from stages.datasets.edges import Drawn, Example, Regions
from stages.datasets.pictures import read_image


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Preparation, "ch3_edges.prepare")
    source = job.dep(job.data(f"sources/{args.dataset}"))
    out = job.out(job.data(f"prepared/ch3_edges/{args.dataset}"))
    out.mkdir(parents=True)
    dataset = reader(args.dataset)
    examples = dataset.list_split(source, "train")
    height, width = settings.size
    images = _array(out / "images.npy", (len(examples), 3, height, width))
    truths = {name: _array(out / f"{name}.npy", (len(examples), height, -(-width // 8))) for name in ("truth", "truth_dilated")}
    for row, example in enumerate(tqdm(examples, unit="image", disable=None)):
        image = read_image(example.image)
        images[row] = resize_image(image, (height, width)).transpose(2, 0, 1)
        edges = edges_of(example, image, dataset, settings.annotators)
        for name, pixels in (("truth", 0), ("truth_dilated", settings.dilation)):
            truths[name][row] = packed(resize_edges(dilate(edges, pixels), (height, width)))
    (out / "names.txt").write_text("".join(f"{example.name}\n" for example in examples))
    provenance.hand_on(source, out)


def edges_in(truth: Drawn | Regions, annotators: int) -> np.ndarray:
    """What enough annotators drew, or the borders of regions, bool (H, W)."""
    return agreed(truth.maps, annotators) if isinstance(truth, Drawn) else boundaries(truth.labels)


def edges_of(example: Example, image: np.ndarray, dataset: Any, annotators: int) -> np.ndarray:
    """The edges of one image; a UserError names the file that has too few annotators or another size than the image."""
    try:
        edges = edges_in(dataset.read_truth(example.ground_truth), annotators)
    except UserError as error:
        raise UserError(f"{example.ground_truth}: {str(error).removeprefix(f'{example.ground_truth}: ')}") from error
    if edges.shape != image.shape[:2]:
        raise UserError(f"{example.ground_truth} is of {edges.shape} pixels and {example.image} of {image.shape[:2]}: download both again")
    return edges


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image, uint8 (H, W, 3), at another (height, width)."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def dilate(edges: np.ndarray, pixels: int = 1) -> np.ndarray:
    """Edges grown by `pixels` to all eight sides (Section 3.4.1), bool (H, W); 0 for none."""
    return ndimage.binary_dilation(edges, np.ones((3, 3)), iterations=pixels) if pixels else edges


def resize_edges(edges: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map of thin edges at another size, bool `size`, without a line getting lost.

    Interpolated bilinearly and set where that reaches 1 - step / 2, at most half, with `step` the larger number of source pixels
    that a new pixel stands for: a line one pixel wide is never further than step / 2 from the nearest new pixel's centre. A map that
    shrinks to half or less goes there by halves, each pixel an edge if one of its four was.
    """
    while edges.shape[0] >= 2 * size[0] or edges.shape[1] >= 2 * size[1]:
        axes = [axis for axis in (0, 1) if edges.shape[axis] >= 2 * size[axis]]
        for axis in axes:
            even = np.take(edges, range(0, edges.shape[axis] - 1, 2), axis) | np.take(edges, range(1, edges.shape[axis], 2), axis)
            last = np.take(edges, [edges.shape[axis] - 1], axis)
            edges = np.concatenate([even, last], axis) if edges.shape[axis] % 2 else even
    steps = [old / new for old, new in zip(edges.shape, size, strict=True)]
    if steps == [1, 1]:
        return edges
    places = np.meshgrid(*((np.arange(new) + 0.5) * step - 0.5 for new, step in zip(size, steps, strict=True)), indexing="ij")
    found = ndimage.map_coordinates(edges.astype(np.float64), places, order=1, mode="nearest")
    return found >= min(0.5, 1 - max(steps) / 2) - 1e-9


def _array(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A file of bytes that is filled image by image, for some sets do not fit into memory."""
    return np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)


if __name__ == "__main__":
    stage.execute(parser(), main)
