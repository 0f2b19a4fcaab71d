"""A miniature of GloVe's vectors in their official form: the words of `word2vec`'s miniature in lower case, with "a" and "and"."""

from pathlib import Path

from stages.miniatures import request
from stages.miniatures.files import write_text
from stages.miniatures.word2vec import lexicon

FILE = "glove.6B.50d.txt"
_STREAM = 6_090  # of random numbers


def write(folder: Path, *, fillers: int, seed: int) -> None:
    """Write `folder`/glove.6B.50d.txt: a word a line, and its 50 numbers."""
    request.check("GloVe", {"fillers": fillers}, request.SMALLEST_SIDE, request.SMALLEST_SIDE)
    words = [(word, vector) for word, vector in lexicon(fillers, seed, _STREAM) if word == word.lower()]
    write_text("".join(f"{word} {' '.join(f'{value:.5f}' for value in vector)}\n" for word, vector in words), folder / FILE)
