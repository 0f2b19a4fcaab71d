"""Figures whose bytes depend on their content only, each beside the CSV it was drawn from."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

from matplotlib.figure import Figure

LABELS = {
    "miniature": "Miniature: generated data and seconds of training. It shows that the machinery works, not the thesis's results.",
    "shortened": "Shortened schedule: fewer iterations than the thesis has.",
    "full": "",
}
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


def save(figure: Figure, path: Path, protocol: str) -> None:
    """Write `figure` in the format of the path's suffix, marked with what the protocol's numbers are worth."""
    if LABELS[protocol]:
        figure.supxlabel(LABELS[protocol], fontsize=7, color="#a00000")
    no_date = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, metadata=no_date)
