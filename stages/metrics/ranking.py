"""Retrieval scores of rankings, as the benchmarks' own programs compute them.

A ranking names items, the best first, and may leave some out: what it lacks is not found. `ignored` items are taken out before anything is
counted: the query itself in Holidays [47], junk in Paris [174].
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Measure = Callable[[NDArray[np.int64], Collection[int]], float]  # of a ranking, by what is relevant


def without(ranking: Sequence[int] | NDArray, ignored: Collection[int]) -> NDArray[np.int64]:
    """The ranking without the ignored items."""
    ranking = np.asarray(ranking, dtype=np.int64)
    return ranking[~np.isin(ranking, list(ignored))] if len(ignored) else ranking


def average_precision(ranking: Sequence[int] | NDArray, relevant: Collection[int]) -> float:
    """Area under the curve of precision over recall by trapezoids, from 0 to 1.

    Each relevant item found adds 1 / |relevant| of recall, over which the precision is the mean of that before the item and that with it;
    before the first place it is 1. So do the programs of Holidays and of the Oxford and Paris buildings.
    """
    if not relevant:
        raise ValueError("average precision needs a relevant item")
    places = np.flatnonzero(np.isin(ranking, list(relevant)))
    found = np.arange(len(places))
    before = np.divide(found, places, out=np.ones(len(places)), where=places > 0)
    after = (found + 1) / (places + 1)
    return float((before + after).sum() / (2 * len(relevant)))


def ns_score(ranking: Sequence[int] | NDArray, relevant: Collection[int], top: int = 4) -> int:
    """How many of the first `top` are relevant: UKB's score [175] of one query."""
    return int(np.isin(ranking[:top], list(relevant)).sum())


def mean_over(measure: Measure, rankings: Iterable[NDArray], queries: Iterable[Mapping[str, Any]]) -> float:
    """The mean over all queries of a measure, as average_precision, of their rankings without what each ignores.

    queries : of each the items that are `relevant` and those that are `ignored`.
    """
    pairs = zip(rankings, queries, strict=True)
    return float(np.mean([measure(without(ranking, query["ignored"]), query["relevant"]) for ranking, query in pairs]))
