"""Search over the shards of an index, each some of its images; merged, the answer is that of one index over all of them.

What makes it exact: idf counts images in all shards, the order of an image's additions does not depend on its shard, and of equal scores
the image that was indexed first comes first.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.ch4_deepindex import inverted
from stages.ch4_deepindex.inverted import Entries, Postings
from stages.ch4_deepindex.signature import Signatures, matching


@dataclass(frozen=True)
class Shard:
    """Consecutive images of an index, from number `first` on, with the signatures of each of its layers (none: without signature)."""

    first: int
    postings: Postings
    signatures: tuple[Signatures, ...] = ()


@dataclass(frozen=True)
class Settings:
    """How a query is scored: multiple assignment, alpha of Eq. 4.4 (0: without signature), idf as in `inverted.IDF`."""

    assignments: int
    alpha: float
    idf: str = "ratio"


def score_all(shards: Sequence[Shard], wanted: Entries, idf: str, each: Callable[..., Iterable] = map) -> list[NDArray[np.float64]]:
    """Eq. 4.2 or 4.3 for every image, an array for each shard. `each` maps over the shards."""
    found = list(each(lambda shard: inverted.match(shard.postings, wanted), shards))
    frequencies = np.sum([matches.frequencies for matches in found], axis=0)
    images = sum(shard.postings.size for shard in shards)

    def scored(pair: tuple) -> NDArray[np.float64]:
        matches, shard = pair
        return inverted.scores(matches, wanted, frequencies, images, shard.postings.size, idf)

    return list(each(scored, zip(found, shards, strict=True)))


def distances(shard: Shard, roots: Sequence[NDArray[np.float32]], images: NDArray[np.int64]) -> NDArray[np.float64]:
    """The summed distances of the query's root features, one of each layer, from those of some of a shard's images."""
    return np.sum([stored.distances(query, images) for stored, query in zip(shard.signatures, roots, strict=True)], axis=0)


def search(
    shards: Sequence[Shard],
    rows: NDArray,
    columns: NDArray | None,
    roots: Sequence[NDArray[np.float32]],
    settings: Settings,
    top: int | None = None,
    executor: Executor | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The `top` images for a query (all that share an entry, if None), best first, and their scores by Eq. 4.2 to 4.5.

    rows, columns : (patches, MA) nearest words; columns is None for a 1-D index. roots : the query's root feature of each layer.
    executor : where shards are searched side by side.
    """
    each = executor.map if executor else map
    wanted = inverted.entries(rows, columns)
    scores = score_all(shards, wanted, settings.idf, each)

    def finished(pair: tuple) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        shard, values = pair
        images = np.flatnonzero(values)
        values = values[images]
        if settings.alpha:
            values = values * matching(distances(shard, roots, images), settings.alpha)
        kept = inverted.order(values, top)
        return images[kept] + shard.first, values[kept]

    parts = list(each(finished, zip(shards, scores, strict=True)))
    images, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    kept = inverted.order(values, top)
    return images[kept], values[kept]
