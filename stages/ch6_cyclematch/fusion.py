"""Late fusion of scores, at inference only: the average (Eq. 6.8), and weights of a query's own (Eq. 6.9 to 6.11).

All is by query: an image's weights are of its scores with all texts, a text's of its scores with all images. So there are two fused
matrices, and what an image and a text score together depends on the rest of the gallery.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.ch6_cyclematch.fusion_settings import Inference, NoArea
from stages.ch6_cyclematch.stored import Embeddings
from stages.core.errors import UserError
from stages.metrics.recall import CHUNK, Block, Blocks

Floats = NDArray[np.float64]


def areas(scores: NDArray[np.float32]) -> Floats:
    """The positive area (Q,) of queries' scores (Q, G): the sum of what is above 0 (Eq. 6.9)."""
    return np.maximum(scores, 0).sum(axis=1, dtype=np.float64)


def weights(found: Floats, no_area: NoArea) -> Floats:
    """What each score weighs in each query, (S, Q), of their areas (S, Q): 1 / area, scaled to sum 1 (Eq. 6.10).

    no_area : what holds of a query with an area of 0, as `Fusion` has it.
    """
    empty = found == 0
    inverse = 1 / np.where(empty, 1, found)
    shared = np.ones_like(empty) if no_area == "average" else empty
    chosen = np.where(empty.any(axis=0), shared, inverse)
    return chosen / chosen.sum(axis=0)


def query_areas(blocks: Sequence[Block], queries: int, items: int) -> Floats:
    """The areas (S, Q) of all queries, in one direction. blocks : of each score, over a gallery of so many items."""
    step = max(1, CHUNK // max(1, items))
    chunks = [slice(first, min(first + step, queries)) for first in range(0, queries, step)]
    return np.stack([np.concatenate([areas(block(rows)) for rows in chunks]) for block in blocks])


def fused(scores: Sequence[Blocks], how: Inference, no_area: NoArea) -> Blocks:
    """The blocks of the fused scores (Eq. 6.8, 6.11), by row for images and by column for texts. scores : the blocks of each of how.scores.

    One score is passed on. One that is not finite stays so, whatever it weighs, and `recall` names it.
    """
    if len(scores) == 1:
        return scores[0]

    def block(way: int) -> Block:
        def fuse(rows: slice) -> NDArray[np.float32]:
            parts = [one[way](rows) for one in scores]
            if how.fusion == "average":
                return sum(parts[1:], parts[0]) / np.float32(len(parts))
            shares = weights(np.stack([areas(part) for part in parts]), no_area).astype(np.float32)
            total = shares[0][:, None] * parts[0]
            for share, part in zip(shares[1:], parts[1:], strict=True):
                total += share[:, None] * part
            return total

        return fuse

    return block(0), block(1)


def ranking(embeddings: Embeddings, how: Inference, no_area: NoArea) -> Blocks:
    """The blocks of a model's scores, fused. A UserError: it lacks one of them."""
    if lacking := [score for score in how.scores if score not in embeddings.compared()]:
        have = ", ".join(embeddings.compared())
        raise UserError(f"{embeddings.model} has no {lacking[0]} score, only {have}: fuse those, or train a model that has it")
    return fused([embeddings.scores(score) for score in how.scores], how, no_area)
