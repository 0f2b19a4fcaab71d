"""word2vec's vectors of Google News (Mikolov et al., NIPS 2013): 3,000,000 words, 300 dimensions.

GoogleNews-vectors-negative300.bin begins with a line "3000000 300"; then of each word its bytes, a space, and its
numbers, float32 of the least byte first, which some writers end with a line feed and some do not. Words are as in the
news: Paris and paris are two; there is no "a", "and", "of" or "to".
"""

import mmap
from collections.abc import Container, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.word_vectors import WordVectors, stacked

FILE = "GoogleNews-vectors-negative300.bin"
LONGEST = 4096  # bytes of a word: more are none, but numbers read from the wrong place


def read(folder: Path, wanted: Container[str] | None = None) -> WordVectors:
    """The vectors of `wanted`, or of all words (3.6 GB), as they are in the file: nothing is normalised.

    A UserError names the file and the first word that is cut short, or not where the header's numbers put it.
    """
    file = folder / FILE
    if not file.is_file():
        raise UserError(f"{file} is missing: {AGAIN}")
    if not file.stat().st_size:
        raise UserError(f"{file} is empty: {AGAIN}")
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return stacked(_pairs(file, content), file, wanted)


def _pairs(file: Path, content: mmap.mmap) -> Iterator[tuple[str, NDArray[np.float32]]]:
    count, size, start = _header(file, content)
    for number in range(1, count + 1):
        if content[start : start + 1] == b"\n":
            start += 1
        end = content.find(b" ", start, start + LONGEST)
        if end <= start and len(content) - start > LONGEST:
            raise UserError(f"{file}: no word begins where number {number} of {count} should, after vectors of {size}: {AGAIN}")
        stop = end + 1 + 4 * size
        if end <= start or stop > len(content):
            raise UserError(f"{file} ends in word {number} of {count}, so it is truncated: {AGAIN}")
        vector = np.frombuffer(content[end + 1 : stop], "<f4").astype(np.float32)
        yield content[start:end].decode(errors="replace"), vector
        start = stop
    if content[start : start + 2].strip():
        raise UserError(f"{file} goes on after its {count} words of {size} numbers, so these are not what it holds: {AGAIN}")


def _header(file: Path, content: mmap.mmap) -> tuple[int, int, int]:
    """The number of words, that of a vector's numbers, and where the first word begins."""
    end = content.find(b"\n", 0, 64)
    numbers = content[: max(end, 0)].split()
    if len(numbers) != 2 or not all(number.isdigit() and int(number) for number in numbers):
        raise UserError(f"{file} does not begin with the number of its words and that of a vector's numbers: {AGAIN}")
    return int(numbers[0]), int(numbers[1]), end + 1
