"""What models retrieve for queries, a picture or a sentence, as rows and drawn: Figures 5.5 and 6.8."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.datasets.captioned import Described, read_set
from stages.datasets.described import name_of
from stages.datasets.pictures import open_picture
from stages.metrics.recall import Block

RIGHT = "#1a8a3a"
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


def answer(dataset: str, way: Way, query: int, model: str, block: Block, described: Described, top: int, rank: float) -> Answer:
    """The first `top` items for a query. block : the scores in this direction."""
    order = np.argsort(-block(slice(query, query + 1))[0], kind="stable")[:top]
    right = described.image_of[order] == query if way == "i2t" else order == described.image_of[query]
    return Answer(dataset, way, query, model, list(zip(order.tolist(), right.tolist(), strict=True)), float(rank))


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
    for row, line in zip(panels, lines, strict=True):
        first = line[0]
        described, files = sets[first.dataset], pictures[first.dataset]
        query = row[0].subplots()
        _show(query, files[described.names[first.query]] if first.way == "i2t" else described.captions[first.query])
        query.set_title(f"{first.dataset}: query", fontsize=5)
        for panel, one in zip(row[1:], line, strict=True):
            panel.suptitle(f"{one.model}, right at {one.rank:g}", fontsize=5)
            if first.way == "i2t":
                _list(panel.subplots(), [(described.captions[item], right) for item, right in one.items])
                continue
            for axes, (item, right) in zip(np.atleast_1d(panel.subplots(1, len(one.items))), one.items, strict=True):
                _show(axes, files[described.names[item]], RIGHT if right else None)
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
