"""Embeddings of a test part as stored predictions, of which all scores are made again without a model.

A folder has `set.json`, the test part alone, its images renumbered (as `load_described` reads it), and of each model
`<model>-seed<seed>.npz`, the embeddings of images float32 (n, d) and of texts float32 (m, d), of any length, with
`<model>-seed<seed>.json` beside it: what is said of it. Float32, for float16 would make ties of cosines that differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, json_files
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets.captioned import Described
from stages.datasets.described import SET_FILE
from stages.metrics.recall import Blocks, cosines


@dataclass(frozen=True)
class Embedded:
    """One model's embeddings. seed : None where nothing was drawn. about : what its prediction said of it."""

    model: str
    seed: int | None
    images: NDArray[np.float32]
    texts: NDArray[np.float32]
    about: dict[str, Any]


def file_name(model: str, seed: int | None) -> str:
    """What a model's files are called, without their suffix."""
    return model if seed is None else f"{model}-seed{seed}"


def write_part(folder: Path, described: Described, part: str = "test") -> None:
    """Write set.json: the part alone, its images in its order, and their captions, as `Features.pairs` has them."""
    chosen = described.parts[part]
    place = np.full(len(described.names), -1)
    place[chosen] = np.arange(len(chosen))
    image_of = place[described.image_of]
    captions = [caption for caption, image in zip(described.captions, image_of, strict=True) if image >= 0]
    labels = described.labels
    parts = {name: list(range(len(chosen))) if name == part else [] for name in described.parts}
    facts = {
        "names": [described.names[image] for image in chosen],
        "captions": captions,
        "image_of": image_of[image_of >= 0].tolist(),
        "parts": parts,
        "classes": described.classes,
        "labels": None if labels is None else [np.flatnonzero(labels[image]).tolist() for image in chosen],
        "single": described.single,
    }
    write_json(folder / SET_FILE, facts)


def save(folder: Path, embedded: Embedded) -> None:
    """Write a model's embeddings; a UserError where one is not finite."""
    for what, values in (("image", embedded.images), ("text", embedded.texts)):
        if len(broken := np.flatnonzero(~np.isfinite(values).all(axis=1))):
            raise UserError(
                f"{file_name(embedded.model, embedded.seed)} makes of {what} {broken[0]} numbers that are not finite: "
                "train it again, at a lower learning rate"
            )
    base = folder / file_name(embedded.model, embedded.seed)
    np.savez(f"{base}.npz", images=embedded.images.astype(np.float32), texts=embedded.texts.astype(np.float32))
    write_json(Path(f"{base}.json"), {"model": embedded.model, "seed": embedded.seed, **embedded.about})


def load(folder: Path, model: str, seed: int | None, described: Described, stage: str = "") -> Embedded:
    """What `save` wrote, for the stage of this name. described : the folder's set.

    A UserError: a file is missing, damaged, or has not a row for each image and each text of the set.
    """
    base = folder / file_name(model, seed)
    images, texts = arrays.read_named(Path(f"{base}.npz"), stage, "images", "texts")
    rows = len(described.names), len(described.captions)
    if images.ndim != 2 or texts.ndim != 2 or (len(images), len(texts)) != rows or images.shape[1] != texts.shape[1]:
        raise UserError(
            f"{base}.npz holds images {images.shape} and texts {texts.shape}, and its set has {rows[0]} images and "
            f"{rows[1]} texts: make it again"
        )
    about = json_files.read(Path(f"{base}.json"), "model", "seed", stage=stage)
    return Embedded(about.pop("model"), about.pop("seed"), images, texts, about)


def blocks(members: Sequence[Embedded]) -> Blocks:
    """The scores of a model, or of several together, Eq. 5.11: the mean of their cosines."""
    return cosines(*((one.images, one.texts) for one in members))


def encoder_of(about: Mapping[str, Any]) -> str:
    """Which encoders a model sees by, and of what kind their weights and word vectors are, in words; an LSTM has weights of its own.

    about : its own, with what the folders of its features say of themselves as `images` and `texts`.
    """
    images, texts = about["images"], about["texts"]
    words = texts["captions"]
    lstm = f", its weights {texts['weights']}" if texts.get("kind") == "bilstm" else ""
    return f"{images['encoder']}, {images['weights']} weights + {texts['encoder']} of {words['words']}, {words['vectors']} vectors{lstm}"
