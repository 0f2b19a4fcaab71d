"""Embeddings on a plane, by t-SNE: Figures 6.4 and 7.3."""

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.metrics import recall

Floats = NDArray[np.float64]


def tsne(embeddings: NDArray[np.float32], perplexity: float, iterations: int, settings: str) -> Floats:
    """n of them, (n, d), on a plane, (n, 2): t-SNE of unit vectors, whose distances rank as cosines do.

    Exact, not by Barnes and Hut's tree, whose sums are divided among threads: the same bytes on every processor (tests/determinism.py).
    settings : where perplexity is set, for the UserError where the map has too few points for it.
    """
    from sklearn.manifold import TSNE

    if perplexity >= len(embeddings):
        raise UserError(f"{settings}.perplexity is {perplexity:g}, and the map has {len(embeddings)} points only: lower it")
    points = recall.unit(embeddings).astype(np.float64)
    method = TSNE(perplexity=perplexity, max_iter=iterations, method="exact", init="pca", random_state=0)
    return method.fit_transform(points).astype(np.float64)
