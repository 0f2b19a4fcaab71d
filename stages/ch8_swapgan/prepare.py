"""The chosen photos at the networks' size, and what these know of each person beside the photo (Section 8.2.1).

    python -m stages.ch8_swapgan.prepare figures

Under `data/<scale>/prepared/ch8_swapgan/<set>`, as `stages.ch8_swapgan.data` reads it: `train.npz`, `test.npz` and `set.json`. "All the
images were re-scaled to 128 x 128 pixels": DeepFashion's are square; others are made so first, by repeating their last pixels, for a person
that is squeezed has another body.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.ch8_swapgan import people
from stages.ch8_swapgan.data import PARTS, SET_FILE
from stages.ch8_swapgan.select import one_part_each, read_list
from stages.core import provenance, stage
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets import AGAIN, lip, openpose, reader
from stages.datasets.inshop import Photo
from stages.datasets.pictures import open_picture

LARGEST = 2**28  # pixels of what is made square
OUTSIDE = 0.1  # of a picture's side: how far beyond it a key point may be guessed


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    dataset, size = reader(args.dataset), job.param("ch8_swapgan.size")
    source = job.dep(job.data(f"sources/{args.dataset}"))
    chosen = Selected(job.dep(job.data(f"prepared/ch8_swap_selection/{args.dataset}")), dataset.photos(source))
    out = job.out(job.data(f"prepared/ch8_swapgan/{args.dataset}"))
    out.mkdir(parents=True)
    truths = dataset.true_swaps(source)
    for part in PARTS:
        arrays: dict[str, Any] = {**read_people(chosen.photos[part], size), "pairs": chosen.rows(part)}
        if truths is not None:
            arrays |= own(dataset, source, chosen.photos[part], size)
        if truths is not None and part == "test":
            arrays["truth"] = true_swaps(truths, chosen.pairs[part], size, source)
        np.savez(out / f"{part}.npz", **arrays)
    write_json(out / SET_FILE, {**chosen.about(), "generated": truths is not None})
    provenance.hand_on(source, out)


class Selected:
    """What the lists of a selection name, by part: `photos` by name, those of train that are in pairs and all of test; `pairs` of names.

    A UserError where the lists name a photo that there is not or of the other part, a pair of two persons to train on, or a condition of
    the reference's own person.
    """

    def __init__(self, folder: Path, photos: Sequence[Photo]) -> None:
        self.folder, self.known = folder, {photo.name: photo for photo in photos}
        self.pairs = {part: [(a, b) for a, b in self._rows(file)] for part, file in (("train", "pairs.csv"), ("test", "swaps.csv"))}
        tested = {name for (name,) in self._rows("test.csv")}
        for file, pairs, part in (("pairs.csv", self.pairs["train"], "train"), ("swaps.csv", self.pairs["test"], "test")):
            for a, b in pairs:
                self._check(file, self.known[a], self.known[b], part)
        names = {"train": {name for pair in self.pairs["train"] for name in pair}, "test": tested}
        if absent := sorted({name for pair in self.pairs["test"] for name in pair} - tested):
            raise UserError(f"{folder / 'swaps.csv'} has {absent[0]}, which test.csv lacks: add it there")
        self.photos = {part: [self.known[name] for name in sorted(names[part])] for part in PARTS}
        one_part_each(photo for part in PARTS for photo in self.photos[part])

    def rows(self, part: str) -> NDArray[np.int64]:
        """The pairs as rows of the photos, int64 (p, 2)."""
        row = {photo.name: number for number, photo in enumerate(self.photos[part])}
        return np.array([[row[a], row[b]] for a, b in self.pairs[part]], np.int64).reshape(-1, 2)

    def about(self) -> dict[str, Any]:
        """Names, persons and categories of the photos by part, for set.json."""
        categories = sorted({photo.category for part in PARTS for photo in self.photos[part]})
        return {
            "names": {part: [photo.name for photo in self.photos[part]] for part in PARTS},
            "persons": {part: [photo.person for photo in self.photos[part]] for part in PARTS},
            "categories": categories,
            "category": {part: [categories.index(photo.category) for photo in self.photos[part]] for part in PARTS},
        }

    def _rows(self, name: str) -> list[tuple[str, ...]]:
        rows = read_list(self.folder, name)
        if unknown := [photo for row in rows for photo in row if photo not in self.known]:
            raise UserError(f"{self.folder / name} has {unknown[0]}, which is no photo of the data set: take it away")
        return rows

    def _check(self, file: str, a: Photo, b: Photo, part: str) -> None:
        where = f"{self.folder / file} has the pair {a.name} and {b.name}"
        for photo in (a, b):
            if photo.part != part:
                raise UserError(f"{where}, and {photo.name} is of {photo.part}: choose pairs of {part}")
        if part == "train" and (a.person != b.person or a.name == b.name):
            raise UserError(f"{where}, of {a.person} and {b.person}: a pair is two photos of one person in the same clothes")
        if part == "test" and a.person == b.person:
            raise UserError(f"{where}, both of {a.person}: a condition is another person")


def read_people(photos: Iterable[Photo], size: int) -> dict[str, NDArray]:
    """The arrays of the photos, as `read_person` has them, with a first dimension."""
    made = [read_person(photo.image, photo.key_points, photo.parsing, size) for photo in tqdm(photos, unit="photo", disable=None)]
    return {name: np.stack([one[name] for one in made]) for name in made[0]}


def read_person(image: Path, key_points: Path, parsing: Path, size: int) -> dict[str, NDArray]:
    """images, poses uint8 (S, S, 3), parts, heads uint8 (S, S) and points float64 (18, 3) of a photo and the two files of it.

    A UserError of a file that is missing or damaged, or is of another photo: one of another size.
    """
    picture, classes, points = np.asarray(open_picture(image)), lip.read(parsing), openpose.read(key_points)
    height, width = picture.shape[:2]
    if classes.shape != (height, width):
        raise UserError(
            f"{parsing} is of {classes.shape[1]} x {classes.shape[0]} pixels, and {image} of {width} x {height}: parse it again"
        )
    seen, beyond = points[:, 2] > 0, OUTSIDE * max(height, width)
    if not ((points[:, :2] >= -beyond) & (points[:, :2] <= (width + beyond, height + beyond)))[seen].all():
        raise UserError(f"{key_points} has key points outside {image}, of {width} x {height} pixels: run OpenPose on this very photo")
    scaled = squared(classes, size)
    points = scaled_points(points, width, height, size)
    return {
        "images": squared(picture, size),
        "poses": people.pose_map(points, size),
        "parts": people.regroup(scaled),
        "heads": people.head_map(scaled),
        "points": points,
    }


def squared(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A photo (H, W, 3), its last pixels repeated, or a map of classes (H, W), with background around it, as a square of `size` pixels.

    A photo is resized without aliasing, a map without a class between two others'. A UserError where it is so long that the square of its
    longer side would not fit into memory.
    """
    height, width = picture.shape[:2]
    if max(height, width) ** 2 > max(height * width, LARGEST):
        raise UserError(f"a picture has {width} x {height} pixels, too long a strip to be made a square: cut it to what is nearer to one")
    padding = [_margins(height, width), _margins(width, height)]
    if picture.ndim == 3:
        picture, filtering = np.pad(picture, [*padding, (0, 0)], mode="edge"), Image.Resampling.BILINEAR
    else:
        picture, filtering = np.pad(picture, padding), Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize((size, size), filtering))


def scaled_points(points: NDArray[np.float64], width: int, height: int, size: int) -> NDArray[np.float64]:
    """Key points (18, 3) of a picture where `squared` puts them; a pixel's centre is at whole numbers. Missing ones are 0."""
    before = np.array([_margins(width, height)[0], _margins(height, width)[0]])
    moved = (points[:, :2] + before + 0.5) * (size / max(width, height)) - 0.5
    return np.where(points[:, 2:] > 0, np.column_stack([moved, points[:, 2]]), 0.0)


def _margins(side: int, other: int) -> tuple[int, int]:
    missing = max(other - side, 0)
    return missing // 2, missing - missing // 2


def own(dataset: Any, source: Path, photos: Sequence[Photo], size: int) -> dict[str, NDArray]:
    """Of generated figures flat, patterned and sleeves, as `stages.ch8_swapgan.data.People` has them."""
    attributes = dataset.attributes(source) or {}
    flat = {photo.name: dataset.flat(source, photo) for photo in photos}
    for name, file in flat.items():
        if file is None or name not in attributes:
            raise UserError(f"{source} lacks {'the flat clothes' if file is None else 'the attributes'} of {name}: {AGAIN}")
    patterned, sleeves = np.array([attributes[name] for name in flat], np.uint8).T.copy()
    return {"flat": _pictures(flat.values(), size), "patterned": patterned, "sleeves": sleeves}


def true_swaps(truths: Iterable[tuple[str, str, Path]], pairs: Sequence[tuple[str, str]], size: int, source: Path) -> NDArray[np.uint8]:
    """The true swap of each pair of reference and condition, uint8 (q, S, S, 3)."""
    by_pair: Mapping[tuple[str, str], Path] = {(reference, condition): file for reference, condition, file in truths}
    if absent := [pair for pair in pairs if pair not in by_pair]:
        raise UserError(f"{source} has no true swap of {absent[0][0]} in the clothes of {absent[0][1]}: choose pairs that it has")
    return _pictures((by_pair[pair] for pair in pairs), size)


def _pictures(files: Iterable[Path], size: int) -> NDArray[np.uint8]:
    return np.stack([squared(np.asarray(open_picture(file)), size) for file in files])


if __name__ == "__main__":
    stage.execute(parser(), main)
