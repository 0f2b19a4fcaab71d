"""Tiny figures of 16 pixels as Section 8.2's data are prepared, of two categories: short and long sleeves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATASET = "boxes"
PREPARED = Path(f"data/mini/prepared/ch8_swapgan/{DATASET}")
SCORER = Path(f"data/mini/models/ch8_swap_scorer/{DATASET}")
NETWORKS = Path(f"data/mini/models/ch8_swapgan/{DATASET}")
PREDICTIONS = Path(f"data/mini/predictions/ch8_swapgan/{DATASET}")
BASELINES = Path(f"data/mini/predictions/ch8_swap_baselines/{DATASET}")
SCORES = Path(f"data/mini/predictions/ch8_swap_scores/{DATASET}")
METRICS = Path(f"reports/metrics/ch8_swapgan/{DATASET}.json")
CATEGORIES = ["short", "long"]
SIDE = 16
PAINT = np.array([(250, 250, 250), (90, 60, 30), (240, 190, 160), (240, 190, 160), (0, 0, 0), (40, 50, 90)], np.uint8)  # by part
TOPS = np.array([(220, 40, 40), (30, 160, 60), (240, 200, 40)], np.uint8)


def person(category: int, top: int, start: int, stretch: float) -> dict[str, NDArray]:
    """Arrays of one photo: a trunk of 5 columns from this one, arms of 2 on either side. stretch : of a wrist, pixels down."""
    parts = np.zeros((SIDE, SIDE), np.uint8)
    parts[5:9, start - 2 : start + 7] = 4 if category else 2
    for rows, part in (((2, 5), 1), ((5, 10), 4), ((10, 13), 5), ((13, 15), 3)):
        parts[slice(*rows), start : start + 5] = part
    image = PAINT[parts]
    image[parts == 4] = TOPS[top]
    points = np.zeros((18, 3))
    points[1], points[8], points[11] = (start + 2, 4, 1), (start + 1, 10, 1), (start + 3, 10, 1)  # a torso of 6
    points[4] = (start - 2, 6 + stretch, 1)
    return {
        "images": image,
        "poses": np.zeros_like(image),
        "parts": parts,
        "heads": (parts == 1).astype(np.uint8),
        "points": points,
        "flat": image,
        "patterned": np.uint8(top == 1),
        "sleeves": np.uint8(category),
    }


def write_prepared(train: int = 24, test: int = 4) -> None:
    """So many photos of each part, of the test part all pairs of two others and their true swaps."""
    PREPARED.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"categories": CATEGORIES, "generated": True, "names": {}, "persons": {}, "category": {}}
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        bodies = [(int(rng.integers(2, 9)), float(row**2)) for row in range(count)]
        clothes = [(row % 2, row // 2 % 3) for row in range(count)]
        photos = [person(*worn, *body) for worn, body in zip(clothes, bodies, strict=True)]
        arrays = {name: np.stack([photo[name] for photo in photos]) for name in photos[0]}
        arrays["pairs"] = np.arange(count).reshape(-1, 2)
        if part == "test":
            arrays["pairs"] = np.array([(r, c) for r in range(count) for c in range(count) if r != c])
            arrays["truth"] = np.stack([person(*clothes[c], *bodies[r])["images"] for r, c in arrays["pairs"]])
        np.savez(PREPARED / f"{part}.npz", **arrays)
        about["names"][part] = about["persons"][part] = [f"{part}{row}" for row in range(count)]
        about["category"][part] = [category for category, _ in clothes]
    (PREPARED / "set.json").write_text(json.dumps(about))
    (PREPARED / "provenance.json").write_text(json.dumps({"dataset": DATASET, "kind": "miniature", "note": "boxes"}))


def part(name: str = "test") -> dict[str, NDArray]:
    with np.load(PREPARED / f"{name}.npz") as stored:
        return dict(stored)


def write_made(name: str, **arrays: NDArray) -> None:
    """What a network, or one of the baselines, has made of the test pairs, by its name with its seed; and a network's curve."""
    folder = PREDICTIONS if not name.startswith(("poisson", "tps", "viton")) else BASELINES
    for place in (PREDICTIONS, BASELINES, NETWORKS / name):
        place.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", **arrays)
    (folder / f"{name}.json").write_text(json.dumps({"determinism": "bitwise", "precision": "fp32", "parameters": 10}))
    (NETWORKS / name / "curve.csv").write_text("iteration,generators\n1,2.5\n")


def params(models: tuple[str, ...] = (), seeds: tuple[int, ...] = (0,), splits: int = 2, **scorer: Any) -> dict[str, Any]:
    """Parameters as the stages have them."""
    values = {
        "width": 8, "depth": 3, "filters": 8, "layers": 2, "batch_size": 8, "learning_rate": 0.005, "seed": 0, "iterations": 80,
        "log_every": 5, "checkpoint_every": 5,
    }  # fmt: skip
    chapter = {
        "scorer": values | scorer,
        "score": {"encoder": "categories", "splits": splits},
        "models": {"compared": list(models), "ours": []},
        "seeds": list(seeds),
    }
    return {"ch8_swapgan": chapter}
