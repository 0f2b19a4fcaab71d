"""A world of a few small pictures for the tests of Chapter 4's stages, and the parameters that they run with."""

import json
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import composed
import numpy as np
import stage_runs
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from stages.ch4_deepindex import codebooks, evaluate, features, rank, rankings
from stages.ch4_deepindex.feature_settings import Vocabulary
from stages.ch4_deepindex.rankings import Model
from stages.miniatures.alexnet import write as write_alexnet
from stages.miniatures.holidays import write as write_holidays
from stages.miniatures.paris6k import write as write_paris6k
from stages.miniatures.ukb import write as write_ukb
from stages.miniatures.vgg19 import write as write_vgg19

torch.set_num_threads(1)
SIZE = {"width": 64, "height": 48, "seed": 0}
LAYERS = ("fc6", "fc7", "fc17", "fc18")
OWN: dict[str, Any] = {
    "words": 24, "sweep": [12, 24], "assignments": [1, 3], "best": ["fc6", "fc18"], "best_assignments": 3, "alpha": 2, "depth": 50,
}  # fmt: skip
CHANGED = {
    "sets": {"indexed": ["holidays", "ukb"]},
    "features": {"batch_size": 3},
    "codebooks": {"width": 0.5, "kmeans_iterations": 60, "dimensions": [32, 16]},
    "ranking": {"alphas": [1, 2], "signature_dimensions": 16, "ivfpq": {"lists": 4, "probes": 2, "bytes": 2}},
    "per_set": dict.fromkeys(("holidays", "paris6k", "ukb", "smvs_dvd"), OWN),
    "figures": {"top": 3},
}
HOLIDAYS, PARIS, UKB = (Path("data/mini/features/ch4_deepindex", name) for name in ("holidays", "paris6k", "ukb"))
BOOKS = Path("data/mini/codebooks/ch4_deepindex/holidays/seed0")


def run(module: ModuleType, words: str = "", **changes: Any) -> stage_runs.Here:
    """Run a stage's main; `changes` of the chapter's parameters. Returns its job."""
    changed = {key: CHANGED.get(key, {}) | value if isinstance(value, dict) else value for key, value in changes.items()}
    section = composed.params(ch4_deepindex=CHANGED | changed)["ch4_deepindex"]
    if module is codebooks:  # whose `params` in dvc.yaml have these alone
        known = {one.name for one in fields(Vocabulary)}
        section["per_set"] = {name: {key: own[key] for key in known} for name, own in section["per_set"].items()}
    return stage_runs.run_main(module, words, {"ch4_deepindex": section})


def write_sources(sources: Path) -> None:
    """The data sets and networks, as downloads leave them."""
    write_holidays(sources / "holidays", groups=7, **SIZE)  # of 2, 3, 4, 2, 3, 4 and 2 pictures
    write_paris6k(sources / "paris6k", landmarks=2, images=5, queries=2, distractors=2, **SIZE)
    write_ukb(sources / "ukb", objects=5, **SIZE)
    write_alexnet(sources / "alexnet", widths=[4, 6, 8, 8, 6], fc=24, seed=0)
    write_vgg19(sources / "vgg19", widths=[3, 4, 5, 6, 7], fc=24, seed=0)
    for folder in list(sources.iterdir()):
        (folder / "provenance.json").write_text(json.dumps({"dataset": folder.name, "kind": "miniature", "note": "made"}))


def make_words() -> None:
    """In the current folder: the data sets, their features, and those of Holidays and UKB as words."""
    write_sources(Path("data/mini/sources"))
    run(features, "paris6k")
    for name in ("holidays", "ukb"):
        run(features, name)
        run(codebooks, f"{name} --seed 0")


def make_rankings() -> None:
    """The rankings of those two data sets, and their scores."""
    for name in ("holidays", "ukb"):
        run(rank, name)
        run(evaluate, name)


def shares_of(values: NDArray) -> NDArray:
    """Root features as Section 4.3.3 has them; for what PCA leaves negative, with its sign."""
    values = values.astype(float)
    return np.sign(values) * np.sqrt(np.abs(values) / np.abs(values).sum(axis=-1, keepdims=True))


def of_model(folder: Path) -> dict[tuple, list[NDArray]]:
    """The rankings by model, assignments, words and alpha."""
    return {(each.model, each.assignments, each.words, each.alpha): found for each, found in rankings.load_models(folder)}


def by_sklearn(place: str, dimensions: int) -> NDArray:
    """Holidays' features after scikit-learn's PCA by a full decomposition, and L2 normalisation."""
    values = np.load(HOLIDAYS / f"{place}.npy").astype(float)
    flat = values.reshape(-1, values.shape[-1])
    found = PCA(dimensions, svd_solver="full").fit(flat).transform(flat)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).reshape(*values.shape[:2], dimensions)


def write_predictions(dataset: str, kind: str, queries: list[dict], models: dict[Model, list[list[int]]], **more: str) -> None:
    """Rankings of a set of 20 images, as `rank` stores them; `more` of its provenance."""
    folder = Path(f"data/mini/predictions/ch4_deepindex/{dataset}")
    folder.mkdir(parents=True)
    images = [f"x/{number}" for number in range(20)]
    by_four = all(len(query["relevant"]) == 4 for query in queries)
    (folder / "set.json").write_text(json.dumps({"images": images, "queries": queries, "by_four": by_four}))
    about = {"layers": {place: f"alexnet.{place}" for place in LAYERS}, "determinism": "bitwise", "precision": "fp32"}
    (folder / "about.json").write_text(json.dumps(about | {"layers": about["layers"] | {"fc18": "vgg19.fc18"}}))
    (folder / "provenance.json").write_text(json.dumps({"dataset": dataset, "kind": kind, "note": "a note"} | more))
    (folder / "models.json").write_text(json.dumps([vars(model) for model in models]))
    for number, found in enumerate(models.values()):
        rankings.save([np.array(each, np.int64) for each in found], folder / f"{number}.npz")


def query_of(image: int, relevant: list[int], ignored: list[int]) -> dict[str, Any]:
    """A query as set.json has it."""
    return {"name": f"q{image}", "image": image, "relevant": relevant, "ignored": ignored, "item": image}
