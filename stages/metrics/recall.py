"""How well images find their texts and texts their images: R@K, median and mean rank (Chapters 5 to 7).

- R@K is the share of queries with a right answer among the first K, in percent: a hit rate, also where an image has
  five right texts.
- Scores that tie come in any order: a query counts by the probability that a right answer is among the first K. So a
  constant scorer scores chance, where counting only what scores strictly higher would give it 100 %. By index the
  lower one comes first, as in the author's stable sort.
- A rank is that of the first right answer, from 1; of ties its mean over their orders. Median and mean are over queries
  (vsepp's code rounds the median down).

`python -m stages.metrics.matching` scores anyone's similarities or embeddings by it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError

KS = (1, 5, 10)
CHUNK = 1 << 24  # scores at a time, 64 MB

Ties = Literal["any order", "index"]
Block = Callable[[slice], NDArray[np.float32]]  # queries -> (queries, gallery), their scores
Blocks = tuple[Block, Block]  # from image to text, from text to image


@dataclass(frozen=True)
class Hits:
    """Of each query, (Q,): the items are above its best right one, those tied with it, and of these the right."""

    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    right: NDArray[np.int64]

    def within(self, k: int) -> NDArray[np.float64]:
        """The probability of a right answer among the first k, over the orders of the tied: hypergeometric."""
        missed = np.ones(len(self.above))
        for drawn in range(k):  # of the tied, one after the other, none of them right
            draws = self.above + drawn < k
            left = self.tied - drawn
            wrong = np.maximum(left - self.right, 0)
            missed = np.where(draws & (left > 0), missed * wrong / np.maximum(left, 1), missed)
        return 1 - missed

    def ranks(self) -> NDArray[np.float64]:
        """The rank of the first right answer, from 1: the mean over the orders of the tied."""
        return self.above + (self.tied + 1) / (self.right + 1)


def first_hits(
    block: Block,
    query_ids: NDArray[np.int64],
    item_ids: NDArray[np.int64],
    ties: Ties = "any order",
    name: str = "the model",
) -> Hits:
    """Where each query has its first right answer: an item with the query's own id, of an image or of a class.

    name : whose scores they are, for errors: a score that is not finite, a query without a right answer.
    """
    right, is_one = _right_items(query_ids, item_ids, name)
    counts = np.empty((3, len(query_ids)), np.int64)
    step = max(1, CHUNK // max(1, len(item_ids)))
    for first in range(0, len(query_ids), step):
        rows = slice(first, min(first + step, len(query_ids)))
        scores = block(rows)
        if not np.isfinite(scores).all():
            query, item = np.argwhere(~np.isfinite(scores))[0]
            raise UserError(
                f"{name} scores query {first + query} and item {item} {scores[query, item]}: scores must be finite, "
                "so train it again at a lower learning rate, or mend what made them"
            )
        counts[:, rows] = _count(scores, right[rows], is_one[rows], ties)
    return Hits(*counts)


def _right_items(
    query_ids: NDArray[np.int64],
    item_ids: NDArray[np.int64],
    name: str,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each query its right items, (Q, most of any), and which of these places are taken."""
    order = np.argsort(item_ids, kind="stable")
    begin, end = (np.searchsorted(item_ids[order], query_ids, side) for side in ("left", "right"))
    if (begin == end).any():
        query = int(np.flatnonzero(begin == end)[0])
        raise UserError(
            f"query {query} of {name} has no right answer among the {len(item_ids)} items: leave it out, or mend what "
            "says which image a text is of"
        )
    places = begin[:, None] + np.arange((end - begin).max())
    is_one = places < end[:, None]
    return order[np.where(is_one, places, begin[:, None])], is_one


def _count(
    scores: NDArray[np.float32],
    right: NDArray[np.int64],
    is_one: NDArray[np.bool_],
    ties: Ties,
) -> NDArray[np.int64]:
    """The numbers of `Hits`, (3, queries)."""
    own = np.take_along_axis(scores, right, axis=1)
    best = own.max(axis=1)[:, None]
    above = np.count_nonzero(scores > best, axis=1)
    tied = np.count_nonzero(scores >= best, axis=1) - above
    is_best = is_one & (own == best)
    if ties == "index":
        first = np.where(is_best, right, scores.shape[1]).min(axis=1)
        for query in np.flatnonzero(tied > 1):
            above[query] += np.count_nonzero(scores[query, : first[query]] == best[query])
        return np.stack([above, np.ones_like(above), np.ones_like(above)])
    return np.stack([above, tied, np.count_nonzero(is_best, axis=1)])


def scores_of(hits: Hits, ks: Sequence[int] = KS) -> dict[str, float]:
    """r1, r5, r10 in percent, median_rank and mean_rank."""
    ranks = hits.ranks()
    recalls = {f"r{k}": 100 * float(hits.within(k).mean()) for k in ks}
    return recalls | {"median_rank": float(np.median(ranks)), "mean_rank": float(ranks.mean())}


def evaluate(
    blocks: Blocks,
    image_ids: NDArray[np.int64],
    text_ids: NDArray[np.int64],
    ties: Ties = "any order",
    name: str = "the model",
) -> dict[str, float]:
    """i2t_r1, ..., t2i_mean_rank, and mean_recall, the mean of all recalls (mR).

    image_ids (N,), text_ids (M,) : image and text belong together where these are equal. Of instances `np.arange(N)`
    and the image of each text, of classes the class of each.
    """
    ways = (("i2t", blocks[0], image_ids, text_ids), ("t2i", blocks[1], text_ids, image_ids))
    found = {
        f"{way}_{metric}": value
        for way, block, queries, items in ways
        for metric, value in scores_of(first_hits(block, queries, items, ties, f"{name}, {way},")).items()
    }
    recalls = [value for metric, value in found.items() if metric.split("_")[1].startswith("r")]
    return found | {"mean_recall": float(np.mean(recalls))}


def facts_of(metric: str, images: int, texts: int) -> dict[str, Any]:
    """What a record says of a metric of `evaluate`: unit, what is better, n, the queries (mean_recall: both kinds)."""
    of_rank = metric.endswith("rank")
    queries = {"i2t": images, "t2i": texts}.get(metric.split("_")[0], images + texts)
    return {"unit": "rank" if of_rank else "%", "better": "lower" if of_rank else "higher", "n": queries}


def folds(
    image_of: NDArray[np.int64],
    images: int,
    number: int,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Consecutive images in `number` parts of one size, and the texts of each: MSCOCO's 5,000 as five times 1,000."""
    if number < 1 or images % number:
        raise UserError(f"{images} images do not make {number} folds of equal size: take a divisor")
    size = images // number
    for first in range(0, images, size):
        yield np.arange(first, first + size), np.flatnonzero((image_of >= first) & (image_of < first + size))


def mean_over(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each metric's mean over folds."""
    return {metric: float(np.mean([part[metric] for part in parts])) for metric in parts[0]}


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays, so that it has cosine 0 with all and scores chance."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def cosines(*pairs: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Blocks:
    """The mean cosine over models (Eq. 5.11), by the embeddings of each: images (N, d) and texts (M, d)."""
    units = [(unit(images), unit(texts)) for images, texts in pairs]

    def block(way: int) -> Block:
        def scores(rows: slice) -> NDArray[np.float32]:
            total = units[0][way][rows] @ units[0][1 - way].T
            for pair in units[1:]:
                total += pair[way][rows] @ pair[1 - way].T
            return total / np.float32(len(units)) if len(units) > 1 else total

        return scores

    return block(0), block(1)


def of_matrix(scores: NDArray[np.float32]) -> Blocks:
    """The blocks of a matrix of scores (N, M)."""
    return lambda rows: scores[rows], lambda rows: np.ascontiguousarray(scores[:, rows].T)
