"""Tiny people as Section 8.2's data are prepared, and its parameters for small networks on them.

A person of 16 pixels is a coloured bar on white whose place is its pose: clothes are its colour.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATASET = "bars"
PREPARED = Path(f"data/mini/prepared/ch8_swapgan/{DATASET}")
MODELS = Path(f"data/mini/models/ch8_swapgan/{DATASET}")
PREDICTIONS = Path(f"data/mini/predictions/ch8_swapgan/{DATASET}")
SIDE = 16
CLOTHES = ((220, 40, 40), (30, 60, 220), (240, 200, 40))
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "i-iii": {"second": False},
    "i-ii": {"third": "none"},
    "i": {"second": False, "third": "none"},
    "full-deconv": {"upsampling": "deconvolution"},
    "full-like": {"third": "like-first"},
}
NETWORK = {
    "width": 4, "blocks": 1, "downsamplings": 2, "kernel": 3, "upsampling": "nearest", "depth": 3, "strided": 1, "norm": False, "std": 0.04,
}  # fmt: skip


def person(clothes: int, start: int) -> dict[str, NDArray]:
    """Arrays of one photo: a bar of 5 columns from this one, the upper 4 rows its head."""
    image, pose, parts = np.full((SIDE, SIDE, 3), 255, np.uint8), np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    image[2:14, start : start + 5], image[2:6, start : start + 5] = CLOTHES[clothes], (230, 190, 160)
    pose[2:14, start + 2] = (0, 255, 85)
    parts[2:14, start : start + 5], parts[2:6, start : start + 5] = 4, 1
    return {"images": image, "poses": pose, "parts": parts, "heads": (parts == 1).astype(np.uint8), "points": np.zeros((18, 3))}


def write_prepared(train: int = 6, test: int = 4, folder: Path = PREPARED) -> None:
    """So many persons of two photos each, which are pairs, in the train part; in the test part one each, and all true swaps."""
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"categories": ["Tees"], "generated": True, "names": {}, "persons": {}, "category": {}}
    drawn = np.random.default_rng(0)
    for part, count in (("train", 2 * train), ("test", test)):
        starts = drawn.integers(0, 6, count) + 6 * (np.arange(count) % 2)  # a person's two are apart
        clothes = [(row // 2 if part == "train" else row) % 3 for row in range(count)]
        photos = [person(*one) for one in zip(clothes, starts, strict=True)]
        arrays = {name: np.stack([photo[name] for photo in photos]) for name in photos[0]}
        if part == "train":
            arrays["pairs"] = np.arange(count).reshape(-1, 2)
        else:
            arrays["pairs"] = np.array([(r, c) for r in range(count) for c in range(count) if r != c])
            arrays["truth"] = np.stack([person(clothes[c], starts[r])["images"] for r, c in arrays["pairs"]])
        np.savez(folder / f"{part}.npz", **arrays)
        about["names"][part] = [f"{part}{row}" for row in range(count)]
        about["persons"][part] = [f"{part}{row // 2 if part == 'train' else row}" for row in range(count)]
        about["category"][part] = [0] * count
    (folder / "set.json").write_text(json.dumps(about))
    (folder / "provenance.json").write_text(json.dumps({"dataset": DATASET, "kind": "miniature", "note": "bars"}))


def small(
    iterations: int = 10, constant: int | None = None, *, network: dict[str, Any] | None = None, **training: Any
) -> dict[str, Any]:  # fmt: skip
    """Parameters as the stages have them. constant : half of the iterations where it is not given."""
    values = {"batch_size": 2, "learning_rate": 2e-3, "beta_1": 0.5, "beta_2": 0.999, "mask": 5, "reconstruction": 0}
    falls = iterations // 2 if constant is None else constant
    chapter = {
        "seeds": [0],
        "models": {"compared": ["full", "i-iii", "i-ii"], "ours": ["i"]},
        "variants": VARIANTS,
        "network": NETWORK | (network or {}),
        "training": values | training,
        "lengths": {DATASET: {"iterations": iterations, "constant": falls, "log_every": 1, "checkpoint_every": 1}},
    }
    return {"ch8_swapgan": chapter}
