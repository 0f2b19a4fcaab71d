"""The two domains of Section 8.1 as prepared: all pictures of a part in memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, json_files
from stages.core.errors import UserError

SET_FILE = "set.json"
DOMAINS = ("a", "b")


@dataclass(frozen=True)
class Images:
    """A part of a data set: domain A (label maps in their colours, sketches), uint8 (n, S, S, 3), and B (photos), uint8 (m, S, S, 3).

    names : of the pictures of either domain, by `a` and `b`. paired : whether a[i] and b[i] show the same; n is m then.
    classes : of a scored set, else none. palette : their colours, uint8 (C, 3). labels : of a scored set A's label maps, uint8 (n, S, S),
    255 where there is no class; else None.
    """

    names: dict[str, list[str]]
    paired: bool
    a: NDArray[np.uint8]
    b: NDArray[np.uint8]
    classes: list[str]
    palette: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None = None


def load(folder: Path, part: str) -> Images:
    """A part, train or test, of the set whose prepared pictures lie in `folder`.

    A UserError where a file is missing or damaged, or has not as many pictures as set.json has names.
    """
    about = json_files.read(folder / SET_FILE, "names", "paired", "classes", "palette")
    stage = f"{'ch8_prepare' if about['classes'] else 'ch8_prepare_drawn'}@{folder.name}"
    try:
        names = {domain: list(about["names"][part][domain]) for domain in DOMAINS}
        palette = np.array(about["palette"], np.uint8).reshape(len(about["classes"]), 3)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / SET_FILE} is damaged ({error}): run `python -m workflow.repro {stage}`") from error
    file = folder / f"{part}.npz"
    shapes = {"a": 4, "b": 4} | ({"labels": 3} if about["classes"] else {})
    stored = dict(zip(shapes, arrays.read_named(file, stage, *shapes), strict=True))
    for name, dimensions in shapes.items():
        _check(file, name, stored[name], len(names["b" if name == "b" else "a"]), dimensions, stage)
    return Images(names=names, paired=about["paired"], classes=about["classes"], palette=palette, **stored)


def _check(file: Path, name: str, array: NDArray, count: int, dimensions: int, stage: str) -> None:
    if array.dtype != np.uint8 or array.ndim != dimensions or len(array) != count:
        raise UserError(
            f"{file}: {name} is {array.dtype} {array.shape}, and {SET_FILE} beside it names {count} pictures: "
            f"run `python -m workflow.repro {stage}`"
        )
