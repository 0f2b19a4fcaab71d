"""A miniature of word2vec's vectors in their official form: every word of the generated sentences, and words that say nothing.

Two words of one meaning are near, two of one sort (things, colours, grounds ...) nearer than others. As in the vectors of Google News
there is no "a" and no "and".
"""

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.miniatures import cub200_texts, flowers102_texts, request
from stages.miniatures.captioned import BACKDROPS, BEFORE, COLOURS, GROUNDS, ON, OTHER_WORDS, THINGS, Words
from stages.miniatures.ten_lines import PATTERN_WORDS
from stages.miniatures.world import generator

FILE = "GoogleNews-vectors-negative300.bin"
SIZE = 50
ABSENT = ("a", "and", "of", "to")

_STREAM = 6_080  # of random numbers
# Shares of what words of one sort, of one meaning, and a word alone have: cosines of .93 within a meaning, .26 within a sort.
_SORT, _MEANING, _OWN = 0.5, 0.8, 0.25
_SYLLABLES = [consonant + vowel for consonant in "bdfghjklmnprstvz" for vowel in "aeiou"]


def write(folder: Path, *, fillers: int, seed: int) -> None:
    """Write `folder`/GoogleNews-vectors-negative300.bin, with 50 numbers a word, and `fillers` more words than sentences have."""
    request.check("word2vec", {"fillers": fillers}, request.SMALLEST_SIDE, request.SMALLEST_SIDE, most={"fillers": len(_SYLLABLES) ** 2})
    words = [(word, vector) for word, vector in lexicon(fillers, seed, _STREAM) if word not in ABSENT]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("wb") as file:
        file.write(f"{len(words)} {SIZE}\n".encode())
        for word, vector in words:
            file.write(word.encode() + b" " + vector.astype("<f4").tobytes() + b"\n")


def lexicon(fillers: int, seed: int, stream: int) -> list[tuple[str, NDArray[np.float32]]]:
    """Words, those of sentences first, and their vectors (50,)."""
    meanings = _meanings()
    words = {word for sort in meanings for meaning in sort for word in meaning}
    invented = ("".join(pair) for pair in itertools.product(_SYLLABLES, repeat=2))
    meanings += [[(word,)] for word in itertools.islice((word for word in invented if word not in words), fillers)]
    pairs: list[tuple[str, NDArray[np.float32]]] = []
    for number, sort in enumerate(meanings):
        common = _numbers(seed, stream, number)
        for place, meaning in enumerate(sort):
            shared = _SORT * common + _MEANING * _numbers(seed, stream, number, place)
            pairs += [
                (word, (shared + _OWN * _numbers(seed, stream, number, place, which)).astype(np.float32))
                for which, word in enumerate(meaning)
            ]
    return pairs


def _meanings() -> list[list[Words]]:
    """The words of the sentences by sort and meaning. A word that says nothing is a sort of its own, also at a sentence's beginning."""
    phrases = " ".join((*flowers102_texts.PHRASES, *cub200_texts.PHRASES)).split()
    known = {word for meaning in (*THINGS, *COLOURS) for word in meaning}
    plain = dict.fromkeys((*OTHER_WORDS, *(word for word in phrases if "{" not in word and word not in known)))
    empty: list[Words] = [(word, word.title()) if word in ("there", "one", "this", "the") else (word,) for word in plain]
    return [
        *([meaning] for meaning in empty),
        [ON, BEFORE],
        list(THINGS),
        list(COLOURS),
        list(GROUNDS),
        list(BACKDROPS),
        list(PATTERN_WORDS),
    ]


def _numbers(seed: int, *stream: int) -> NDArray[np.float64]:
    return 2 * generator(seed, *stream).random(SIZE) - 1
