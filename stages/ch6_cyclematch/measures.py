"""What the chapter says of areas (Figure 6.5), weights (Figure 6.7) and variance of test splits (Section 6.4), as numbers."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.core.seeds import seed_for
from stages.metrics import recall

BETWEEN = (0.4, 0.6)  # where Figure 6.7's caption has most weights

Floats = NDArray[np.float64]


def weights_between(weights: Floats) -> float:
    """The share of weights (Q,) in [.4, .6], in percent."""
    low, high = BETWEEN
    return 100 * float(np.mean((weights >= low) & (weights <= high)))


def smaller_area_better(areas: Floats, ranks: Floats) -> tuple[float, int]:
    """Of the queries that two scores rank differently, the percentage that the one of smaller area ranks better; how many these are.

    areas, ranks : (2, Q), ranks of the right answer. Queries of two equal areas are left out, for neither is smaller.
    """
    counted = (areas[0] != areas[1]) & (ranks[0] != ranks[1])
    agree = (areas[0] < areas[1]) == (ranks[0] < ranks[1])
    return 100 * float(agree[counted].mean()) if counted.any() else 0.0, int(counted.sum())


def resampled(images: int, times: int) -> NDArray[np.int64]:
    """How often each image is drawn when as many as there are are drawn with replacement, (times, images). The same draws every time."""
    rng = np.random.Generator(np.random.PCG64(seed_for("ch6_cyclematch", "bootstrap", images)))
    return rng.multinomial(images, np.full(images, 1 / images), size=times)


def bootstrapped(blocks: recall.Blocks, image_of: NDArray[np.int64], draws: NDArray[np.int64], name: str) -> dict[str, float]:
    """The deviation of each recall over draws of queries, the gallery being whole: i2t_r1_bootstrap, ..., mean_recall_bootstrap.

    Images are drawn, and texts with their image, for captions of one picture succeed and fail together. draws : of `resampled`.
    """
    images = draws.shape[1]
    alone = np.arange(images)
    recalls = {}
    for way, block, queries, items in (("i2t", blocks[0], alone, image_of), ("t2i", blocks[1], image_of, alone)):
        hits = recall.first_hits(block, queries, items, name=f"{name}, {way},")
        asked = draws @ np.bincount(queries, minlength=images)
        for k in recall.KS:
            recalls[f"{way}_r{k}"] = 100 * (draws @ np.bincount(queries, hits.within(k), images)) / asked
    recalls["mean_recall"] = np.mean(list(recalls.values()), axis=0)
    return {f"{metric}_bootstrap": float(values.std(ddof=1)) for metric, values in recalls.items()}


def part_of(blocks: recall.Blocks, images: NDArray[np.int64], texts: NDArray[np.int64]) -> recall.Blocks:
    """The scores of some images with some texts, both consecutive, as if there were no others."""

    def block(way: int, queries: NDArray[np.int64], items: NDArray[np.int64]) -> recall.Block:
        first = int(queries[0])
        return lambda rows: blocks[way](slice(first + rows.start, first + rows.stop))[:, items]

    return block(0, images, texts), block(1, texts, images)


def over_splits(
    scores: Sequence[recall.Blocks],
    fuse: Callable[[Sequence[recall.Blocks]], recall.Blocks],
    image_of: NDArray[np.int64],
    images: int,
    split: int,
    name: str,
) -> dict[str, float]:
    """The deviation of each recall over the first images // split disjoint test sets of `split` images: i2t_r1_splits, ...

    Empty where there are fewer than two. Each set has its own gallery. scores : unfused, for what `fuse` makes of them may depend on it.
    """
    number = images // split
    if number < 2:
        return {}
    parts = [
        recall.evaluate(fuse([part_of(one, own, texts) for one in scores]), np.arange(split), image_of[texts] - own[0], name=name)
        for own, texts in recall.folds(image_of, number * split, number)
    ]
    recalls = [metric for metric in parts[0] if not metric.endswith("rank")]
    return {f"{metric}_splits": float(np.std([part[metric] for part in parts], ddof=1)) for metric in recalls}
