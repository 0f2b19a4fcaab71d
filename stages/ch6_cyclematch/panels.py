"""Figure 6.8: the first items that CycleMatch by adaptive fusion retrieves, for images and for texts, in success and in failure.

    python -m stages.ch6_cyclematch.panels flickr30k

Below this set stands figures.beside. Of each set and direction a query is drawn of those whose right answer comes first, and one of
those that are shown no right answer.
"""

import argparse

import matplotlib
import numpy as np
from numpy.typing import NDArray

from stages.ch6_cyclematch import fusion, stored
from stages.ch6_cyclematch.fusion_settings import Figures, Fusion, Inference
from stages.core import figures, stage
from stages.core.files import write_csv
from stages.core.seeds import seed_for
from stages.datasets.captioned import Described, load_described
from stages.matching import panels
from stages.metrics import recall

INFERENCE = "adaptive"
FIGURE = "reports/figures/ch6_cyclematch/figure_6_8"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def chosen(ranks: NDArray[np.float64], top: int, *purpose: object) -> list[int]:
    """A query whose right answer comes first and one whose comes after the first `top`, drawn at random; none where there is none."""
    rng = np.random.Generator(np.random.PCG64(seed_for("ch6_cyclematch", "panels", *purpose)))
    return [int(rng.choice(queries)) for queries in map(np.flatnonzero, (ranks == 1, ranks > top)) if len(queries)]


def answers(dataset: str, model: str, blocks: recall.Blocks, described: Described, top: int) -> list[panels.Answer]:
    """What is retrieved for the queries of both directions."""
    ids = panels.instances(described)
    shown = []
    for block, (way, queries, items) in zip(blocks, ids.ways(), strict=True):
        ranks = recall.first_hits(block, queries, items, name=model).ranks()
        for query in chosen(ranks, top, dataset, way):
            shown.append(panels.answer(dataset, way, query, model, block, ids, top, ranks[query]))
    return shown


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings, seed = job.settings(Figures, "ch6_cyclematch.figures"), job.param("ch6_cyclematch.seeds")[0]
    how, rule = job.settings(Inference, f"ch6_cyclematch.inferences.{INFERENCE}"), job.settings(Fusion, "ch6_cyclematch.fusion")
    shown: list[panels.Answer] = []
    sets, pictures = {}, {}
    for dataset in dict.fromkeys((args.dataset, settings.beside)):
        folder = job.dep(job.data(f"predictions/ch6_cyclematch/{dataset}"))
        sets[dataset] = described = load_described(folder)
        source = job.dep(job.data(f"sources/{dataset}"))
        pictures[dataset] = panels.pictures_of(dataset, source, job.param(f"matching.options.{dataset}"))
        blocks = fusion.ranking(stored.load(folder, settings.model, seed, described, job.name), how, rule.no_area)
        shown += answers(dataset, f"{settings.model}:{INFERENCE}", blocks, described, settings.top)
    write_csv(job.out(f"{FIGURE}.csv"), panels.rows(shown, sets))
    with matplotlib.rc_context(figures.STYLE):
        figures.save(panels.draw(shown, sets, pictures, 1), job.out(f"{FIGURE}.png"), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
