"""Figures 8.8, 8.9, 8.12 to 8.16 and 8.18, on generated figures, not people: photographs of people are not drawn.

    python -m stages.ch8_swapgan.panels figures

Shown is what models of the first seed make that has all of them. What each figure shows and by which rule: `stages.ch8_swapgan.drawings`.
"""

import argparse
import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from stages.ch8_swapgan import data, drawings, examples
from stages.ch8_swapgan.figure_settings import Figures
from stages.ch8_swapgan.predict import predicted
from stages.ch8_swapgan.select import UNFIT
from stages.ch8_swapgan.trained import load
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core import arrays, figures, inference, stage
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv
from stages.datasets import reader


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def first_whole(folders: Sequence[Path], names: Collection[str], seeds: Sequence[int]) -> tuple[int, dict[str, Path]]:
    """The first seed with the predictions of all, and their files, of what is not trained without a seed; a UserError if none has."""
    for seed in seeds:
        files = {name: file_of(folders, name, seed) for name in names}
        if all(files.values()):
            return seed, {name: file for name, file in files.items() if file}
    where = " and ".join(map(str, folders))
    raise UserError(f"{where} have no seed with all of {', '.join(sorted(names))}: train them, or shorten the lists of ch8_swapgan.figures")


def file_of(folders: Sequence[Path], name: str, seed: int) -> Path | None:
    """The predictions of a model or baseline, of this seed or without any."""
    files = (folder / f"{stem}.npz" for folder in folders for stem in (f"{name}-seed{seed}", name))
    return next((file for file in files if file.exists()), None)


def swaps(job: stage.Job, photos: data.People, chosen: Figures, folder: Path, pairs: list[tuple[int, int]]) -> NDArray[np.uint8]:
    """X_GI of pairs of reference and condition that are no test pairs."""
    precision, device = inference.start(job)
    variant = job.settings(Variant, f"ch8_swapgan.variants.{chosen.model}")
    model = load(folder, variant, job.settings(Network, "ch8_swapgan.network"), device)
    return predicted(model, dataclasses.replace(photos, pairs=np.array(pairs)), precision, device)["swapped"]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    chosen = job.settings(Figures, "ch8_swapgan.figures")
    prepared = job.dep(job.data(f"prepared/ch8_swapgan/{args.dataset}"))
    train, test = (data.load(prepared, part) for part in data.PARTS)
    if not test.generated or test.truth is None:
        raise UserError(f"{prepared} is of people, and figures are drawn of generated ones alone: take it out of ch8_swapgan.sets.drawn")

    folders = [job.dep(job.data(f"predictions/{kind}/{args.dataset}")) for kind in ("ch8_swapgan", "ch8_swap_baselines")]
    names = {chosen.model, *chosen.upsamplings, *chosen.ablations, *chosen.compared}
    seed, files = first_whole(folders, names, job.param("ch8_swapgan.seeds"))
    made = {name: arrays.read_all(file, job.name) for name, file in files.items()}
    scored = job.dep(job.data(f"predictions/ch8_swap_scores/{args.dataset}"))
    read = {name: arrays.read_named(scored / files[name].name, job.name, "parts_swapped")[0] for name in chosen.ablations}

    source = job.dep(job.data(f"sources/{args.dataset}"))
    selection = read_csv(job.dep(job.data(f"prepared/ch8_swap_selection/{args.dataset}")) / "selection.csv")
    photos = {photo.name: photo.image for photo in reader(args.dataset).photos(source)}
    references, conditions = examples.apart(len(test.names), chosen.side)
    trained = job.dep(job.data(f"models/ch8_swapgan/{args.dataset}")) / f"{chosen.model}-seed{seed}"
    grid = swaps(job, test, chosen, trained, [(r, c) for c in conditions for r in references])

    drawn = {
        "8_8": drawings.maps(train),
        "8_9": drawings.masks(test, made[chosen.model], chosen.images),
        "8_12": drawings.upsamplings(test, made, chosen.upsamplings, chosen.images, chosen.titles),
        "8_13": drawings.suitable(selection, photos, UNFIT, 2 * chosen.images),
        "8_14": drawings.crossed(test, references, conditions, grid),
        "8_15": drawings.by_deformation(test, made, chosen.compared, chosen.titles),
        "8_16": drawings.ablations(test, made, read, chosen.ablations, chosen.titles),
        "8_18": drawings.failures(test, made, chosen.model, chosen.images, chosen.titles),
    }
    for number, (rows, table) in drawn.items():
        place = f"reports/figures/ch8_swapgan/figure_{number}"
        write_csv(job.out(f"{place}.csv"), table)
        with matplotlib.rc_context(figures.STYLE):
            figures.save(figures.grid(rows), job.out(f"{place}.png"), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
