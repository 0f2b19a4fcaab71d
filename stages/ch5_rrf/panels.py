"""Figure 5.5: what the baseline, RRF-Net and the ensemble retrieve for two queries of each of two sets, a picture and a caption.

    python -m stages.ch5_rrf.panels flickr30k

Below this set stands figures.beside. Of each set and direction the query is shown whose right answer gains most places from the
first of the models to the last, which shows it, as the thesis's examples gain.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.ch5_rrf.settings import Figures
from stages.core import figures, stage
from stages.core.files import write_csv
from stages.datasets.captioned import Described, load_described, read_set
from stages.datasets.described import name_of
from stages.datasets.pictures import open_picture
from stages.matching import store
from stages.metrics import recall

RIGHT, WRONG = "#1a8a3a", "#c03030"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


@dataclass(frozen=True)
class Answer:
    """What a model retrieves for a query: items best first, each with whether it is right; the rank of the first right one."""

    dataset: str
    way: str
    query: int
    model: str
    items: list[tuple[int, bool]]
    rank: float


def gaining(first: NDArray[np.float64], last: NDArray[np.float64], top: int) -> int:
    """The query whose right answer gains most places, of those that end among the first `top`, if any do; of equals the first."""
    return int(np.lexsort((last - first, last > top))[0])


def answers(dataset: str, blocks: Mapping[str, recall.Blocks], described: Described, top: int) -> list[Answer]:
    """A query of each direction, and what each model retrieves for it. blocks : the scores by model, in the figure's order."""
    images = np.arange(len(described.names))
    chosen = []
    for number, (way, queries, items) in enumerate((("i2t", images, described.image_of), ("t2i", described.image_of, images))):
        ranks = {model: recall.first_hits(pair[number], queries, items, name=model).ranks() for model, pair in blocks.items()}
        models = list(blocks)
        query = gaining(ranks[models[0]], ranks[models[-1]], top)
        for model, pair in blocks.items():
            order = np.argsort(-pair[number](slice(query, query + 1))[0], kind="stable")[:top]
            found = [(int(item), bool(items[item] == queries[query])) for item in order]
            chosen.append(Answer(dataset, way, query, model, found, float(ranks[model][query])))
    return chosen


def draw(
    shown: Sequence[Answer], sets: Mapping[str, Described], pictures: Mapping[str, Mapping[str, Path]], models: Sequence[str]
) -> Figure:
    """A line for each query, a column for each model. sets, pictures : by data set; pictures by the image's name."""
    lines = [shown[first : first + len(models)] for first in range(0, len(shown), len(models))]
    figure = Figure(figsize=(1.8 + 2.4 * len(models), 1.5 * len(lines)), layout="constrained")
    panels = figure.subfigures(len(lines), 1 + len(models), squeeze=False, width_ratios=[1.8] + [2.4] * len(models))
    for row, line in zip(panels, lines, strict=True):
        first = line[0]
        described, files = sets[first.dataset], pictures[first.dataset]
        query = row[0].subplots()
        _show(query, files[described.names[first.query]] if first.way == "i2t" else described.captions[first.query])
        query.set_title(f"{first.dataset}: query", fontsize=5)
        for panel, answer in zip(row[1:], line, strict=True):
            panel.suptitle(f"{answer.model}, right at {answer.rank:g}", fontsize=5)
            if first.way == "i2t":
                _list(panel.subplots(), [(described.captions[item], right) for item, right in answer.items])
                continue
            for place, (item, right) in zip(np.atleast_1d(panel.subplots(1, len(answer.items))), answer.items, strict=True):
                _show(place, files[described.names[item]], RIGHT if right else None)
    return figure


def _show(axes: Axes, what: Path | str, color: str | None = None) -> None:
    """A picture, framed, or a sentence."""
    if isinstance(what, Path):
        axes.imshow(np.asarray(open_picture(what)))
    else:
        axes.text(0.5, 0.5, what, fontsize=5, ha="center", va="center", wrap=True)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=color is not None, color=color, linewidth=2)


def _list(axes: Axes, sentences: Sequence[tuple[str, bool]]) -> None:
    axes.set_axis_off()
    for number, (sentence, right) in enumerate(sentences):
        line = f"{number + 1}. {sentence}"
        axes.text(0, 1 - (number + 0.5) / len(sentences), line, fontsize=4, color=RIGHT if right else "black", va="center", wrap=True)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings, seed = job.settings(Figures, "ch5_rrf.figures"), job.param("ch5_rrf.seeds")[0]
    ensembles = job.param("ch5_rrf.ensembles")
    shown: list[Answer] = []
    sets, pictures = {}, {}
    for dataset in (args.dataset, settings.beside):
        folder = job.dep(job.data(f"predictions/ch5_rrf/{dataset}"))
        sets[dataset] = described = load_described(folder)
        whole = read_set(dataset, job.dep(job.data(f"sources/{dataset}")), job.param(f"matching.options.{dataset}"))
        pictures[dataset] = {name_of(image): image for image in whole.images}
        blocks = {
            model: store.blocks([store.load(folder, one, seed, described, job.name) for one in ensembles.get(model, [model])])
            for model in settings.models
        }
        shown += answers(dataset, blocks, described, settings.top)
    rows = [
        {
            "dataset": answer.dataset,
            "direction": answer.way,
            "query": sets[answer.dataset].names[answer.query] if answer.way == "i2t" else sets[answer.dataset].captions[answer.query],
            "model": answer.model,
            "rank": f"{answer.rank:g}",
            "place": place,
            "item": sets[answer.dataset].captions[item] if answer.way == "i2t" else sets[answer.dataset].names[item],
            "right": right,
        }
        for answer in shown
        for place, (item, right) in enumerate(answer.items, 1)
    ]
    write_csv(job.out("reports/figures/ch5_rrf/figure_5_5.csv"), rows)
    with matplotlib.rc_context(figures.STYLE):
        drawn = draw(shown, sets, pictures, settings.models)
        figures.save(drawn, job.out("reports/figures/ch5_rrf/figure_5_5.png"), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
