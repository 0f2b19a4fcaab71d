"""mAP and N-S of stored rankings: Tables 4.1 to 4.3, and the curves of Figure 4.6.

python -m stages.ch4_deepindex.evaluate holidays
"""

import argparse
from typing import Any

from numpy.typing import NDArray

from stages.ch4_deepindex.about import encoder_of, load_about
from stages.ch4_deepindex.rankings import SWEEP, Model, load_models
from stages.core import metrics, stage
from stages.core.files import write_csv
from stages.datasets.described import load_set
from stages.metrics.ranking import average_precision, mean_over, ns_score


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def scores(rankings: list[NDArray], queries: list[dict[str, Any]], by_four: bool) -> dict[str, float]:
    """mAP in percent, and where it is wanted the N-S score, over all queries."""
    values = {"map": 100 * mean_over(average_precision, rankings, queries)}
    return values | ({"ns": mean_over(ns_score, rankings, queries)} if by_four else {})


def records_of(model: Model, values: dict[str, float], facts: dict[str, Any]) -> list[metrics.Record]:
    """The scores of one model; those of Table 4.1 are told apart by their multiple assignment."""
    suffix = f"_ma{model.assignments}" if model.assignments else ""
    units = {"map": "%", "ns": "N-S"}
    return [
        metrics.Record(model=model.model, seed=model.seed, metric=name + suffix, value=value, unit=units[name], better="higher", **facts)
        for name, value in values.items()
    ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    predictions = job.dep(job.data(f"predictions/ch4_deepindex/{args.dataset}"))
    dataset, about = load_set(predictions), load_about(predictions)
    records, curves = [], []
    for model, rankings in load_models(predictions, job.name):
        values = scores(rankings, dataset["queries"], dataset["by_four"])
        if model.model.endswith(SWEEP):
            name = model.model.removesuffix(f"-{SWEEP}")
            curves.append({"model": name, "seed": model.seed, "words": model.words, "alpha": model.alpha, **values})
            continue
        facts = {
            "n": len(dataset["queries"]), "determinism": about["determinism"], "precision": about["precision"],
            "encoder": encoder_of(model.places, about), "predictions": predictions.as_posix(), "trained": model.trained,
        }  # fmt: skip
        records += records_of(model, values, facts)
    metrics.publish(job, "ch4_deepindex", args.dataset, metrics.dataset_of(predictions, args.dataset), records)
    write_csv(job.out(f"reports/metrics/ch4_deepindex/{args.dataset}.sweep.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
