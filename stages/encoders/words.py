"""Captions as words that have vectors (Section 5.3.1): word2vec's and GloVe's know words, captions have commas and plurals.

As the package of Klein et al. [51] does it (Str2vec.m): a word that has no vector is broken at hyphens, plus signs, apostrophes and
digits, and the pieces that have one stand for it; an "s" that is left over is dropped.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[^\W_]+(?:[-+'’][^\W_]+)*")
_BREAK = re.compile(r"[-+'’\d]+")


@dataclass(frozen=True)
class Tokens:
    """M captions as rows of word vectors.

    rows : int32 (sum of lengths,), in the order of the captions and of their words. lengths : int32 (M,), 0 where no word is known.
    unknown : words that have no vector and no piece with one, and how often.
    """

    rows: NDArray[np.int32]
    lengths: NDArray[np.int32]
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where in `rows` each caption begins and the last ends, (M + 1,)."""
        return np.concatenate(([0], np.cumsum(self.lengths, dtype=np.int64)))


def compact(rows: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Of `count` rows those that `rows` has, ascending, and `rows` as places among these."""
    present = np.flatnonzero(np.bincount(rows, minlength=count))
    place = np.zeros(count, np.int32)
    place[present] = np.arange(len(present))
    return present, place[rows]


def words(caption: str, *, lower: bool) -> list[str]:
    """The words of a caption, without punctuation; lower : in small letters, as GloVe has them (word2vec tells "Turkey" from "turkey")."""
    return _WORD.findall(caption.lower() if lower else caption)


def pieces(word: str) -> list[str]:
    """What is looked for where the word itself has no vector."""
    return [piece for piece in _BREAK.split(word) if piece not in ("", "s")]


def needed(captions: Iterable[str], *, lower: bool) -> set[str]:
    """All words and pieces that could have a vector."""
    found = {word for caption in captions for word in words(caption, lower=lower)}
    return found.union(*map(pieces, found))


def look_up(captions: Iterable[str], row_of: Mapping[str, int], *, lower: bool) -> Tokens:
    """Captions by the rows that their words have."""
    rows: list[int] = []
    lengths: list[int] = []
    unknown: Counter[str] = Counter()
    for caption in captions:
        before = len(rows)
        for word in words(caption, lower=lower):
            known = [piece for piece in ([word] if word in row_of else pieces(word)) if piece in row_of]
            rows += [row_of[piece] for piece in known]
            if not known:
                unknown[word] += 1
        lengths.append(len(rows) - before)
    return Tokens(np.array(rows, np.int32), np.array(lengths, np.int32), unknown)


def enclosed(tokens: Tokens, row_of: Mapping[str, int], ends: tuple[str, ...]) -> Tokens:
    """Captions between a first and a last word, where there are `ends` and these have rows; one without a known word stays empty."""
    if not ends:
        return tokens
    first, last = ([row_of[word]] if word in row_of else [] for word in ends)
    captions = [[*first, *tokens.rows[start:stop], *last] if stop > start else [] for start, stop in pairwise(tokens.starts)]
    rows = np.array([row for caption in captions for row in caption], np.int32)
    return Tokens(rows, np.array([len(caption) for caption in captions], np.int32), tokens.unknown)


@dataclass(frozen=True)
class Chosen(Container[str]):
    """The words `needed`, and beside them the sample of all words: what to read of three million vectors."""

    needed: set[str]
    share: float

    def __contains__(self, word: object) -> bool:
        return word in self.needed or sampled(str(word), self.share)


def sampled(word: str, share: float) -> bool:
    """Whether a word is in the sample of this share of all words: a matter of the word alone, whatever captions there are."""
    digest = hashlib.md5(word.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
