"""GloVe's word vectors (Pennington et al., EMNLP 2014), glove.*.txt: a word a line, and its numbers, after spaces.

Words are in lower case in most of the published files, and sorted by frequency. In some a "word" has spaces in it, as
". . ." has.
"""

from collections.abc import Container, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.retrieval import list_pictures
from stages.datasets.word_vectors import WordVectors, stacked


def read(folder: Path, wanted: Container[str] | None = None) -> WordVectors:
    """The vectors of `wanted`, or of all words, of the one glove.*.txt in the folder, as long as the first line's.

    A UserError names the file and the line that has another count of numbers, or none.
    """
    file, *others = list_pictures(folder, "glove.*.txt")
    if others:
        raise UserError(f"{folder} has {file.name} and {others[0].name}: take all but one away")
    return stacked(_pairs(file, wanted), file, wanted)


def _pairs(file: Path, wanted: Container[str] | None) -> Iterator[tuple[str, NDArray[np.float32]]]:
    size = 0
    with file.open(encoding="utf-8", newline="\n") as stream:
        try:
            for line, text in enumerate(stream, 1):
                word, *numbers = text.rstrip("\r\n").split(" ")
                size = size or len(numbers)
                if len(numbers) > size:  # a word with spaces, or a vector that is too long
                    word = " ".join([word, *numbers[:-size]])
                    numbers = numbers[-size:]
                if len(numbers) < size or (" " in word and _is_number(word.rsplit(" ", 1)[1])):
                    raise UserError(f"{file}, line {line} has another count of numbers than the {size} of line 1: {AGAIN}")
                if wanted is None or word in wanted:
                    yield word, _vector(numbers, file, line)
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is no text: {AGAIN}") from error


def _vector(numbers: list[str], file: Path, line: int) -> NDArray[np.float32]:
    try:
        return np.array(numbers, np.float32)
    except ValueError as error:
        raise UserError(f"{file}, line {line} has something else than numbers after its word: {AGAIN}") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
