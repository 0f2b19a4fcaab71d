"""The people of Section 8.2 as prepared: all photos of a part in memory, and which of them are pairs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.ch8_swapgan.people import SEGMENTS
from stages.core import arrays, json_files
from stages.core.errors import UserError

SET_FILE = "set.json"
PARTS = ("train", "test")

S = -1  # in a shape: the photos' side

# By name: the kind, of what there is one each, and the shape of one. Those of OWN are of generated figures alone.
ARRAYS = {
    "images": (np.uint8, "photo", (S, S, 3)),
    "poses": (np.uint8, "photo", (S, S, 3)),
    "parts": (np.uint8, "photo", (S, S)),
    "heads": (np.uint8, "photo", (S, S)),
    "points": (np.float64, "photo", (18, 3)),
    "pairs": (np.int64, "pair", (2,)),
}
OWN = {
    "flat": (np.uint8, "photo", (S, S, 3)),
    "patterned": (np.uint8, "photo", ()),
    "sleeves": (np.uint8, "photo", ()),
    "truth": (np.uint8, "pair", (S, S, 3)),
}


@dataclass(frozen=True)
class People:
    """A part of a data set: n photos of people, and p pairs of them.

    names, persons : of each photo. categories : names of the clothes' categories, and category int64 (n,) which of these a photo has.
    generated : whether these are generated figures, not people. images, poses : uint8 (n, S, S, 3). parts : segments as `people` has them,
    uint8 (n, S, S), 0 to 5. heads : 1 where there is face or hair, uint8 (n, S, S). points : key points float64 (n, 18, 3), x and y in
    pixels of S. pairs : rows int64 (p, 2), of train two photos of a person, of test reference and condition.

    Of generated figures alone, else None: truth, of test, each pair's true swap, uint8 (p, S, S, 3); flat : the upper clothes lying flat on
    white, uint8 (n, S, S, 3); patterned, sleeves : 1 where the upper clothes have a pattern, and long sleeves, uint8 (n,).
    """

    names: list[str]
    persons: list[str]
    categories: list[str]
    category: NDArray[np.int64]
    generated: bool
    images: NDArray[np.uint8]
    poses: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    heads: NDArray[np.uint8]
    points: NDArray[np.float64]
    pairs: NDArray[np.int64]
    truth: NDArray[np.uint8] | None = None
    flat: NDArray[np.uint8] | None = None
    patterned: NDArray[np.uint8] | None = None
    sleeves: NDArray[np.uint8] | None = None


def load(folder: Path, part: str) -> People:
    """A part, train or test, of the set whose prepared photos lie in `folder`.

    A UserError where a file is missing or damaged, has not as many photos as set.json has names, or pairs of others.
    """
    stage = f"ch8_swap_prepare@{folder.name}"
    about = json_files.read(folder / SET_FILE, "names", "persons", "categories", "category", "generated", stage=stage)
    try:
        names, persons, categories = list(about["names"][part]), list(about["persons"][part]), list(about["categories"])
        category = np.array(about["category"][part], np.int64)
        if not len(names) == len(persons) == len(category):
            raise ValueError(f"{len(names)} names, {len(persons)} persons, {len(category)} categories")
        if not np.isin(category, range(len(categories))).all():
            raise ValueError(f"a photo's category is none of {len(categories)}")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{folder / SET_FILE} is damaged ({error}): run `python -m workflow.repro {stage}`") from error
    file = folder / f"{part}.npz"
    stored = arrays.read_all(file, stage)
    own = {name: kind for name, kind in OWN.items() if name in stored}
    side = stored["images"].shape[1] if "images" in stored and stored["images"].ndim > 1 else 0
    for name, (kind, of, shape) in {**ARRAYS, **own}.items():
        count = len(names) if of == "photo" else len(stored.get("pairs", ()))
        shape, array = (count, *(side if length == S else length for length in shape)), stored.get(name)
        if array is None or array.dtype != kind or array.shape != shape:
            has = "absent" if array is None else f"{array.dtype} {array.shape}"
            raise UserError(f"{file}: {name} is {has}, and must be {np.dtype(kind)} {shape}: run `python -m workflow.repro {stage}`")
    for name, low, high in (("pairs", 0, len(names) - 1), ("parts", 0, len(SEGMENTS))):
        if ((stored[name] < low) | (stored[name] > high)).any():
            raise UserError(f"{file}: {name} has a number that is not from {low} to {high}: run `python -m workflow.repro {stage}`")
    return People(names, persons, categories, category, about["generated"], **{name: stored[name] for name in (*ARRAYS, *own)})
