"""Two tiny domains as Section 8.1's data are prepared, and its parameters for small networks on them.

A picture of A is red with a blue bar of a place and width of its own, one of B green with a yellow bar.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATASET = "bars"
PREPARED = Path(f"data/mini/prepared/ch8_translation/{DATASET}")
MODELS = Path(f"data/mini/models/ch8_translation/{DATASET}")
PREDICTIONS = Path(f"data/mini/predictions/ch8_translation/{DATASET}")
SIDE = 16
COLOURS = {"a": ((150, 30, 30), (60, 60, 250)), "b": ((40, 120, 20), (240, 220, 60))}
VARIANTS: dict[str, dict[str, Any]] = {
    "gan": {"cycle": 0},
    "vanilla": {},
    "long": {"forward": 2, "backward": 2},
    "nest": {"forward": 2, "backward": 2, "inner": True, "similarity": 1},
    "nest-no-similarity": {"forward": 2, "backward": 2, "inner": True},
    "uneven": {"forward": 3, "backward": 1},
    "one-way": {"cycle": 0, "directions": "forward"},
    "vanilla-large": {"blocks": 3},
}
NETWORK = {"width": 4, "blocks": 1, "strided": 1, "upsampling": "deconvolution", "std": 0.02}


def picture(domain: str, start: int, width: int) -> NDArray[np.uint8]:
    """uint8 (16, 16, 3) of a domain, with a bar from this column."""
    ground, bar = COLOURS[domain]
    pixels = np.tile(np.array(ground, np.uint8), (SIDE, SIDE, 1))
    pixels[:, start : start + width] = bar
    return pixels


def write_prepared(train: tuple[int, int] = (5, 8), test: tuple[int, int] = (4, 6), folder: Path = PREPARED) -> None:
    """Train and test parts of as many pictures of A and of B; of the test part a[i] and b[i] have the same bar."""
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, dict[str, list[str]]] = {}
    for part, counts in (("train", train), ("test", test)):
        drawn = {domain: np.random.default_rng([len(part), domain == "b" and part == "train"]) for domain in "ab"}
        bars = {domain: drawn[domain].integers((1, 4), (10, 7), (count, 2)) for domain, count in zip("ab", counts, strict=True)}
        arrays = {domain: np.stack([picture(domain, *bar) for bar in bars[domain]]) for domain in "ab"}
        np.savez(folder / f"{part}.npz", **arrays)
        names[part] = {domain: [f"{domain}{number}" for number in range(len(bars[domain]))] for domain in "ab"}
    about = {"names": names, "paired": False, "classes": [], "palette": []}
    (folder / "set.json").write_text(json.dumps(about))
    (folder / "provenance.json").write_text(json.dumps({"dataset": DATASET, "kind": "miniature", "note": "bars"}))


def small(
    iterations: int = 10, constant: int | None = None, *, network: dict[str, Any] | None = None, **training: Any
) -> dict[str, Any]:  # fmt: skip
    """Parameters as the stages have them; all variants are trained on the set. constant : half of the iterations where it is not given."""
    values = {
        "batch_size": 1, "learning_rate": 2e-3, "beta_1": 0.5, "beta_2": 0.999, "weight_decay": 5e-4, "cycle": 10, "identity": 0,
        "pool": 3, "discriminator_weight": 0.5,
    }  # fmt: skip
    falls = iterations // 2 if constant is None else constant
    chapter = {
        "seeds": [0],
        "sets": {"scored": [], "drawn": [DATASET], "controlled": []},
        "models": {"compared": ["gan", "vanilla", "long", "nest"], "ours": ["vanilla-large"]},
        "variants": VARIANTS,
        "network": NETWORK | (network or {}),
        "training": values | training,
        "lengths": {DATASET: {"iterations": iterations, "constant": falls, "log_every": 1, "checkpoint_every": 1}},
    }
    return {"ch8_translation": chapter}
