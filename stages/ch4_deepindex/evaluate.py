"""mAP and N-S of stored rankings: Tables 4.1 to 4.3, and the curves of Figure 4.6.

python -m stages.ch4_deepindex.evaluate holidays
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.ch4_deepindex.rankings import SWEEP, Model, load_models
from stages.ch4_deepindex.sets import load_set
from stages.core import metrics, stage
from stages.core.files import write_csv
from stages.metrics.ranking import average_precision, ns_score, without


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    return parser


def scores(rankings: list[NDArray], queries: list[dict[str, Any]], by_four: bool) -> dict[str, float]:
    """mAP in percent, and where it is wanted the N-S score, over all queries."""
    kept = [without(ranking, query["ignored"]) for ranking, query in zip(rankings, queries, strict=True)]
    found = {"map": 100 * float(np.mean([average_precision(r, q["relevant"]) for r, q in zip(kept, queries, strict=True)]))}
    if by_four:
        found["ns"] = float(np.mean([ns_score(r, q["relevant"]) for r, q in zip(kept, queries, strict=True)]))
    return found


def records_of(model: Model, found: dict[str, float], about: dict[str, Any]) -> list[metrics.Record]:
    """The scores of one model; those of Table 4.1 are told apart by their multiple assignment."""
    suffix = f"_ma{model.assignments}" if model.assignments else ""
    units = {"map": "%", "ns": "N-S"}
    return [
        metrics.Record(model=model.model, seed=model.seed, metric=name + suffix, value=value, unit=units[name], better="higher", **about)
        for name, value in found.items()
    ]


def dataset_of(name: str, provenance: dict[str, str]) -> metrics.Dataset:
    """The data set, which is a stand-in wherever the thesis does not have it."""
    if "stands_in_for" in provenance:
        role = f"stands in for {provenance['stands_in_for']}"
        return metrics.Dataset(name, "stand-in", "; ".join(filter(None, [role, provenance["note"]])))
    return metrics.Dataset(name, provenance["kind"], provenance["note"])


def encoder_of(places: tuple[str, ...], made: dict[str, Any]) -> str:
    """Which layers of which encoders stand in these places, and of what kind their weights are, in words.

    made : what the features' about.json says; that of older releases does not know of the weights.
    """
    parts = []
    for place in places:
        encoder, layer = made["layers"][place].split(".")
        kind = made.get("weights", {}).get(encoder)
        parts.append(f"{encoder} {layer}" + (f", {kind} weights" if kind else ""))
    return " + ".join(parts)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale = job.params["scale"]
    predictions = Path(job.dep(f"data/{scale}/predictions/ch4_deepindex/{args.dataset}"))
    dataset = load_set(predictions)
    queries = dataset["queries"]
    made = json.loads((predictions / "about.json").read_text())
    records, curves = [], []
    for model, rankings in load_models(predictions, job.name):
        found = scores(rankings, queries, dataset["by_four"])
        if model.model.endswith(SWEEP):
            name = model.model.removesuffix(f"-{SWEEP}")
            curves.append({"model": name, "seed": model.seed, "words": model.words, "alpha": model.alpha, **found})
            continue
        about = {
            "n": len(queries), "determinism": made["determinism"], "precision": made["precision"],
            "encoder": encoder_of(model.places, made), "predictions": predictions.as_posix(),
            "trained": model.trained,
        }  # fmt: skip
        records += records_of(model, found, about)
    metrics.write(
        job.out(f"reports/metrics/ch4_deepindex/{args.dataset}.json"), chapter="ch4_deepindex", experiment=args.dataset, scale=scale,
        protocol=job.params["protocol"], dataset=dataset_of(args.dataset, json.loads((predictions / "provenance.json").read_text())),
        records=records,
    )  # fmt: skip
    write_csv(job.out(f"reports/metrics/ch4_deepindex/{args.dataset}.sweep.csv"), curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
