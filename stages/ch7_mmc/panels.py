"""Figures 7.7 and 7.8 of one set: what MM-Net and MMC-Net retrieve, and which classes MC-Net and MMC-Net predict.

    python -m stages.ch7_mmc.panels pascal_sentence

Shown is what gains most from the first of the networks to the last, of that which the last has right: of each direction a query, and of
the pairs of an image and a text one, by the mean rank of its classes.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from stages.ch7_mmc import shown, stored
from stages.ch7_mmc.figure_settings import Figures
from stages.ch7_mmc.records import protocol
from stages.core import figures, stage
from stages.core.errors import UserError
from stages.core.files import write_csv
from stages.datasets.captioned import Described, load_described
from stages.matching import panels
from stages.metrics import labels, recall

FOLDER = "reports/figures/ch7_mmc"

Row = Mapping[str, object]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def ids_of(described: Described, relevance: str) -> panels.Ids:
    """By which an answer is right. relevance : instance, or class; a UserError where an image has not one class."""
    if relevance == "instance":
        return panels.instances(described)
    if described.labels is None or not described.single:
        raise UserError("ch7_mmc.evaluation.relevance is class for a set whose images have not one label each: make it instance")
    of_images = described.labels.argmax(axis=1)
    return panels.Ids(of_images, of_images[described.image_of])


def cosines(predicted: stored.Predicted) -> recall.Blocks:
    assert predicted.images is not None and predicted.texts is not None
    return recall.cosines((predicted.images, predicted.texts))


def predicted_classes(logits: Mapping[str, np.ndarray], described: Described, dataset: str, count: int) -> list[dict[str, object]]:
    """The classes that each network gives the pair that gains most, the likeliest first: a row each. logits : (m, C) by network."""
    assert described.labels is not None
    right = described.labels[described.image_of]
    labelled = np.flatnonzero(right.any(axis=1))
    if not len(labelled):
        raise UserError(f"no test image of {dataset} has a label, so Figure 7.8 has nothing to show: take it out of ch7_mmc.sets.pictured")
    ranks = [shown.mean_ranks(scores[labelled], right[labelled]) for scores in logits.values()]
    pair = labelled[panels.gaining(ranks[0], ranks[-1], count)]
    facts = {"dataset": dataset, "image": described.names[described.image_of[pair]], "text": described.captions[pair]}
    rows = []
    for model, scores in logits.items():
        probabilities = labels.probabilities(scores[[pair]], described.single)[0]
        for rank, number in enumerate(np.argsort(-scores[pair], kind="stable")[:count], 1):
            one = {"class": described.classes[number], "probability": f"{probabilities[number]:.4f}", "right": right[pair, number]}
            rows.append({**facts, "model": model, "rank": rank, **one})
    return rows


def draw_classes(rows: list[dict[str, object]], picture: Path) -> Figure:
    """Figure 7.8, one set: the picture, its text, and a column of classes for each network, right ones green."""
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    figure = Figure(figsize=(3.6 + 1.6 * len(models), 1.8), layout="constrained")
    image, text, *columns = figure.subplots(1, 2 + len(models), width_ratios=[1.8, 1.8] + [1.6] * len(models))
    panels.show(image, picture)
    panels.show(text, str(rows[0]["text"]))
    image.set_title(str(rows[0]["dataset"]), fontsize=6)
    for axes, model in zip(columns, models, strict=True):
        own = [(str(row["class"]), bool(row["right"])) for row in rows if row["model"] == model]
        panels.write(axes, own, size=6)
        axes.set_title(model, fontsize=6)
    return figure


def main(args: argparse.Namespace, job: stage.Job) -> None:
    chosen, seed = job.settings(Figures, "ch7_mmc.figures"), job.param("ch7_mmc.seeds")[0]
    folder = job.dep(job.data(f"predictions/ch7_mmc/{args.dataset}"))
    described = load_described(folder)
    source, options = job.dep(job.data(f"sources/{args.dataset}")), job.param(f"matching.options.{args.dataset}")
    pictures = panels.pictures_of(args.dataset, source, options)

    def read(model: str) -> stored.Predicted:
        return stored.load(folder, model, seed, described, job.name)

    blocks = {model: cosines(read(model)) for model in chosen.retrieving}
    logits = {model: read(model).scores_of_pairs(described) for model in chosen.classifying}
    ids = ids_of(described, job.param(f"ch7_mmc.evaluation.relevance.{args.dataset}"))
    retrieved = panels.gained(args.dataset, blocks, ids, chosen.top)
    classified = predicted_classes(logits, described, args.dataset, chosen.predictions)
    with matplotlib.rc_context(figures.STYLE):
        sets = {args.dataset: described}
        drawn = {
            "7_7": (panels.draw(retrieved, sets, {args.dataset: pictures}, len(blocks)), panels.rows(retrieved, sets)),
            "7_8": (draw_classes(classified, pictures[str(classified[0]["image"])]), classified),
        }
        for number, (figure, rows) in drawn.items():
            write_csv(job.out(f"{FOLDER}/figure_{number}_{args.dataset}.csv"), rows)
            figures.save(figure, job.out(f"{FOLDER}/figure_{number}_{args.dataset}.png"), protocol(job))


if __name__ == "__main__":
    stage.execute(parser(), main)
