"""Two domains of pictures of one's own: folders trainA, trainB, testA and testB, with pictures of any names and sizes.

A and B are not paired, and need not have as many.
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets.pictures import open_picture, pictures_in
from stages.datasets.translated import Pair, Read

PAIRED = False

LEAST = 2  # pictures of a domain: how unlike each other translated ones are is nothing of one


def pairs(folder: Path, part: str) -> list[Pair]:
    """Domain A's pictures by name and then B's, each alone; a UserError names the folder that is missing, or has fewer than two."""
    made = []
    for domain in "AB":
        own = folder / f"{part}{domain}"
        files = pictures_in(own)[0]
        if len(files) < LEAST:
            raise UserError(f"{own} has one picture, and a domain is learnt of {LEAST} or more: add some")
        for file in files:
            name = file.relative_to(own).as_posix()
            made.append(Pair(name, file, None) if domain == "A" else Pair(name, None, file))
    return made


def read(pair: Pair) -> Read:
    """The picture of the domain that there is, uint8 (H, W, 3), as it is meant to be seen; None in the other's place."""
    a, b = (None if file is None else np.asarray(open_picture(file)) for file in (pair.a, pair.b))
    return a, b
