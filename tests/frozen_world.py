"""A small frozen world: four experiments of one chapter, one for each way in which chapters lay their stages out.

coarse : one stage predicts all networks, from the folder of their models
split  : each network is predicted by a stage of its own; a published one, which nobody trains, beside them
codes  : no network is trained, codebooks are; a scan of everything needs none
tuned  : networks that start from another one, which was trained on another data set

Outputs are named in the lock only; their checksums follow from parameters and from what a stage reads, as DVC's do.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from audit_project import write

from stages.core import metrics
from stages.core.metrics import Dataset, Record
from workflow.lock import Lock

CHAPTER = "ch9_frozen"
MODELS, CODEBOOKS, PREDICTIONS, SOURCES = (f"data/mini/{kind}" for kind in ("models", "codebooks", "predictions", "sources"))
METRICS = f"reports/metrics/{CHAPTER}"
STEPS = 90
# Each stage: what it reads, what it makes. Those that train have the parameter `<experiment>.<model>.steps` besides.
STAGES: dict[str, tuple[list[str], str]] = {
    "download@set1": ([], f"{SOURCES}/set1"),
    "download@set2": ([], f"{SOURCES}/set2"),
    "coarse_train@set1-a-0": ([f"{SOURCES}/set1"], f"{MODELS}/coarse/set1/a-seed0"),
    "coarse_train@set1-b-0": ([f"{SOURCES}/set1"], f"{MODELS}/coarse/set1/b-seed0"),
    "coarse_predict@set1": ([f"{MODELS}/coarse/set1", f"{SOURCES}/set1"], f"{PREDICTIONS}/coarse/set1"),
    "coarse_evaluate@set1": ([f"{PREDICTIONS}/coarse/set1"], f"{METRICS}/coarse.json"),
    "split_train@set1-a-0": ([f"{SOURCES}/set1"], f"{MODELS}/split/set1/a-seed0"),
    "split_train@set1-b-0": ([f"{SOURCES}/set1"], f"{MODELS}/split/set1/b-seed0"),
    "split_train@set2-a-0": ([f"{SOURCES}/set2"], f"{MODELS}/split/set2/a-seed0"),
    "split_predict@set1-a-0": ([f"{MODELS}/split/set1/a-seed0", f"{SOURCES}/set1"], f"{PREDICTIONS}/split/set1/a-seed0"),
    "split_predict@set1-b-0": ([f"{MODELS}/split/set1/b-seed0", f"{SOURCES}/set1"], f"{PREDICTIONS}/split/set1/b-seed0"),
    "split_predict@set2-a-0": ([f"{MODELS}/split/set2/a-seed0", f"{SOURCES}/set2"], f"{PREDICTIONS}/split/set2/a-seed0"),
    "split_predict_published@set1": ([f"{SOURCES}/set1"], f"{PREDICTIONS}/split/set1/published"),
    "split_evaluate@set1": ([f"{MODELS}/split/set1", f"{PREDICTIONS}/split/set1"], f"{METRICS}/split.json"),
    "codes_features@set1": ([f"{SOURCES}/set1"], "data/mini/features/codes/set1"),
    "codes_codebooks@set1-0": (["data/mini/features/codes/set1"], f"{CODEBOOKS}/codes/set1/seed0"),
    "codes_rank@set1": (["data/mini/features/codes/set1", f"{CODEBOOKS}/codes/set1/seed0"], f"{PREDICTIONS}/codes/set1"),
    "codes_evaluate@set1": ([f"{PREDICTIONS}/codes/set1"], f"{METRICS}/codes.json"),
    "tuned_pretrain@set2-base-0": ([f"{SOURCES}/set2"], f"{MODELS}/tuned/set2/base-seed0"),
    "tuned_train@set1-plain-0": ([f"{SOURCES}/set1"], f"{MODELS}/tuned/set1/plain-seed0"),
    "tuned_finetune@set1-net-0": ([f"{MODELS}/tuned/set2/base-seed0", f"{SOURCES}/set1"], f"{MODELS}/tuned/set1/net-seed0"),
    "tuned_predict@set1-plain-0": ([f"{MODELS}/tuned/set1/plain-seed0", f"{SOURCES}/set1"], f"{PREDICTIONS}/tuned/set1/plain-seed0"),
    "tuned_predict@set1-net-0": ([f"{MODELS}/tuned/set1/net-seed0", f"{SOURCES}/set1"], f"{PREDICTIONS}/tuned/set1/net-seed0"),
    "tuned_evaluate@set1": ([f"{PREDICTIONS}/tuned/set1", f"{MODELS}/tuned/set1"], f"{METRICS}/tuned.json"),
    f"tables@{CHAPTER}": ([METRICS], f"reports/tables/{CHAPTER}"),
}
# By cell, row and column: the trainings that led to its number; what else did, besides the evaluation and the download of set1.
CELLS: dict[str, tuple[set[str], set[str]]] = {
    "a coarse": ({"coarse_train@set1-a-0"}, {"coarse_predict@set1"}),
    "b coarse": ({"coarse_train@set1-b-0"}, {"coarse_predict@set1"}),
    # A stage that has the data set's whole name might have to do with it; other networks' have not.
    "a split": ({"split_train@set1-a-0"}, {"split_predict@set1-a-0", "split_predict_published@set1"}),
    "published split": (set(), {"split_predict_published@set1"}),
    "index codes": ({"codes_codebooks@set1-0"}, {"codes_rank@set1", "codes_features@set1"}),
    "scan codes": (set(), {"codes_rank@set1", "codes_features@set1"}),
    "plain tuned": ({"tuned_train@set1-plain-0"}, {"tuned_predict@set1-plain-0"}),
    "net tuned": ({"tuned_finetune@set1-net-0", "tuned_pretrain@set2-base-0"}, {"tuned_predict@set1-net-0", "download@set2"}),
}
ENTRY = {"title": "A set", "page": "https://a/", "url": "https://a/one.tar", "md5": "1", "size": 1, "licence": "CC0"}


def record(model: str, experiment: str, value: float) -> Record:
    """An error of a model, with the paths of its predictions and of what was trained for it."""
    own = {"index": f"{PREDICTIONS}/codes/set1/index.npz", "scan": f"{PREDICTIONS}/codes/set1/scan.npz"}
    own |= {"published": f"{PREDICTIONS}/split/set1/published"}
    trained = {"index": f"{CODEBOOKS}/codes/set1/seed0", "scan": None, "published": None}
    ending = ".npz" if experiment == "coarse" else ""
    return Record(
        model, "error", value, "%", "lower", "bitwise", seed=None if model in ("scan", "published") else 0, n=100,
        predictions=own.get(model, f"{PREDICTIONS}/{experiment}/set1/{model}-seed0{ending}"),
        trained=trained.get(model, f"{MODELS}/{experiment}/set1/{model}-seed0"),
    )  # fmt: skip


def build(steps: dict[str, int] | None = None) -> Lock:
    """Write the world into the current folder; some trainings, by their names, with other steps. An error is the sum of its steps.

    Returns its lock.
    """
    stages: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for name, (deps, out) in STAGES.items():
        params: dict[str, Any] = {}
        if out.startswith((MODELS, CODEBOOKS)):
            params = {"params.yaml": {f"{name.replace('@', '.')}.steps": (steps or {}).get(name, STEPS)}}
        if name.startswith("download"):
            params = {"workflow/sources.yaml": {out.rpartition("/")[2]: ENTRY}}
        read = {dep: [digest for path, digest in digests.items() if f"{path}/".startswith(f"{dep}/")] for dep in deps}
        digests[out] = hashlib.md5(json.dumps([name, params, read]).encode()).hexdigest()
        stages[name] = {
            "cmd": f"python -m stages.{name.replace('@', ' ')}",
            "deps": [{"path": dep, "md5": hashlib.md5(json.dumps(read[dep]).encode()).hexdigest(), "size": 1} for dep in deps],
            "params": params,
            "outs": [{"path": out, "md5": digests[out], "size": 1}],
        }
    write("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))
    write("dvc.yaml", yaml.safe_dump({"stages": {name.partition("@")[0]: {"cmd": "x"} for name in STAGES}}))
    write("params.yaml", "scale: mini\n")
    errors = {cell: float(sum((steps or {}).get(name, STEPS) for name in trained)) for cell, (trained, _) in CELLS.items()}
    _results(errors)
    return Lock()


def _results(errors: dict[str, float]) -> None:
    """Metrics, the published table and its CSV."""
    cells = [(*cell.split(), value) for cell, value in errors.items()]
    rows: dict[str, dict[str, str]] = {}
    for model, experiment, _ in cells:
        rows.setdefault(model, {})[experiment] = "20.0"
    experiments = list(dict.fromkeys(experiment for _, experiment, _ in cells))
    for name in experiments:
        records = [record(model, name, value) for model, experiment, value in cells if experiment == name]
        about = {"chapter": CHAPTER, "experiment": name, "scale": "mini", "protocol": "miniature"}
        Path(METRICS).mkdir(parents=True, exist_ok=True)
        metrics.write(Path(METRICS, f"{name}.json"), dataset=Dataset("set1", "miniature", ""), records=records, **about)
    tolerance = {"kind": "binomial", "n": 100, "confidence": 0.95, "origin": "100 images"}
    columns = [
        {"id": name, "heading": name, "unit": "%", "source": "metrics", "experiment": name, "metric": "error", "tolerance": tolerance}
        for name in experiments
    ]
    table = {
        "table": "9.1", "section": "9.9", "caption": "Errors", "row_heading": "Model", "columns": columns,
        "rows": [{"id": model, "label": model, "model": model, "cells": own} for model, own in rows.items()],
    }  # fmt: skip
    write(f"stages/tables/published/{CHAPTER}/table_9_1.yaml", yaml.safe_dump(table, sort_keys=False))
    write("stages/tables/published/references.yaml", "{}\n")
    lines = [f"9.1,{model},{experiment},20.0,{value:g}," for model, experiment, value in cells]
    write(f"reports/tables/{CHAPTER}/table_9_1.csv", "\n".join(["table,row,column,thesis,run,run_sd", *lines]) + "\n")
