"""Figures 7.3 and 7.9 to 7.12, each with the CSV it was drawn from.

    python -m stages.ch7_mmc.figures map mscoco                     7.3, embeddings by t-SNE
    python -m stages.ch7_mmc.figures sweeps pascal_sentence         7.9 and 7.10, recalls over beta and D
    python -m stages.ch7_mmc.figures classes flowers102_texts       7.11, accuracy over beta and D, and which classes are taken for which
    python -m stages.ch7_mmc.figures curves cub200_texts            7.12, test accuracy over the iterations

Drawn of Figures 7.3 and 7.11c is the network of the first seed, of all others the mean over seeds and the range. What 7.3, 7.11c and 7.12
are said to show is counted, of every seed, in <set>.map.json, <set>.confusion.json and <set>.curves.json.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from stages.ch7_mmc import shown, stored
from stages.ch7_mmc.figure_settings import Figures
from stages.ch7_mmc.records import protocol
from stages.ch7_mmc.training_settings import PerSet, Variant
from stages.core import figures, metrics, settings, stage, trainings
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv
from stages.datasets.captioned import Described, load_described
from stages.matching import plane
from stages.metrics import labels

FOLDER = "reports/figures/ch7_mmc"
METRICS = "reports/metrics/ch7_mmc"
COLORS = {"image": "C3", "text": "C2"}  # as Figure 7.3 has them
WAYS = {"i2t": "image to text", "t2i": "text to image"}
RECALLS = {f"R@{k}": {f"{way}_r{k}": label for way, label in WAYS.items()} for k in (1, 5, 10)}
AXES = {"beta": "β", "dimension": "D"}

Parameter = Literal["beta", "dimension"]
Row = Mapping[str, object]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "figures", "dataset")


def save(job: stage.Job, number: str, figure: Figure, rows: Sequence[Row], kind: str = "svg") -> None:
    write_csv(job.out(f"{FOLDER}/figure_{number}.csv"), rows)
    figures.save(figure, job.out(f"{FOLDER}/figure_{number}.{kind}"), protocol(job))


def evaluated(job: stage.Job, dataset: str) -> metrics.MetricsFile:
    return metrics.read(job.dep(f"{METRICS}/{dataset}.json"))


def counted(file: metrics.MetricsFile, like: str, model: str, seed: int, metric: str, value: float, n: int) -> metrics.Record:
    """A percentage of `n`, of which the same is to be said as of the metric `like` of the same network."""
    for record in file.records:
        if (record.metric, record.model, record.seed) == (like, model, seed):
            return replace(record, metric=metric, value=value, unit="%", better="higher", n=n)
    raise UserError(f"{METRICS}/{file.experiment}.json has no {like} of {model} with seed {seed}: run `dvc repro ch7_evaluate` again")


def judged_by(file: metrics.MetricsFile) -> str:
    """How a set's classes are judged: accuracy of one, average precision of several."""
    return "accuracy" if any(record.metric == "accuracy" for record in file.records) else "ap"


def predictions(job: stage.Job, dataset: str, model: str) -> Iterator[tuple[stored.Predicted, Described]]:
    """A network's of every seed that there is."""
    folder = job.dep(job.data(f"predictions/ch7_mmc/{dataset}"))
    described = load_described(folder)
    for _, seed, _ in trainings.available(job, folder.as_posix(), [model], job.param("ch7_mmc.seeds"), "{model}-seed{seed}.npz"):
        yield stored.load(folder, model, seed, described, job.name), described


def draw_map(rows: Sequence[Row], title: str) -> Figure:
    """Figure 7.3: images red, texts green, and a line from each text to its image."""
    figure = Figure(figsize=(6, 5.4), layout="constrained")
    axes = figure.subplots()
    points = [(row["kind"], row["image"], (float(str(row["x"])), float(str(row["y"])))) for row in rows]
    images = {image: point for kind, image, point in points if kind == "image"}
    joined = [(images[image], point) for kind, image, point in points if kind == "text"]
    axes.add_collection(LineCollection(joined, colors="0.7", linewidths=0.3, zorder=1))
    for kind, size in (("text", 5), ("image", 12)):
        x, y = zip(*(point for own, _, point in points if own == kind), strict=True)
        axes.scatter(x, y, s=size, linewidths=0, color=COLORS[kind], label=f"{kind}s", zorder=2)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)
    axes.legend(fontsize=7, markerscale=2)
    return figure


def embedding_map(job: stage.Job, dataset: str, chosen: Figures) -> None:
    file = evaluated(job, dataset)
    records: list[metrics.Record] = []
    for predicted, described in predictions(job, dataset, chosen.model):
        assert predicted.images is not None and predicted.texts is not None
        images, texts = shown.drawn_images(described.image_of, chosen.images)
        both = np.concatenate([predicted.images[images], predicted.texts[texts]])
        points = plane.tsne(both, chosen.perplexity, chosen.iterations, "ch7_mmc.figures")
        of_images, of_texts = points[: len(images)], points[len(images) :]
        nearest, of_five = shown.neighbours(of_images, of_texts, images[:, None] == described.image_of[texts])
        if not records:
            rows: list[dict[str, object]] = [
                {"kind": "image", "image": image, "text": "", "x": f"{x:.4f}", "y": f"{y:.4f}", "nearest_own": one, "of_five_own": five}
                for image, (x, y), one, five in zip(images, of_images, nearest, of_five, strict=True)
            ]
            rows += [
                {"kind": "text", "image": described.image_of[text], "text": text, "x": f"{x:.4f}", "y": f"{y:.4f}"}
                for text, (x, y) in zip(texts, of_texts, strict=True)
            ]
            count = f"{len(images)} images of {dataset} and {len(texts)} texts by {chosen.model}: t-SNE"
            save(job, "7_3", draw_map(rows, f"{count}\n{np.count_nonzero(nearest)} images have a text of their own nearest"), rows, "png")
        values = {"nearest_own": 100 * float(nearest.mean()), "five_nearest_own": 100 * float(of_five.mean()) / shown.NEIGHBOURS}
        for metric, value in values.items():
            records.append(counted(file, "i2t_r1", predicted.model, predicted.seed, metric, value, len(images)))
    metrics.publish(job, "ch7_mmc", f"{dataset}.map", file.dataset, records, protocol(job))


def lines(axes: Axes, rows: Iterable[Row], by: str, over: str, labelled: Mapping[str, str], marker: str = "") -> None:
    """A line for each value of the column `by` over the column `over`, in a band that is the range over seeds."""
    for name, group in groupby(rows, key=lambda row: str(row[by])):
        x, mean, low, high = np.array([[float(str(row[key])) for key in (over, "mean", "low", "high")] for row in group]).T
        (line,) = axes.plot(x, mean, marker=marker, markersize=3, linewidth=1.2, label=labelled.get(name, name))
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def draw_sweep(rows: Sequence[Row], parameter: Parameter, panels: Mapping[str, Mapping[str, str]], chosen: float, title: str) -> Figure:
    """A panel for the metrics that belong together, over the values of a parameter. panels : by title, metrics with their labels."""
    figure = Figure(figsize=(max(3.6, 2.6 * len(panels)), 2.8), layout="constrained")
    for axes, (name, labelled) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        lines(axes, [row for row in rows if row["metric"] in labelled], "metric", parameter, labelled, "o")
        axes.axvline(chosen, color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlabel=AXES[parameter], ylabel=f"{name}, %")
        if parameter == "dimension":
            axes.set_xscale("log", base=2)
        if len(labelled) > 1:
            axes.legend(fontsize=7)
    figure.suptitle(f"{title}; dotted: the value chosen", fontsize=8)
    return figure


def draw_sweeps(job: stage.Job, dataset: str, chosen: Figures, role: str, numbers: Mapping[Parameter, str], panels: Mapping) -> None:
    """A figure for each parameter. role : of the blocks that hold the points."""
    per_set = job.settings(PerSet, f"ch7_mmc.per_set.{dataset}")
    blocks = [job.param("ch7_mmc.variants")[block] for block in job.param(f"ch7_mmc.models.{role}")]
    variants = [(name, settings.build(Variant, values, name)) for block in blocks for name, values in block.items()]
    file = evaluated(job, dataset)
    for parameter, number in numbers.items():
        values = shown.points(parameter, variants, chosen.model, per_set)
        rows = shown.sweep(parameter, values, [metric for labelled in panels.values() for metric in labelled], file.records)
        if not rows:
            raise UserError(f"{METRICS}/{dataset}.json has none of {', '.join(values)}, which Figure {number.replace('_', '.')} shows")
        figure = draw_sweep(rows, parameter, panels, getattr(per_set, parameter), f"{dataset}, {chosen.model} over {AXES[parameter]}")
        save(job, number, figure, rows)


def sweeps(job: stage.Job, dataset: str, chosen: Figures) -> None:
    draw_sweeps(job, dataset, chosen, "swept", {"beta": "7_9", "dimension": "7_10"}, RECALLS)


def draw_confusion(counts: np.ndarray, title: str) -> Figure:
    """Figure 7.11c: of each class the share of its examples that is taken for each. counts : (C, C), a row for each class."""
    figure = Figure(figsize=(4.4, 3.8), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares(counts), vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
    axes.grid(visible=False)
    axes.set(xlabel="predicted class", ylabel="class")
    axes.set_title(title, fontsize=8)
    figure.colorbar(picture)
    return figure


def shares(counts: np.ndarray) -> np.ndarray:
    """Each row by its sum; a row of none stays."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def confusion_of(predicted: stored.Predicted, described: Described, over: str) -> np.ndarray:
    """How many pairs, or images, of each class are taken for each, (C, C). over : pairs or images, as `ch7_mmc.evaluation.accuracy`."""
    assert described.labels is not None
    own, count = described.labels.argmax(axis=1), len(described.classes)
    of_pairs = labels.probabilities(predicted.scores_of_pairs(described), single=True)
    if over == "pairs":
        return labels.confusion(of_pairs.argmax(axis=1), own[described.image_of], count)
    return labels.confusion(labels.mean_by_image(of_pairs, described.image_of, len(own)).argmax(axis=1), own, count)


def classes(job: stage.Job, dataset: str, chosen: Figures) -> None:
    file = evaluated(job, dataset)
    records: list[metrics.Record] = []
    metric = judged_by(file)
    if metric != "accuracy":
        raise UserError(
            f"ch7_mmc.sets.swept_classes has {dataset}, whose images have several labels: Figure 7.11c is of sets that give one"
        )
    draw_sweeps(job, dataset, chosen, "swept_classes", {"beta": "7_11a", "dimension": "7_11b"}, {metric: {metric: metric}})
    for predicted, described in predictions(job, dataset, chosen.model):
        counts = confusion_of(predicted, described, job.param("ch7_mmc.evaluation.accuracy"))
        of_class = np.diag(shares(counts))[counts.any(axis=1)]
        value = 100 * float(of_class.mean())
        if not records:
            rows = [
                {"class": name, **dict(zip(described.classes, row, strict=True))}
                for name, row in zip(described.classes, counts, strict=True)
            ]
            save(job, "7_11c", draw_confusion(counts, f"{dataset} by {chosen.model}; mean of the diagonal {value:.1f} %"), rows, "png")
        records.append(counted(file, metric, predicted.model, predicted.seed, "confusion_diagonal", value, len(of_class)))
    metrics.publish(job, "ch7_mmc", f"{dataset}.confusion", file.dataset, records, protocol(job))


def draw_curves(rows: Sequence[Row], dataset: str, metric: str) -> Figure:
    """Figure 7.12, one set."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    lines(axes, rows, "model", "iteration", {})
    axes.set(title=dataset, xlabel="iterations", ylabel=f"test {metric}, %")
    axes.legend()
    return figure


def learning_curves(job: stage.Job, dataset: str, chosen: Figures) -> None:
    file, read = evaluated(job, dataset), read_csv(job.dep(f"{METRICS}/{dataset}.training.csv"))
    metric, (lower, *_, higher) = judged_by(file), chosen.learning
    rows, records = shown.curves(read, chosen.learning), []
    for seed, (value, n) in shown.above(read, lower, higher).items():
        records.append(counted(file, metric, higher, seed, f"above_{lower}", value, n))
    if not records:
        raise UserError(f"{METRICS}/{dataset}.training.csv has no test accuracies of {lower} and {higher} at the same iterations")
    save(job, f"7_12_{dataset}", draw_curves(rows, dataset, metric), rows)
    metrics.publish(job, "ch7_mmc", f"{dataset}.curves", file.dataset, records, protocol(job))


DRAWN = {"map": embedding_map, "sweeps": sweeps, "classes": classes, "curves": learning_curves}


def main(args: argparse.Namespace, job: stage.Job) -> None:
    with matplotlib.rc_context(figures.STYLE):
        DRAWN[args.figures](job, args.dataset, job.settings(Figures, "ch7_mmc.figures"))


if __name__ == "__main__":
    stage.execute(parser(), main)
