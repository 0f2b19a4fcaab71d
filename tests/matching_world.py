"""Features of images and captions that share planted latents, in the folders that the stages of `matching` leave."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

SIZES = {"train": 120, "val": 20, "test": 40}


def write_features(
    folder: Path,
    *,
    images: str = "eye",
    texts: str = "ear",
    other: str = "",
    captions: int = 3,
    noise: float = 0.5,
    sizes: Mapping[str, int] = SIZES,
    seed: int = 0,
) -> None:
    """images/<images>, texts/<texts> and, if it has a name, images/<other>, noisier, below the folder.

    An image is a linear view of 12 latent values, each of its captions another one of the same and of values of its own, of deviation
    `noise`; the first image has one caption more than the others. sizes : images in each part.
    """
    rng = np.random.default_rng(seed)
    count = sum(sizes.values())
    latent = rng.normal(size=(count, 12))
    image_of = np.repeat(np.arange(count), [captions + 1] + [captions] * (count - 1))
    ends = np.cumsum([0, *sizes.values()])
    described = {
        "names": [f"pets/{number:03d}" for number in range(count)],
        "captions": [f"caption {number} of {image}" for number, image in enumerate(image_of)],
        "image_of": image_of.tolist(),
        "parts": {part: list(range(*ends[place : place + 2])) for place, part in enumerate(sizes)},
        "classes": [],
        "labels": None,
        "single": False,
        "counts": {},
    }
    view, of_texts = rng.normal(size=(12, 48)), rng.normal(size=(12, 32))
    views = {f"images/{images}": np.maximum(latent @ view, 0)}
    views[f"texts/{texts}"] = (latent[image_of] + noise * rng.normal(size=(len(image_of), 12))) @ of_texts
    if other:
        views[f"images/{other}"] = np.maximum((latent + rng.normal(size=latent.shape)) @ rng.normal(size=(12, 24)), 0)
    for name, values in views.items():
        place = folder / name
        place.mkdir(parents=True)
        np.save(place / "features.npy", values.astype(np.float16))
        (place / "set.json").write_text(json.dumps(described))
        about = {"encoder": name.partition("/")[2], "weights": "miniature", "determinism": "bitwise", "precision": "fp32"}
        about |= {"captions": {"words": "wordlist", "vectors": "miniature"}} if name.startswith("texts") else {}
        (place / "about.json").write_text(json.dumps(about))
        (place / "provenance.json").write_text(json.dumps({"dataset": "pets", "kind": "miniature", "note": "planted latents"}))
