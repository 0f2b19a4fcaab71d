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


def save(figure: Figure, path: Path, protocol: str) -> None:
    """Write `figure` in the format of the path's suffix, marked with what the protocol's numbers are worth."""
    if LABELS[protocol]:
        figure.supxlabel(LABELS[protocol], fontsize=7, color="#a00000")
    no_date = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, metadata=no_date)
