"""Figures whose bytes depend on their content only, each beside the CSV it was drawn from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
from numpy.typing import NDArray

matplotlib.use("agg")

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

Panel = tuple[str, NDArray]  # a title, and a picture uint8 (H, W, 3)

LABELS = {
    "miniature": "Miniature: generated data and seconds of training. It shows that the machinery works, not the thesis's results.",
    "generated": "Generated figures, not people: trained on drawings of this project. They are no evidence on the thesis's results.",
    "shortened": "Shortened schedule: networks are trained for fewer iterations than in the thesis.",
    "assumed": "Lengths of training are ours: the thesis does not give them.",
    "full": "",
}
LABEL_SIZE, LABEL_COLOR = 7, "#a00000"  # points
LABEL_LINE = 0.12  # inches: whole pixels at 150 an inch, so that what is above stays as sharp as it is
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "thesis", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False, "figure.dpi": 150,
}  # fmt: skip


def draw_bands(table: Any, columns: dict[str, str], *, title: str, ylabel: str) -> Figure:
    """Columns of a table (pandas) over its index, the iterations, each in a band of the deviation that the column `<name>_sd` has.

    columns : name -> label.
    """
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, label in columns.items():
        mean, spread = table[name], table[f"{name}_sd"]
        (line,) = axes.plot(table.index, mean, label=label, linewidth=1.2)
        axes.fill_between(table.index, mean - spread, mean + spread, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(title=title, xlabel="iterations", ylabel=ylabel)
    axes.legend()
    return figure


def fusion_weight_curve(curves: Any, model: str, branches: int) -> Any:
    """Mean fusion weight of a model's branches and its deviation over the elements, over training; means over seeds.

    curves : of several models, as evaluations write them (pandas).
    Returns the columns fusion_weight_1, fusion_weight_1_sd, ... by iteration.
    """
    columns = [f"fusion_weight_{branch}{suffix}" for branch in range(1, branches + 1) for suffix in ("", "_sd")]
    return curves[curves.model == model].groupby("iteration")[columns].mean()


def map_rows(stored: Mapping[str, NDArray]) -> list[dict[str, object]]:
    """Every feature map of `stored`, which has those of branch_1, branch_2, ... as (pictures, maps, H, W), as a row.

    The maps of a picture are in the order of their rank; a map's values stand row by row, with three decimals.
    """
    return [
        {
            "branch": name.removeprefix("branch_"), "picture": picture, "rank": rank + 1, "size": maps.shape[-1],
            "values": " ".join(f"{value:.3f}" for value in maps[picture, rank].ravel()),
        }
        for name, maps in sorted(stored.items()) if name.startswith("branch_")
        for picture in range(maps.shape[0]) for rank in range(maps.shape[1])
    ]  # fmt: skip


def grid(rows: Sequence[Sequence[Panel]]) -> Figure:
    """A figure of pictures with their titles, in rows of as many."""
    heights = [panels[0][1].shape[0] / panels[0][1].shape[1] for panels in rows]
    figure = Figure(figsize=(1.9 * len(rows[0]), sum(1.9 * height + 0.25 for height in heights) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False, height_ratios=heights)
    for line, panels in zip(axes, rows, strict=True):
        for panel, (title, picture) in zip(line, panels, strict=True):
            panel.set_axis_off()
            panel.imshow(picture, interpolation="nearest")
            panel.set_title(title, fontsize=6)
    return figure


def spread_out(count: int, things: int) -> list[int]:
    """`count` of so many things, or all, the middles of parts that are equally long: what a figure shows of a sorted list."""
    count = min(count, things)
    return [(2 * number + 1) * things // (2 * count) for number in range(count)]


def save(figure: Figure, path: Path, protocol: str) -> None:
    """Write `figure` in the format of the path's suffix, above a strip that says what the protocol's numbers are worth."""
    width, height = figure.get_size_inches()
    no_date = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context(STYLE):
        figure.draw_without_rendering()  # so that it is laid out before there is a strip, for which no room is to be made in it
        figure.set_layout_engine("none")
        for legend in figure.legends:  # else they would move to the lower end of the strip
            legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
        strip = _label(figure, LABELS[protocol])
        figure.savefig(path, metadata=no_date, bbox_inches=Bbox([[0, -strip], [width, height]]))


def _label(figure: Figure, text: str) -> float:
    """Write `text` below the figure, where nothing else is, in lines that are not wider than it; how high they are, in inches."""
    if not text:
        return 0.0
    width, height = figure.get_size_inches()
    # A seventh more than the mean letter of matplotlib's own font: an SVG is shown in whatever font there is.
    lines = wrap(text, max(1, int(72 * width / (0.7 * LABEL_SIZE))))
    words = figure.text(0.5, -LABEL_LINE / 2 / height, "\n".join(lines), ha="center", va="top", fontsize=LABEL_SIZE, color=LABEL_COLOR)
    words.set_linespacing(72 * LABEL_LINE / LABEL_SIZE)
    return (len(lines) + 1) * LABEL_LINE
