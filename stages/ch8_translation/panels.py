"""Figures 8.3 to 8.6: test pictures, what each network makes of them, and the truth, in both directions.

    python -m stages.ch8_translation.panels 8_3 facades

Shown are pictures at equal distances in the order of their names, by the networks of the first seed that has all. Beside each figure stands
a table of all test pictures with the score of what each network makes of them: of a photo the share of its pixels that the scorer gives
their right class; of a label map that of pixels whose nearest colour is right; else the mean distance of values, in -1..1, to the truth.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from stages.ch8_translation import data, scored
from stages.ch8_translation.figure_settings import Figures
from stages.core import arrays, figures, stage
from stages.core.errors import UserError
from stages.core.files import write_csv
from stages.datasets.translated import IGNORE, nearest

DIRECTIONS = {"forward": ("a", "b"), "backward": ("b", "a")}
PARTS = {  # of each figure, which direction is (a) and which (b)
    "8_3": ("forward", "backward"),
    "8_4": ("forward", "backward"),
    "8_5": ("backward", "forward"),
    "8_6": ("backward", "forward"),
}
Made = Mapping[str, Mapping[str, NDArray]]  # by model: forward, backward and, of a set with label maps, the scorer's `labels`
Labels = NDArray[np.uint8] | None  # of a set with label maps these at the scorer's size, (n, T, T)


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "figure", "dataset")


def first_whole(folder: Path, models: Sequence[str], seeds: Sequence[int]) -> int:
    """The first seed with what all models have made; a UserError where there is none."""
    for seed in seeds:
        if all((folder / f"{model}-seed{seed}.npz").exists() for model in models):
            return seed
    raise UserError(f"{folder} has no seed with all of {', '.join(models)}: train them, or shorten ch8_translation.figures.compared")


def right(labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> list[float]:
    """Of each map (n, H, W) the share of right labels among pixels that have one; NaN where none has."""
    counted = truth != IGNORE
    hits, pixels = ((mask & counted).sum(axis=(1, 2)) for mask in (labels == truth, counted))
    return [hit / count if count else float("nan") for hit, count in zip(hits.tolist(), pixels.tolist(), strict=True)]


def scores(images: data.Images, labels: Labels, made: Mapping[str, NDArray], direction: str) -> list[float]:
    """The score of each picture that a network makes in this direction (see above)."""
    if labels is not None and direction == "forward":
        return right(made["labels"], labels)
    if images.labels is not None:
        return right(nearest(made["backward"], images.palette), images.labels)
    truth = getattr(images, DIRECTIONS[direction][1])
    distances = np.abs(made[direction].astype(np.float64) - truth).mean(axis=(1, 2, 3)) / 127.5
    return distances.tolist()


def table(images: data.Images, labels: Labels, made: Made, direction: str, shown: Sequence[int]) -> list[dict[str, object]]:
    """A row a test picture: its name, each network's score, whether it is shown. An unpaired set has no truth, and no scores."""
    names = images.names[DIRECTIONS[direction][0]]
    by_model = {model: scores(images, labels, one, direction) for model, one in made.items()} if images.paired else {}
    return [
        {"image": name, **{model: f"{values[number]:.4f}" for model, values in by_model.items()}, "shown": int(number in shown)}
        for number, name in enumerate(names)
    ]


def rows_of(images: data.Images, made: Made, direction: str, shown: Sequence[int], titles: Mapping[str, str]) -> list[list[figures.Panel]]:
    """The pictures of a figure by row, with their titles: what is given, what each network makes of it, and the truth, if it is known."""
    given, wanted = (getattr(images, domain) for domain in DIRECTIONS[direction])
    rows = []
    for number in shown:
        row = [("input", given[number]), *((titles.get(model, model), one[direction][number]) for model, one in made.items())]
        rows.append([*row, ("truth", wanted[number])] if images.paired else row)
    return rows


def main(args: argparse.Namespace, job: stage.Job) -> None:
    chosen = job.settings(Figures, "ch8_translation.figures")
    images = data.load(job.dep(job.data(f"prepared/ch8_translation/{args.dataset}")), "test")
    folder = job.dep(job.data(f"predictions/ch8_translation/{args.dataset}"))
    seed = first_whole(folder, chosen.compared, job.param("ch8_translation.seeds"))

    files = {model: f"{model}-seed{seed}.npz" for model in chosen.compared}
    made = {
        model: dict(zip(DIRECTIONS, arrays.read_named(folder / file, job.name, *DIRECTIONS), strict=True)) for model, file in files.items()
    }
    labels = None
    if images.classes:
        labels = scored.labels_of(job.dep(job.data(f"prepared/ch8_scored/{args.dataset}")), "test")
        labelled = job.dep(job.data(f"predictions/ch8_labels/{args.dataset}"))
        for model, file in files.items():
            (made[model]["labels"],) = arrays.read_named(labelled / file, job.name, "labels")
    for part, direction in zip("ab", PARTS[args.figure], strict=True):
        place = f"reports/figures/ch8_translation/figure_{args.figure}{part}"
        shown = figures.spread_out(chosen.images, len(images.names[DIRECTIONS[direction][0]]))
        write_csv(job.out(f"{place}.csv"), table(images, labels, made, direction, shown))
        with matplotlib.rc_context(figures.STYLE):
            figure = figures.grid(rows_of(images, made, direction, shown, chosen.titles))
            figures.save(figure, job.out(f"{place}.png"), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
