"""What models retrieve for queries, a picture or a sentence, as rows and drawn: Figures 5.5, 6.8 and 7.7."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.datasets.captioned import Described, read_set
from stages.datasets.described import name_of
from stages.datasets.pictures import open_picture
from stages.metrics.recall import Block, Blocks, first_hits

RIGHT = "#1a8a3a"
RANK = "#c00000"
WIDTH, LONG = 40, 68  # letters to a line of a query and of an answer: matplotlib's own wrapping would run into the next column
Way = Literal["i2t", "t2i"]


@dataclass(frozen=True)
class Answer:
    """What a model retrieves for a query: items best first, each with whether it is right; the rank of the first right one."""

    dataset: str
    way: Way
    query: int
    model: str
    items: list[tuple[int, bool]]
    rank: float


@dataclass(frozen=True)
class Ids:
    """What image and text belong together by: of images (N,) and of texts (M,). Of instances the image's number, of classes its class."""

    images: NDArray[np.int64]
    texts: NDArray[np.int64]

    def ways(self) -> tuple[tuple[Way, NDArray[np.int64], NDArray[np.int64]], ...]:
        """Each direction with the ids of its queries and of its items."""
        return ("i2t", self.images, self.texts), ("t2i", self.texts, self.images)


def instances(described: Described) -> Ids:
    return Ids(np.arange(len(described.names)), described.image_of)


def answer(dataset: str, way: Way, query: int, model: str, block: Block, ids: Ids, top: int, rank: float) -> Answer:
    """The first `top` items for a query. block : the scores in this direction."""
    order = np.argsort(-block(slice(query, query + 1))[0], kind="stable")[:top]
    queries, items = (ids.images, ids.texts) if way == "i2t" else (ids.texts, ids.images)
    right = items[order] == queries[query]
    return Answer(dataset, way, query, model, list(zip(order.tolist(), right.tolist(), strict=True)), float(rank))


def gaining(first: NDArray[np.float64], last: NDArray[np.float64], top: int) -> int:
    """The query whose right answer gains most places, of those that end among the first `top`, if any do; of equals the first."""
    return int(np.lexsort((last - first, last > top))[0])


def gained(dataset: str, blocks: Mapping[str, Blocks], ids: Ids, top: int) -> list[Answer]:
    """Of each direction the query that gains most from the first model to the last, and what each model retrieves for it.

    blocks : the scores by model, in the figure's order.
    """
    answers = []
    for number, (way, queries, items) in enumerate(ids.ways()):
        ranks = [first_hits(pair[number], queries, items, name=model).ranks() for model, pair in blocks.items()]
        query = gaining(ranks[0], ranks[-1], top)
        for (model, pair), own in zip(blocks.items(), ranks, strict=True):
            answers.append(answer(dataset, way, query, model, pair[number], ids, top, own[query]))
    return answers


def pictures_of(dataset: str, folder: Path, options: Mapping[str, Any]) -> dict[str, Path]:
    """A set's pictures by name. folder : its source."""
    return {name_of(image): image for image in read_set(dataset, folder, options).images}


def rows(shown: Sequence[Answer], sets: Mapping[str, Described]) -> list[dict[str, object]]:
    """A row an item."""
    found: list[dict[str, object]] = []
    for one in shown:
        names, captions = sets[one.dataset].names, sets[one.dataset].captions
        queries, items = (names, captions) if one.way == "i2t" else (captions, names)
        facts = {"dataset": one.dataset, "direction": one.way, "query": queries[one.query], "model": one.model, "rank": f"{one.rank:g}"}
        found += [{**facts, "place": place, "item": items[item], "right": right} for place, (item, right) in enumerate(one.items, 1)]
    return found


def draw(shown: Sequence[Answer], sets: Mapping[str, Described], pictures: Mapping[str, Mapping[str, Path]], columns: int) -> Figure:
    """A line for each query, a column for each model, whose answers follow each other. sets, pictures : by data set."""
    lines = [shown[first : first + columns] for first in range(0, len(shown), columns)]
    figure = Figure(figsize=(1.8 + 2.4 * columns, 1.5 * len(lines)), layout="constrained")
    panels = figure.subfigures(len(lines), 1 + columns, squeeze=False, width_ratios=[1.8] + [2.4] * columns)
    for columns_of, line in zip(panels, lines, strict=True):
        first = line[0]
        described, files = sets[first.dataset], pictures[first.dataset]
        query = columns_of[0].subplots()
        show(query, files[described.names[first.query]] if first.way == "i2t" else described.captions[first.query])
        query.set_title(f"{first.dataset}: query", fontsize=5)
        for panel, one in zip(columns_of[1:], line, strict=True):
            panel.suptitle(f"{one.model}, right at {one.rank:g}", fontsize=5)
            if first.way == "i2t":
                write(panel.subplots(), [(described.captions[item], right) for item, right in one.items])
                continue
            row = np.atleast_1d(panel.subplots(1, len(one.items)))
            for number, (axes, (item, right)) in enumerate(zip(row, one.items, strict=True), 1):
                show(axes, files[described.names[item]], RIGHT if right else None)
                axes.text(0, 1.07, str(number), fontsize=5, color=RANK, transform=axes.transAxes)
    return figure


def show(axes: Axes, what: Path | str, color: str | None = None) -> None:
    """A picture, framed, or a sentence."""
    if isinstance(what, Path):
        axes.imshow(np.asarray(open_picture(what)))
    else:
        axes.text(0.5, 0.5, fill(what, WIDTH), fontsize=5, ha="center", va="center")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=color is not None, color=color, linewidth=2)


def write(axes: Axes, sentences: Sequence[tuple[str, bool]], size: float = 4) -> None:
    """Sentences below each other, numbered, the right ones green."""
    axes.set_axis_off()
    for number, (sentence, right) in enumerate(sentences):
        line = fill(f"{number + 1}. {sentence}", LONG, subsequent_indent="    ")
        axes.text(0, 1 - (number + 0.5) / len(sentences), line, fontsize=size, color=RIGHT if right else "black", va="center")
