"""What adaptive fusion costs beside average fusion, at the thesis's size: 1,000 images and 5,000 texts, both ways, on one thread.

    python -m benchmarks.fusion

Section 6.4.3 has the times "close" to each other. Alone: of scores that are there. With scores: from embeddings of 2,048 and 4,096
dimensions, as an evaluation does. Times are the processor's, for the machine may be busy.
"""

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.matching import seconds
from stages.ch6_cyclematch.fusion import fused
from stages.ch6_cyclematch.fusion_settings import Inference
from stages.core.runtime import Runtime
from stages.metrics.recall import Blocks, cosines, of_matrix

IMAGES, TEXTS = 1000, 5000
DIMENSIONS = {"visual": 2048, "textual": 4096, "latent": 512}


def both_ways(scores: list[Blocks], how: Inference) -> Callable[[], None]:
    by_images, by_texts = fused(scores, how, "average")

    def work() -> None:
        by_images(slice(0, IMAGES))
        by_texts(slice(0, TEXTS))

    return work


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    Runtime("cpu", 1, "fp32").start()
    random = np.random.default_rng(0)
    pairs = [tuple(random.standard_normal((rows, width), np.float32) for rows in (IMAGES, TEXTS)) for width in DIMENSIONS.values()]
    for count in (2, 3):
        computed = [cosines(pair) for pair in pairs[:count]]
        kept = [of_matrix(blocks[0](slice(0, IMAGES))) for blocks in computed]
        names = list(DIMENSIONS)[:count]
        for what, scores in (("alone", kept), ("with scores", computed)):
            average, adaptive = seconds(both_ways(scores, Inference(names)), both_ways(scores, Inference(names, "adaptive")))
            print(
                f"{count} scores, {what}: average {average:.3f} s, adaptive {adaptive:.3f} s, {adaptive / average:.2f} times as long",
                flush=True,
            )


if __name__ == "__main__":
    main()
