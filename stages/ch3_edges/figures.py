"""Figure 3.8: precision and recall on a data set's test images, from stored curves, beside the F that the thesis prints of cited methods.

python -m stages.ch3_edges.figures bsds500
"""

import argparse

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stages.core import figures, metrics, stage
from stages.tables.transcript import Table, load_references, load_table

PUBLISHED = "stages/tables/published"
MARKERS = ("o", "v", "^", "<", ">", "s", "p", "P", "*", "h", "X", "D", "d", "8", "H", "x", "+")
DETECTORS = {"canny": "Canny", "se": "Structured Edges (ours)", "gpb-owt-ucm": "gPb-owt-ucm"}


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def mean_curves(curves: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Recall, precision and F at each threshold, mean over seeds: one row for each model and threshold, models in the order given."""
    chosen = curves[curves.model.isin(models)]
    means = chosen.groupby(["model", "threshold"], sort=False)[["recall", "precision", "f"]].mean().reset_index()
    return means.sort_values("model", key=lambda names: names.map(models.index), kind="stable")


def best_scores(file: metrics.MetricsFile) -> dict[str, float]:
    """ODS of each model, mean over seeds."""
    values: dict[str, list[float]] = {}
    for record in file.records:
        if record.metric == "ods":
            values.setdefault(record.model, []).append(record.value)
    return {model: float(np.mean(found)) for model, found in values.items()}


def cited_scores(table: Table) -> dict[str, float]:
    """What Table 3.3 prints as ODS, of all its rows but gPb-owt-ucm's, whose curve is that of the very maps."""
    return {row.label: float(row.cells["ods"]) for row in table.rows if row.id != "gpb-owt-ucm"}


def draw(curves: pd.DataFrame, titles: dict[str, str], scores: dict[str, float], cited: dict[str, float]) -> Figure:
    figure = Figure(figsize=(8.4, 5), layout="constrained")
    axes = figure.subplots()
    recall = np.linspace(0.01, 1, 200)
    for f in np.arange(0.1, 1, 0.1):
        reach = recall[2 * recall > f + 1e-9]
        axes.plot(reach, f * reach / (2 * reach - f), color="#3a9a3a", linewidth=0.4, alpha=0.5)
    for model in sorted(curves.model.unique(), key=lambda name: -scores[name]):
        line = curves[(curves.model == model) & (curves.recall > 0)]
        axes.plot(line.recall, line.precision, linewidth=1.3, label=f"[F={scores[model]:.3f}] {titles[model]}")
    for place, (label, value) in enumerate(sorted(cited.items(), key=lambda item: -item[1])):
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(value, value, marker, color="#888", markersize=4, label=f"[F={value:.3f}] {label} (as printed)")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision", aspect="equal")
    axes.set_title(
        "Figure 3.8. Thin lines: equal F. Grey marks: F as printed in Table 3.3,\nset where precision and recall are equal", fontsize=8
    )
    figure.legend(loc="outside right center", fontsize=7)
    return figure


def main(args: argparse.Namespace, job: stage.Job) -> None:
    curves, scores = [], {}
    for experiment in ("detectors", args.dataset):
        curves.append(pd.read_csv(job.dep(f"reports/metrics/ch3_edges/{experiment}.pr.csv")))
        scores.update(best_scores(metrics.read(job.dep(f"reports/metrics/ch3_edges/{experiment}.json"))))
    titles = DETECTORS | dict(job.param("ch3_edges.figures.curves"))
    lines = mean_curves(pd.concat(curves), list(titles))
    references = load_references(job.dep(f"{PUBLISHED}/references.yaml").parent)
    cited = cited_scores(load_table(job.dep(f"{PUBLISHED}/ch3_edges/table_3_3.yaml"), references))
    points = pd.DataFrame({"model": list(cited), "f": list(cited.values())})
    job.out("reports/figures/ch3_edges/figure_3_8.csv").write_text(pd.concat([lines, points]).to_csv(index=False, lineterminator="\n"))
    with matplotlib.rc_context(figures.STYLE):
        figures.save(draw(lines, titles, scores, cited), job.out("reports/figures/ch3_edges/figure_3_8.svg"), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
