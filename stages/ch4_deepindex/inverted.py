"""The inverted index over visual words, one- and two-dimensional (Sections 4.3.1 and 4.3.2), and its scores (Eq. 4.2, 4.3).

An entry is a word, or a pair of a row and a column word; its list has an image once for each of the image's patches that the entry
holds (Figure 4.4), so that a term frequency is a repetition. Of the M x N entries of a 2-D index only what is not empty is stored:
the lists of all entries one after the other, by row, then column, then image, with each one's column beside it.

Everything is an array operation; loops in Python run over the words of a query, never over lists.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError

IDF: dict[str, Callable[[NDArray], NDArray]] = {
    "ratio": lambda ratio: ratio,  # Eq. 4.2 as printed
    "log": np.log,
}


@dataclass(frozen=True)
class Postings:
    """The lists of an index, or of one of its shards.

    counts : (M,) length of each row's list. images : (P,) image numbers. columns : (P,) column words; None where the index is 1-D.
    All are of the smallest unsigned type that holds them. starts : int64 (M + 1,), where each row begins.
    """

    counts: NDArray
    images: NDArray
    columns: NDArray | None
    size: int
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """The entries that a query asks for, in order: rows (E,), columns (E,) or None, and how many of its patches ask for each."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64] | None
    votes: NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """What an index holds in a query's entries: their lists one after the other, how long each is, how many images each has."""

    images: NDArray
    lengths: NDArray[np.int64]
    frequencies: NDArray[np.int64]


def smallest(array: NDArray, largest: int | None = None) -> NDArray:
    """`array` in the smallest unsigned type that holds its values, or `largest`."""
    return array.astype(np.min_scalar_type(int(array.max(initial=0)) if largest is None else largest))


def postings(counts: NDArray, images: NDArray, columns: NDArray | None, size: int) -> Postings:
    """The lists of an index of `size` images, as arrays or memory maps."""
    return Postings(counts, images, columns, size, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


def build(rows: NDArray, columns: NDArray | None, words: tuple[int, ...]) -> Postings:
    """Index images by the words of their patches.

    rows, columns : (images, patches) nearest word of each patch; columns is None for a 1-D index. words : sizes of the codebooks, M or
    (M, N).
    """
    count, patches = rows.shape
    for found, size in zip((rows, columns), words, strict=False):
        if found is not None and found.size and not 0 <= found.min() <= found.max() < size:
            raise UserError(f"words from {found.min()} to {found.max()} are not of a codebook of {size}: quantise with the index's own")
    images = np.repeat(np.arange(count), patches)
    keys = rows.ravel().astype(np.int64)
    if columns is not None:
        keys = keys * words[1] + columns.ravel()
    order = np.argsort(keys, kind="stable")  # images stay in order
    counts = smallest(np.bincount(rows.ravel(), minlength=words[0]))
    found = None if columns is None else smallest(columns.ravel()[order], words[1] - 1)
    return postings(counts, smallest(images[order], max(count - 1, 0)), found, count)


def entries(rows: NDArray, columns: NDArray | None) -> Entries:
    """What the patches of one query ask for, by multiple assignment on the query's side [170].

    rows, columns : (patches, MA) nearest words. A patch asks for each of its words, in a 2-D index for each of its MA x MA pairs.
    """
    if columns is None:
        found, votes = np.unique(rows, return_counts=True)
        return Entries(found.astype(np.int64), None, votes)
    step = int(columns.max()) + 1
    keys, votes = np.unique(rows[:, :, None].astype(np.int64) * step + columns[:, None, :], return_counts=True)
    return Entries(keys // step, keys % step, votes)


def match(index: Postings, wanted: Entries) -> Matches:
    """The lists of the wanted entries."""
    begins, ends = _bounds(index, wanted)
    lengths = ends - begins
    # Concatenated slices, not gathered positions: the lists are contiguous on disk.
    images = np.concatenate([index.images[:0], *(index.images[a:b] for a, b in zip(begins, ends, strict=True) if b > a)])
    return Matches(images, lengths, _distinct(images, lengths))


def _bounds(index: Postings, wanted: Entries) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    begins, ends = index.starts[wanted.rows], index.starts[wanted.rows + 1]
    if wanted.columns is None or index.columns is None:
        return begins, ends
    # The row's list is in the order of its columns; of one type with them, else the whole list would be converted.
    fits = wanted.columns <= np.iinfo(index.columns.dtype).max
    columns = np.where(fits, wanted.columns, 0).astype(index.columns.dtype)
    firsts = np.flatnonzero(np.diff(wanted.rows, prepend=-1))
    begins, ends = begins.copy(), ends.copy()
    for first, last in zip(firsts, [*firsts[1:], len(columns)], strict=True):
        start, end = begins[first], ends[first]
        listed = index.columns[start:end]
        begins[first:last] = start + np.searchsorted(listed, columns[first:last], "left")
        ends[first:last] = start + np.searchsorted(listed, columns[first:last], "right")
    return begins, np.where(fits, ends, begins)


def _distinct(images: NDArray, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many different images each list has; in a list they are in order."""
    found = np.zeros(len(lengths), np.int64)
    if len(images):
        begins = np.cumsum(lengths) - lengths
        new = np.empty(len(images), np.int64)
        new[0] = 1
        np.not_equal(images[1:], images[:-1], out=new[1:], casting="unsafe")
        full = lengths > 0
        new[begins[full]] = 1
        found[full] = np.add.reduceat(new, begins[full])
    return found


def scores(
    found: Matches, wanted: Entries, frequencies: NDArray[np.int64], images: int, size: int, idf: str = "ratio"
) -> NDArray[np.float64]:
    """Eq. 4.2 and 4.3 summed over all pairs of a patch of the query and a patch of an image: (size,), 0 where no entry is shared.

    frequencies : (E,) images of each entry, in all shards together. images : in all shards. size : in this one.
    """
    weights = wanted.votes * IDF[idf](images / np.maximum(frequencies, 1)) ** 2
    return np.bincount(found.images, np.repeat(weights, found.lengths), minlength=size).astype(np.float64, copy=False)


def best(values: NDArray[np.float64], top: int | None = None) -> NDArray[np.int64]:
    """The images that score above 0, best first, at most `top`; of equal ones the first comes first."""
    found = np.flatnonzero(values)
    return found[order(values[found], top)]


def order(values: NDArray[np.float64], top: int | None = None) -> NDArray[np.int64]:
    """Places of the `top` largest values, the largest first; of equal ones the first comes first."""
    if top is None or top >= len(values):
        return np.argsort(-values, kind="stable")
    if top == 0:
        return np.zeros(0, np.int64)
    least = np.partition(values, len(values) - top)[len(values) - top]
    places = np.flatnonzero(values >= least)
    return places[np.argsort(-values[places], kind="stable")][:top]
