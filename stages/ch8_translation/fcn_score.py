"""The FCN-score of a folder of photos, as Table 8.1 has it: a scorer labels them, and its labels are compared with the true ones.

    python -m stages.ch8_translation.fcn_score data/mini/models/ch8_scorer/facades PHOTOS LABELS

PHOTOS and LABELS have a photo and a label map of each name, whatever their suffixes, of equal proportions. A label map is a picture in the
colours of the scorer's classes (black: no class), or one of grey levels or palette indices, the classes' numbers from 0 on (255: no class).
Both are brought to the scorer's size, photos that are smaller as Table 8.1's generated ones are: with label maps of the scorer's size, and
generated photos as large as the networks make them, this is the table's score. `stages.ch8_translation.export` writes the label maps of
facades and Cityscapes so, decoded. Those that were saved as JPEG, as facades' own, have colours between the classes' and are refused. Real
photos that are smaller than the scorer's size are to be exported at it too, which enlarges them as `prepare` does.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.ch8_translation.evaluate import SCORES, scores
from stages.ch8_translation.prepare import resize_labels, resize_photo
from stages.ch8_translation.score import Loaded, load
from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.datasets.pictures import as_stored, decoded, open_picture
from stages.datasets.translated import IGNORE, squared_distances
from stages.datasets.twins import twins

FAR = 40  # levels from a class's colour: what is farther is none of it, though JPEG had changed it

Labels = NDArray[np.uint8]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("scorer", type=Path, help="the folder of a trained scorer")
    options.add_argument("photos", type=Path, help="a folder of generated, or real, photos")
    options.add_argument("labels", type=Path, help="a folder of their label maps")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    return options


def pairs(photos: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Photo and label map of each name, in their order; a UserError names the first that has no twin."""
    return twins(photos, labels, ("photo", "label map"))


def read_labels(file: Path, palette: NDArray[np.uint8]) -> Labels:
    """A label map, uint8 (H, W), from indices or from the palette's colours; a UserError where it has others."""
    mode, stored = decoded(file, as_stored)
    if mode in ("L", "P"):
        return check_values(file, stored, len(palette))
    if mode not in ("RGB", "RGBA"):
        raise UserError(f"{file} is of Pillow's mode {mode}: a label map has indices or colours of 8 bits, mode L, P or RGB")
    colours = np.ascontiguousarray(stored[..., :3])
    distances = squared_distances(colours, palette)
    none = ~colours.any(axis=-1)  # black
    if len(far := np.argwhere((distances.min(axis=-1) > FAR**2) & ~none)):
        row, column = far[0].tolist()
        raise UserError(
            f"{file} has at row {row}, column {column} the colour {tuple(colours[row, column].tolist())}, which is far from those of all "
            f"{len(palette)} classes: is it a label map in the scorer's colours, saved without loss?"
        )
    return np.where(none, IGNORE, distances.argmin(axis=-1)).astype(np.uint8)


def check_values(file: Path, values: Labels, classes: int) -> Labels:
    """The indices; a UserError where one is no class."""
    if (wrong := values[(values >= classes) & (values != IGNORE)]).size:
        raise UserError(f"{file} has the value {wrong[0]}: the classes are 0 to {classes - 1}, and {IGNORE} is none")
    return values


def labelled(scorer: Loaded, files: list[tuple[Path, Path]]) -> Iterator[tuple[Labels, Labels]]:
    """True and predicted label map of each pair at the scorer's size, uint8 (T, T)."""
    for photo, label in files:
        pixels, truth = np.asarray(open_picture(photo)), read_labels(label, scorer.palette)
        (height, width), (rows, columns) = pixels.shape[:2], truth.shape
        if height * columns != width * rows:
            sizes = f"{photo} has {width} x {height} pixels and {label} {columns} x {rows}"
            raise UserError(f"{sizes}: the two must be of the same proportions")
        if max(height, width) > scorer.size:  # smaller ones are enlarged by the scorer, as generated ones are
            pixels = resize_photo(pixels, scorer.size)
        yield resize_labels(truth, scorer.size), scorer.label_maps(np.stack([pixels]))[0]


def scored(scorer: Loaded, files: list[tuple[Path, Path]]) -> dict[str, float]:
    """The three metrics of Table 8.1 over all pairs, by name."""
    maps = list(labelled(scorer, files))
    truth, predicted = (np.stack([pair[side] for pair in maps]) for side in (0, 1))
    if (truth == IGNORE).all():
        raise UserError(f"no pixel of {files[0][1].parent} has a class: there is nothing to score")
    return dict(zip(SCORES, scores(truth, predicted, len(scorer.classes)), strict=True))


def main() -> None:
    with exit_on_error():
        args = parser().parse_args()
        precision = Runtime(args.device, args.threads, "fp32")
        files = pairs(args.photos, args.labels)
        scorer = load(args.scorer, precision, precision.start(), "ch8_scorer")
        for metric, value in scored(scorer, files).items():
            print(f"{metric:15} {value:.4f}")
        print(f"{'photos':15} {len(files)}")


if __name__ == "__main__":
    main()
