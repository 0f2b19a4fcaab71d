"""Figure 4.2: patches of three groups by classical MDS; Figure 4.6: codebook sizes and alpha.

python -m stages.ch4_deepindex.figures holidays
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.ch4_deepindex.sets import load_set
from stages.core import figures, metrics, stage

PLACE = "fc18"  # whose features Figure 4.2 shows
TITLES = {"holidays": "Holidays", "paris6k": "Paris", "ukb": "UKB", "smvs_dvd": "SMVS DVD covers (stand-in)"}
LETTERS = {"holidays": "a", "paris6k": "b", "ukb": "c", "smvs_dvd": "c"}
SCORES = {"map": "mAP (%)", "ns": "N-S"}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    return parser


def embedded(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Classical multi-dimensional scaling of features (n, D) to (n, 3), by Euclidean distance; each axis's largest value is positive."""
    from sklearn.manifold import ClassicalMDS

    found = ClassicalMDS(n_components=3).fit_transform(features.astype(np.float64))
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    return found * np.sign(largest)


def group_points(folder: Path, count: int) -> pd.DataFrame:
    """Every patch of the first `count` groups' images in three dimensions: group, image, patch, x, y, z."""
    about = load_set(folder)
    features = np.load(folder / f"{PLACE}.npy", mmap_mode="r")
    groups: dict[frozenset[int], str] = {}
    for query in about["queries"]:
        groups.setdefault(frozenset([query["image"], *query["relevant"]]), query["name"])
        if len(groups) == count:
            break
    rows = [(name, about["images"][image], image) for images, name in groups.items() for image in sorted(images)]
    points = embedded(np.concatenate([features[image] for _, _, image in rows]).astype(np.float32))
    patches = features.shape[1]
    return pd.DataFrame(
        {
            "group": [name for name, _, _ in rows for _ in range(patches)],
            "image": [image for _, image, _ in rows for _ in range(patches)],
            "patch": list(range(1, patches + 1)) * len(rows),
            **{axis: np.round(points[:, column], 6) for column, axis in enumerate("xyz")},
        }
    )


def draw_groups(points: pd.DataFrame, title: str) -> Figure:
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes: Any = figure.add_subplot(projection="3d")
    for name, group in points.groupby("group", sort=False):
        axes.scatter(group.x, group.y, group.z, s=12, label=str(name))
    axes.set_title(title, fontsize=8)
    axes.legend(title="group", fontsize=7)
    return figure


def draw_curves(curves: dict[str, pd.DataFrame], assignments: int) -> Figure:
    """One panel a data set for the codebook's size, and one for alpha."""
    figure = Figure(figsize=(3.1 * (len(curves) + 1), 3), layout="constrained")
    *sizes, last = figure.subplots(1, len(curves) + 1, squeeze=False)[0]
    first = score_of(next(iter(curves.values())))
    other = last.twinx() if len({score_of(found) for found in curves.values()}) > 1 else last
    for axes, (name, found) in zip(sizes, curves.items(), strict=True):
        for model, line in found[found.words.notna()].groupby("model", sort=False):
            _line(axes, line, "words", score_of(found), str(model))
        axes.set(
            xlabel="words in the codebook",
            ylabel=SCORES[score_of(found)],
            title=f"Figure 4.6 {LETTERS[name]}: {TITLES[name]}, MA = {assignments}",
            xscale="log",
        )
        axes.set_xticks(found.words.dropna().unique(), [f"{words:g}" for words in found.words.dropna().unique()])
        axes.minorticks_off()
        axes.legend(fontsize=6)
        for model, line in found[found.alpha.notna()].groupby("model", sort=False):
            place = last if score_of(found) == first else other
            label = f"{model}, {TITLES[name]} ({SCORES[score_of(found)]})"
            _line(place, line, "alpha", score_of(found), label, linestyle="-" if place is last else "--")
    last.set(xlabel=r"$\alpha$ of the signature", ylabel=SCORES[first], title="Figure 4.6 d")
    if other is not last:
        other.set_ylabel("N-S")
        other.grid(visible=False)
    lines = [*last.get_lines(), *(other.get_lines() if other is not last else [])]
    figure.legend(handles=lines, loc="outside lower right", ncols=len(lines), fontsize=6)
    return figure


def score_of(curves: pd.DataFrame) -> str:
    """By which score the thesis measures the data set of these curves: by N-S wherever it can be had."""
    return "ns" if "ns" in curves else "map"


def _line(axes: Axes, line: pd.DataFrame, x: str, y: str, label: str, **style: Any) -> None:
    means = line.groupby(x)[y].mean()
    color = f"C{len(axes.get_lines()) + (5 if style.get('linestyle') == '--' else 0)}"
    axes.plot(means.index, means.to_numpy(), marker=".", label=label, color=color, **style)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch4_deepindex"]
    folder = Path(job.dep("reports/metrics/ch4_deepindex"))
    source = job.dep(f"data/{scale}/features/ch4_deepindex/{args.dataset}")
    encoder = json.loads((source / "about.json").read_text())["layers"][PLACE].replace(".", " ")
    points = group_points(source, settings["figures"]["shown_groups"])
    curves = {name: pd.read_csv(folder / f"{name}.sweep.csv") for name in settings["sets"]}
    kinds = {name: metrics.read(folder / f"{name}.json") for name in settings["sets"]}
    table = pd.concat([found.assign(dataset=name) for name, found in curves.items()])
    for number, rows in (("4_2", points), ("4_6", table)):
        job.out(f"reports/figures/ch4_deepindex/figure_{number}.csv").write_text(rows.to_csv(index=False, lineterminator="\n"))
    # A stand-in's schedule is not shortened: what it is, is in the titles.
    protocol = "full" if {file.dataset.kind for file in kinds.values() if file.dataset} == {"stand-in"} else job.params["protocol"]
    with matplotlib.rc_context(figures.STYLE):
        title = (
            f"Figure 4.2. {encoder} of all patches of {settings['figures']['shown_groups']} groups\n{TITLES[args.dataset]}, classical MDS"
        )
        figures.save(draw_groups(points, title), Path(job.out("reports/figures/ch4_deepindex/figure_4_2.svg")), protocol)
        figures.save(
            draw_curves(curves, settings["sweep_assignments"]), Path(job.out("reports/figures/ch4_deepindex/figure_4_6.svg")), protocol
        )


if __name__ == "__main__":
    stage.execute(parser(), main)
