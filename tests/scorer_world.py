"""A tiny set with label maps as Section 8.1's data are prepared: a sky, a wall and windows, and photos whose colours tell these apart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.datasets.translated import coloured
from stages.miniatures import vgg16_imagenet

DATASET = "walls"
PREPARED = Path(f"data/mini/prepared/ch8_translation/{DATASET}")
SCORED = Path(f"data/mini/prepared/ch8_scored/{DATASET}")
NETWORKS = Path(f"data/mini/models/ch8_translation/{DATASET}")
SCORER = Path(f"data/mini/models/ch8_scorer/{DATASET}")
PREDICTIONS = Path(f"data/mini/predictions/ch8_translation/{DATASET}")
LABELS = Path(f"data/mini/predictions/ch8_labels/{DATASET}")
CLASSES = ["sky", "wall", "window"]
PALETTE = np.array([(0, 0, 223), (200, 40, 30), (40, 200, 90)], np.uint8)
PAINT = np.array([(230, 240, 250), (150, 80, 60), (20, 30, 40)], np.uint8)  # of photos
SMALL, SIDE = 16, 32
COUNTS = {"train": 6, "test": 4}


def label_map(rng: np.random.Generator) -> NDArray[np.uint8]:
    """uint8 (32, 32), a column and a row of which have no class."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    roof, left = rng.integers(4, 14), rng.integers(2, 8)
    labels[roof:, left:30] = 1
    labels[roof + 4 : roof + 10, left + 4 : left + 14] = 2
    labels[:2] = 255
    return labels


def write_prepared() -> None:
    """Both folders of a scored set; photos have noise, and those at 16 pixels a side are the means of four pixels."""
    names: dict[str, dict[str, list[str]]] = {}
    for part, count in COUNTS.items():
        rng = np.random.default_rng(len(part))
        labels = np.stack([label_map(rng) for _ in range(count)])
        photos = (PAINT[np.minimum(labels, 2)] + rng.normal(0, 6, (count, SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
        small = labels[:, ::2, ::2]
        shrunk = photos.reshape(count, SMALL, 2, SMALL, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
        for folder, arrays in (
            (SCORED, {"photos": photos, "labels": labels}),
            (PREPARED, {"a": coloured(small, PALETTE), "b": shrunk, "labels": small}),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            np.savez(folder / f"{part}.npz", **arrays)
        names[part] = {domain: [f"{number}" for number in range(count)] for domain in "ab"}
    known = {"classes": CLASSES, "palette": PALETTE.tolist()}
    (SCORED / "set.json").write_text(json.dumps(known))
    (PREPARED / "set.json").write_text(json.dumps({"names": names, "paired": True, **known}))
    for folder in (SCORED, PREPARED):
        provenance(folder, DATASET)


def provenance(folder: Path, name: str) -> None:
    (folder / "provenance.json").write_text(json.dumps({"dataset": name, "kind": "miniature", "note": "made"}))


def write_weights() -> None:
    folder = Path("data/mini/sources/vgg16_imagenet")
    vgg16_imagenet.write(folder, widths=[4, 4, 6, 8, 8], fc=12, seed=0)
    provenance(folder, "vgg16_imagenet")


def write_network(name: str, **arrays: NDArray) -> None:
    """What a network has made of the test part, and its curve. name : with its seed, as in vanilla-seed0."""
    for folder in (PREDICTIONS, NETWORKS / name):
        folder.mkdir(parents=True, exist_ok=True)
    np.savez(PREDICTIONS / f"{name}.npz", **arrays)
    about = {"determinism": "bitwise", "precision": "fp32", "parameters": 10}
    (PREDICTIONS / f"{name}.json").write_text(json.dumps(about))
    (NETWORKS / name / "curve.csv").write_text("iteration,total\n1,2.5\n")


def test_part() -> dict[str, NDArray]:
    """All arrays of the test part: photos, labels at the scorer's size, and a, b, small."""
    with np.load(SCORED / "test.npz") as large, np.load(PREPARED / "test.npz") as small:
        return {"photos": large["photos"], "labels": large["labels"], "a": small["a"], "b": small["b"], "small": small["labels"]}


def write_pictures(folder: Path, pictures: NDArray[np.uint8], suffix: str = "png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number}.{suffix}")


def params(models: tuple[str, ...] = (), seeds: tuple[int, ...] = (0,), **scorer: Any) -> dict[str, Any]:
    """Parameters as the stages have them."""
    values = {
        "size": SIDE, "weights": "vgg16_imagenet", "fc": 12, "skip_scales": [4, 4], "optimiser": "adam", "batch_size": 2,
        "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0, "seed": 0, "iterations": 60, "log_every": 5, "checkpoint_every": 5,
    }  # fmt: skip
    chapter = {
        "scorer": values | scorer,
        "models": {"compared": list(models), "ours": []},
        "sets": {"controlled": []},
        "seeds": list(seeds),
    }
    return {"ch8_translation": chapter}
