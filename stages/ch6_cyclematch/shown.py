"""What Figures 6.4 to 6.7 show, as numbers: pairs, their maps by t-SNE, an example's curves, similarities, weights."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.ch6_cyclematch import fusion
from stages.ch6_cyclematch.fusion_settings import Figures, Inference, NoArea, Score
from stages.core.seeds import seed_for
from stages.matching import plane
from stages.metrics import recall

RANKS = 200  # of a curve of thousands that are kept

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def drawn_pairs(image_of: Indices, pairs: int) -> tuple[Indices, Indices]:
    """So many images (as many as there are, if fewer) in a random order, and of each one of its texts."""
    rng = np.random.Generator(np.random.PCG64(seed_for("ch6_cyclematch", "pairs")))
    images = rng.permutation(int(image_of.max()) + 1)[:pairs]
    return images, np.array([rng.choice(np.flatnonzero(image_of == image)) for image in images])


def tsne(embeddings: NDArray[np.float32], targets: NDArray[np.float32], settings: Figures) -> Floats:
    """Both of n pairs, each (n, d), on one plane, (2, n, 2), by `plane.tsne`."""
    points = plane.tsne(np.concatenate([embeddings, targets]), settings.perplexity, settings.iterations, "ch6_cyclematch.figures")
    return points.reshape(2, -1, 2)


def nearest(maps: Floats) -> float:
    """Of pairs on a map (2, n, 2) the percentage whose embedding has its own target nearest of all targets."""
    distances = np.square(maps[0][:, None] - maps[1][None]).sum(axis=2)
    return 100 * float(np.mean(distances.argmin(axis=1) == np.arange(len(distances))))


def similarities(blocks: recall.Blocks, images: Indices, texts: Indices) -> Floats:
    """Scores of chosen images and texts, (n, m)."""
    return np.stack([blocks[0](slice(image, image + 1))[0, texts] for image in images]).astype(np.float64)


def matched_above(scores: Floats) -> float:
    """The percentage of pairs (the diagonal) that score above the mean of their row and above that of their column."""
    own = np.diag(scores)
    return 100 * float(np.mean((own > scores.mean(axis=1)) & (own > scores.mean(axis=0))))


def scaled(scores: Floats) -> Floats:
    """Scores scaled so that the least is 0 and the greatest 1; all 0 where they are equal."""
    width = np.ptp(scores)
    return (scores - scores.min()) / (width or 1.0)


def example(ranks: Floats, way: str) -> int:
    """A query drawn of those whose right answer comes first, or nearest to the first where none does. ranks : (Q,)."""
    rng = np.random.Generator(np.random.PCG64(seed_for("ch6_cyclematch", "example", way)))
    return int(rng.choice(np.flatnonzero(ranks == ranks.min())))


def curves(scores: Mapping[Score, recall.Blocks], image_of: Indices, no_area: NoArea) -> list[dict[str, object]]:
    """Of an image and of a text query each score's values, sorted, with its area and what it weighs (Figure 6.5): a row a value."""
    images = np.arange(int(image_of.max()) + 1)
    how = Inference(list(scores), "adaptive")
    ranking = fusion.fused(list(scores.values()), how, no_area)
    rows: list[dict[str, object]] = []
    for number, (way, queries, items) in enumerate((("i2t", images, image_of), ("t2i", image_of, images))):
        blocks = [pair[number] for pair in scores.values()]
        areas = fusion.query_areas(blocks, len(queries), len(items))
        weights = fusion.weights(areas, no_area)
        query = example(recall.first_hits(ranking[number], queries, items).ranks(), way)
        kept = np.unique(np.linspace(0, len(items) - 1, RANKS).round().astype(int))
        for place, (score, block) in enumerate(zip(scores, blocks, strict=True)):
            values = np.sort(block(slice(query, query + 1))[0])[::-1]
            facts = {"area": f"{areas[place, query]:.3f}", "weight": f"{weights[place, query]:.4f}"}
            rows += [
                {"direction": way, "query": query, "score": score, **facts, "rank": rank + 1, "value": f"{values[rank]:.4f}"}
                for rank in kept
            ]
    return rows


def weight_rows(dataset: str, scores: Sequence[recall.Blocks], image_of: Indices, no_area: NoArea) -> list[dict[str, object]]:
    """What the visual and the textual score weigh in each query (Figure 6.7): a row a query."""
    images = np.arange(int(image_of.max()) + 1)
    rows: list[dict[str, object]] = []
    for number, (way, queries, items) in enumerate((("i2t", images, image_of), ("t2i", image_of, images))):
        areas = fusion.query_areas([pair[number] for pair in scores], len(queries), len(items))
        visual, textual = fusion.weights(areas, no_area)
        rows += [
            {"dataset": dataset, "direction": way, "query": query, "visual": f"{one:.4f}", "textual": f"{other:.4f}"}
            for query, (one, other) in enumerate(zip(visual, textual, strict=True))
        ]
    return rows
