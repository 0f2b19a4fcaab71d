"""What published word vectors have in common: words, and a vector of each.

A reader of the kind `words` offers `read(folder, wanted)` -> WordVectors.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets import AGAIN


class NoneKnown(UserError):  # noqa: N818
    """Of all words that are asked for none has a vector."""


@dataclass(frozen=True)
class WordVectors:
    """V words in their file's order, mostly by frequency, and their vectors as they are published, float32 (V, d)."""

    words: list[str]
    vectors: NDArray[np.float32]


def stacked(pairs: Iterable[tuple[str, NDArray[np.float32]]], file: Path, wanted: Container[str] | None) -> WordVectors:
    """The vectors of `wanted` (a set; None: all), the first of a word that is there twice.

    A UserError names a vector that is not finite, and a file without any of the words.
    """
    kept: dict[str, NDArray[np.float32]] = {}
    for word, vector in pairs:
        if (wanted is None or word in wanted) and word not in kept:
            kept[word] = vector
    if not kept:
        raise NoneKnown(f"{file} has none of the words that are asked for: take the vectors of that language")
    vectors = np.stack(list(kept.values()))
    for index in np.flatnonzero(~np.isfinite(vectors).all(1)):
        raise UserError(f"{file}: the vector of {list(kept)[index]!r} is not finite: {AGAIN}")
    return WordVectors(list(kept), vectors)
