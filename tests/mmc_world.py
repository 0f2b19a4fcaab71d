"""Features of images and captions that share planted classes and instances, and Chapter 7's parameters for small networks on them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DATASET = "pets"
FEATURES = Path(f"data/mini/features/matching/{DATASET}")
MODELS = Path(f"data/mini/models/ch7_mmc/{DATASET}")
SIZES = {"train": 120, "val": 20, "test": 40}
CLASSES = 6
ROLES = ("ablated", "studied", "fine", "swept", "swept_classes")
BOTH = ["matching", "classification"]

VARIANTS: dict[str, dict[str, Any]] = {
    "mm": {"losses": ["matching"]},
    "mc": {"losses": ["classification"]},
    "mmc": {"losses": BOTH},
    "mmc-fc": {"losses": BOTH, "head": "fc"},
    "mmc-bilinear": {"losses": BOTH, "head": "bilinear"},
    "mmc-one-stage": {"losses": BOTH, "stages": "one"},
    "mmc-batch-30": {"losses": BOTH, "batch_size": 30},
    "mmc-d-16": {"losses": BOTH, "dimension": 16},
    "mmc-other": {"losses": BOTH, "images": "other"},
    "dspe": {"losses": ["matching"], "layers": 2, "fusion": "none"},
    "vision": {"losses": ["classification"], "sees": "vision", "head": "fc"},
}


def write_features(
    single: bool = True, seen: str = "class", noise: float = 0.3, captions: int = 3, sizes: Mapping[str, int] = SIZES, seed: int = 0
) -> None:
    """images/eye, images/other and texts/ear, the first image with one caption more than the others.

    An image is a linear view of a code of what it is of and of 10 values of its own, a caption another one of the same with noise of that
    deviation on the values. single : one class each, in turn; else any of them. seen : by images, the class, or half of what tells it,
    as classes 0 and 1, 2 and 3, 4 and 5 then look the same, and texts tell them apart.
    """
    rng = np.random.default_rng(seed)
    count = sum(sizes.values())
    labels = np.eye(CLASSES, dtype=bool)[np.arange(count) % CLASSES] if single else rng.random((count, CLASSES)) < 0.4
    codes, own = rng.normal(size=(CLASSES, 8)), rng.normal(size=(count, 10))
    told_by_images = codes if seen == "class" else np.repeat((codes[::2] + codes[1::2]) / 2, 2, axis=0)
    image_of = np.repeat(np.arange(count), [captions + 1] + [captions] * (count - 1))
    ends = np.cumsum([0, *sizes.values()])
    described = {
        "names": [f"{DATASET}/{number:03d}" for number in range(count)],
        "captions": [f"caption {number} of {image}" for number, image in enumerate(image_of)],
        "image_of": image_of.tolist(),
        "parts": {part: list(range(*ends[at : at + 2])) for at, part in enumerate(sizes)},
        "classes": [f"class-{number}" for number in range(CLASSES)],
        "labels": [np.flatnonzero(row).tolist() for row in labels],
        "single": single,
        "counts": {},
    }
    image, text = np.hstack([labels @ told_by_images, own]), np.hstack([labels @ codes, own])[image_of]
    text[:, 8:] += noise * rng.normal(size=(len(image_of), 10))
    for name, values in (
        ("images/eye", np.maximum(image @ rng.normal(size=(18, 48)), 0)),
        ("images/other", image @ rng.normal(size=(18, 24))),
        ("texts/ear", text @ rng.normal(size=(18, 32))),
    ):
        folder = FEATURES / name
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "features.npy", values.astype(np.float16))
        (folder / "set.json").write_text(json.dumps(described))
        about = {"encoder": name.partition("/")[2], "weights": "miniature", "determinism": "bitwise", "precision": "fp32"}
        about |= {"captions": {"words": "wordlist", "vectors": "miniature"}} if name.startswith("texts") else {}
        (folder / "about.json").write_text(json.dumps(about))
        (folder / "provenance.json").write_text(json.dumps({"dataset": DATASET, "kind": "miniature", "note": "planted classes"}))


def small(*names: str, iterations: tuple[int, int, int] = (20, 20, 20), rate: float = 0.2, **per_set: Any) -> dict[str, Any]:
    """Parameters as the stages have them, with these variants as the block `some`, and one block for each. iterations : of the stages."""
    rates = (rate, rate / 2, rate / 4)
    length: dict[str, Any] = {
        name: {"iterations": number, "learning_rate": by, "learning_rate_steps": [3 * number // 4]}
        for name, number, by in zip(("first", "second", "third"), iterations, rates, strict=True)
    }
    chapter = {
        "seeds": [0],
        "sets": {role: [] for role in (*ROLES, "described", "labelled", "mapped", "pictured")},
        "models": {role: [] for role in (*ROLES, "other")},
        "encoders": {"images": "eye", "texts": "ear", "other": "other"},
        "labels": {DATASET: {"words": {}, "least": 1}},
        "variants": {"some": {name: VARIANTS[name] for name in names}} | {name: {name: VARIANTS[name]} for name in VARIANTS},
        "network": {
            "widths": [48, 32, 32, 32], "dropout": 0.2, "norm_input": True, "norm_momentum": 0.1, "last_relu": False, "std": 0.05,
            "fusion_bias": "each", "fusion_start": "mean", "root_floor": 1e-6,
        },
        "training": {
            "margin": 0.1, "alpha": 2, "normalise": "constant", "classes": "sum", "momentum": 0.9, "weight_decay": 0.0005,
            "bias_rate": 2, "start": "he",
        },
        "per_set": {DATASET: {"batch_size": 60, "negatives": 10, "beta": 0.5, "dimension": 64} | per_set},
        "lengths": {DATASET: length | {"log_every": 10, "validate_every": 20, "checkpoint_every": 10}},
    }  # fmt: skip
    chapter["sets"]["compared"], chapter["models"]["compared"] = [DATASET], ["some"]
    return {"ch7_mmc": chapter}


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
