"""Figures 6.4 to 6.7, each with the CSV it was drawn from: maps of embeddings by t-SNE, score curves, similarities, weights.

    python -m stages.ch6_cyclematch.figures flickr30k

Drawn is the network of the first seed; Figure 6.7 is of every set that is compared. What Figures 6.4 and 6.6 are said to show is counted,
of every seed, in <set>.figures.json.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from stages.ch6_cyclematch import embed, fusion, shown, stored
from stages.ch6_cyclematch.fusion_settings import Figures, Fusion, Inference
from stages.ch6_cyclematch.records import Source, record
from stages.ch6_cyclematch.trained import networks
from stages.ch6_cyclematch.training_settings import Network, Variant
from stages.core import figures, inference, metrics, stage
from stages.core.files import write_csv
from stages.datasets.captioned import Described, load_described
from stages.matching import store

# Of Figure 6.4: each panel's embeddings and what they are to match, of the I2T2I branch and of the T2I2T branch.
PANELS = {
    "a": ("dual_i2t2i", "f_I2T(v), t"),
    "b": ("reconstructed_i2t2i", "f_T2I(f_I2T(v)), v"),
    "c": ("latent_i2t2i", "latent of v, of f_I2T(v)"),
    "d": ("dual_t2i2t", "f_T2I(t), v"),
    "e": ("reconstructed_t2i2t", "f_I2T(f_T2I(t)), t"),
    "f": ("latent_t2i2t", "latent of t, of f_T2I(t)"),
}
COLORS = {"visual": "C3", "textual": "C0", "latent": "C2"}
WAYS = {"i2t": "image query", "t2i": "text query"}
FOLDER = "reports/figures/ch6_cyclematch"

Row = Mapping[str, object]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


@dataclass(frozen=True)
class Run:
    """A network's embeddings, the maps of Figure 6.4 by panel, and the scores of Figure 6.6, (pairs, pairs)."""

    embeddings: stored.Embeddings
    maps: Mapping[str, shown.Floats]
    similar: shown.Floats

    def values(self) -> dict[str, float]:
        """What the two figures are said to show, counted."""
        near = {f"nearest_{PANELS[panel][0]}": shown.nearest(both) for panel, both in self.maps.items()}
        return near | {"matched_above": shown.matched_above(self.similar)}


def map_rows(maps: Mapping[str, shown.Floats]) -> list[dict[str, object]]:
    """Every point of Figure 6.4. maps : by panel, (2, n, 2), embeddings and then targets."""
    return [
        {"panel": panel, "points": PANELS[panel][0], "kind": kind, "pair": pair, "x": f"{x:.4f}", "y": f"{y:.4f}"}
        for panel, both in maps.items()
        for kind, points in zip(("embedding", "target"), both, strict=True)
        for pair, (x, y) in enumerate(points)
    ]


def draw_maps(maps: Mapping[str, shown.Floats], title: str) -> Figure:
    """Figure 6.4: a colour for each pair, dots for embeddings, stars for what they are to match."""
    figure = Figure(figsize=(7.2, 5), layout="constrained")
    for axes, (panel, (embeddings, targets)) in zip(figure.subplots(2, 3).flat, maps.items(), strict=True):
        colors = np.arange(len(embeddings))
        axes.scatter(*embeddings.T, c=colors, cmap="hsv", s=10, marker="o", linewidths=0)
        axes.scatter(*targets.T, c=colors, cmap="hsv", s=22, marker="*", linewidths=0)
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"({panel}) {PANELS[panel][1]}", fontsize=8)
    figure.suptitle(title, fontsize=8)
    return figure


def draw_curves(rows: Sequence[Row], queries: Mapping[str, str]) -> Figure:
    """Figure 6.5: the sorted scores of an image and of a text with all items. queries : what the two are, by direction."""
    figure = Figure(figsize=(7.2, 3), layout="constrained")
    panels = dict(zip(WAYS, figure.subplots(1, 2), strict=True))
    for (way, score), line in groupby(rows, key=lambda row: (str(row["direction"]), str(row["score"]))):
        values = list(line)
        label = f"{score}: weight {float(str(values[0]['weight'])):.3f}"
        panels[way].plot([row["rank"] for row in values], [float(str(row["value"])) for row in values], color=COLORS[score], label=label)
    for way, axes in panels.items():
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_title(f"{WAYS[way]}: {queries[way]}", fontsize=7, wrap=True)
        axes.set(xlabel="items, sorted by each score", ylabel="score")
        axes.legend(fontsize=7)
    return figure


def draw_similarities(scores: shown.Floats, title: str) -> Figure:
    """Figure 6.6: scores of pairs, scaled to 0..1."""
    figure = Figure(figsize=(4.4, 3.8), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(scores, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
    axes.grid(visible=False)
    axes.set(xlabel="text", ylabel="image")
    axes.set_title(title, fontsize=8)
    figure.colorbar(picture)
    return figure


def draw_weights(rows: Sequence[Row]) -> Figure:
    """Figure 6.7: both weights of every query, by data set and direction."""
    panels = [(key, list(line)) for key, line in groupby(rows, key=lambda row: (str(row["dataset"]), str(row["direction"])))]
    figure = Figure(figsize=(7.2, 2.6 * len(panels) / 2), layout="constrained")
    for letter, axes, ((dataset, way), line) in zip(
        "abcdefgh", figure.subplots(len(panels) // 2, 2, squeeze=False).flat, panels, strict=False
    ):
        for score in ("visual", "textual"):
            axes.scatter(range(len(line)), [float(str(row[score])) for row in line], s=2, linewidths=0, color=COLORS[score], label=score)
        axes.set(xlabel=f"{WAYS[way]}, by number", ylabel="weight", ylim=(0, 1))
        axes.set_title(f"({letter}) {dataset}: {len(line)} queries", fontsize=8)
        axes.legend(fontsize=7, markerscale=4)
    return figure


def captioned_queries(rows: Sequence[Row], described: Described) -> dict[str, str]:
    """What the two queries of Figure 6.5 are, an image's name and a sentence, by direction."""
    number = {str(row["direction"]): int(str(row["query"])) for row in rows}
    return {"i2t": described.names[number["i2t"]], "t2i": described.captions[number["t2i"]]}


def weights_of(job: stage.Job, model: str, seed: int, rule: Fusion) -> list[dict[str, object]]:
    """The rows of Figure 6.7."""
    rows = []
    for dataset in job.param("ch6_cyclematch.sets.compared"):
        folder = job.dep(job.data(f"predictions/ch6_cyclematch/{dataset}"))
        described = load_described(folder)
        embeddings = stored.load(folder, model, seed, described, job.name)
        rows += shown.weight_rows(dataset, [embeddings.scores("visual"), embeddings.scores("textual")], described.image_of, rule.no_area)
    return rows


def publish_figures(job: stage.Job, run: Run, described: Described, dataset: str, rule: Fusion) -> None:
    """All four, of one network, and the CSVs."""
    embeddings, maps, similar = run.embeddings, run.maps, shown.scaled(run.similar)
    curves = shown.curves({score: embeddings.scores(score) for score in embeddings.compared()}, described.image_of, rule.no_area)
    weights = weights_of(job, embeddings.model, embeddings.seed, rule)
    header = range(len(similar))
    tables = {
        "6_4": map_rows(maps),
        "6_5": curves,
        "6_6": [{"image": image, **dict(zip(header, (f"{value:.4f}" for value in row), strict=True))} for image, row in enumerate(similar)],
        "6_7": weights,
    }
    for number, rows in tables.items():
        write_csv(job.out(f"{FOLDER}/figure_{number}.csv"), rows)
    title = f"{len(similar)} pairs of {dataset} by {embeddings.model}"
    with matplotlib.rc_context(figures.STYLE):
        drawn = {
            "6_4.svg": draw_maps(maps, f"{title}: t-SNE"),
            "6_5.svg": draw_curves(curves, captioned_queries(curves, described)),
            "6_6.png": draw_similarities(similar, f"{title}: mean of two cosines, scaled"),
            "6_7.png": draw_weights(weights),
        }
        for name, figure in drawn.items():
            figures.save(figure, job.out(f"{FOLDER}/figure_{name}"), job.param("protocol"))


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    settings, rule = job.settings(Figures, "ch6_cyclematch.figures"), job.settings(Fusion, "ch6_cyclematch.fusion")
    layers = job.settings(Network, "ch6_cyclematch.network")
    folder = job.dep(job.data(f"predictions/ch6_cyclematch/{args.dataset}"))
    described = load_described(folder)
    images, texts = shown.drawn_pairs(described.image_of, settings.pairs)
    facts = {"unit": "%", "better": "higher", "n": len(images)}
    records: list[metrics.Record] = []
    for name, block, seed, trained in networks(job, args.dataset):
        if name != settings.model:
            continue
        embeddings = stored.load(folder, name, seed, described, job.name)
        variant = job.settings(Variant, f"ch6_cyclematch.variants.{block}.{name}")
        passed = embed.cycles(embed.load(trained, variant, layers, device), embeddings.images[images], embeddings.texts[texts])
        average = fusion.ranking(embeddings, Inference(["visual", "textual"]), rule.no_area)
        maps = {panel: shown.tsne(*passed[points], settings) for panel, (points, _) in PANELS.items()}
        run = Run(embeddings, maps, shown.similarities(average, images, texts))
        if not records:  # the first seed is drawn; counted is every one, for a claim is judged over seeds
            publish_figures(job, run, described, args.dataset, rule)
        source = Source(
            metrics.made_by(embeddings.about, precision.describe(device)), seed, folder / f"{store.file_name(name, seed)}.npz", trained
        )
        records += [record(name, metric, value, source, facts) for metric, value in run.values().items()]
    metrics.publish(job, "ch6_cyclematch", f"{args.dataset}.figures", metrics.dataset_of(folder, args.dataset), records)


if __name__ == "__main__":
    stage.execute(parser(), main)
