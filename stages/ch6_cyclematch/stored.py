"""What a CycleMatch makes of a test part, as stored predictions, of which all scores and figures are made again without a model.

A folder has `set.json` (`stages.matching.store.write_part`); of each encoder that a model sees by its features of the part, float32,
which are the targets: `images-<encoder>.npy` (n, D), `texts-<encoder>.npy` (m, E); and of each model `<model>-seed<seed>.npz`:

    dual_images    f_I2T(v), (n, E)         dual_texts    f_T2I(t), (m, D)
    latent_images  f_I2T^(3)(v), (n, d)     latent_texts  f_T2I^(3)(t), (m, d)

as far as it has been trained to make them, with `<model>-seed<seed>.json` beside it: what is said of it. Nothing is normalised.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, json_files
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets.captioned import Described
from stages.matching.store import file_name
from stages.metrics.recall import Blocks, cosines

Score = Literal["visual", "textual", "latent"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Made:
    """A model's embeddings, in pairs: None where it has not been trained to make them."""

    dual_images: Floats | None = None
    dual_texts: Floats | None = None
    latent_images: Floats | None = None
    latent_texts: Floats | None = None

    def compared(self, images: Floats, texts: Floats) -> dict[Score, tuple[Floats, Floats]]:
        """What each score that there is compares, of images and of texts (Eq. 6.7). images, texts : the targets."""
        pairs: dict[Score, tuple[Floats | None, Floats | None]] = {
            "visual": (images, self.dual_texts),
            "textual": (self.dual_images, texts),
            "latent": (self.latent_images, self.latent_texts),
        }
        return {score: (one, other) for score, (one, other) in pairs.items() if one is not None and other is not None}


@dataclass(frozen=True)
class Embeddings:
    """One model's, with the targets `images` (n, D) and `texts` (m, E). about : what its prediction said of it, `images` and `texts`
    as the folders of its features say it of themselves (`store.encoder_of`)."""

    model: str
    seed: int
    images: Floats
    texts: Floats
    made: Made
    about: dict[str, Any]

    def compared(self) -> dict[Score, tuple[Floats, Floats]]:
        """What each score that the model has compares, of images and of texts."""
        return self.made.compared(self.images, self.texts)

    def scores(self, name: Score) -> Blocks:
        """One of the scores of Eq. 6.7, cosines: queries by rows, the whole gallery by columns. A KeyError where the model has none."""
        return cosines(self.compared()[name])


def _features_file(folder: Path, modality: str, about: dict[str, Any]) -> Path:
    return folder / f"{modality}-{about[modality]['encoder']}.npy"


def save(folder: Path, embeddings: Embeddings) -> None:
    """Write a model's embeddings, and its targets where no other model has yet; a UserError where one is not finite."""
    name = file_name(embeddings.model, embeddings.seed)
    rows = {what: values for what, values in vars(embeddings.made).items() if values is not None}
    for what, values in rows.items():
        if len(broken := np.flatnonzero(~np.isfinite(values).all(axis=1))):
            raise UserError(
                f"{name} makes {what} whose row {broken[0]} has numbers that are not finite: train it again, at a lower learning rate"
            )
    np.savez(folder / f"{name}.npz", **{what: values.astype(np.float32) for what, values in rows.items()})
    write_json(folder / f"{name}.json", {"model": embeddings.model, "seed": embeddings.seed, **embeddings.about})
    for modality, features in (("images", embeddings.images), ("texts", embeddings.texts)):
        if not (file := _features_file(folder, modality, embeddings.about)).exists():
            np.save(file, features.astype(np.float32))


def load(folder: Path, model: str, seed: int, described: Described, stage: str = "") -> Embeddings:
    """What `save` wrote, for the stage of this name. described : the folder's set.

    A UserError: a file is missing, damaged, or of other rows or widths than the set and the features have.
    """
    base = folder / file_name(model, seed)
    stored = arrays.read_all(Path(f"{base}.npz"), stage)
    about = json_files.read(Path(f"{base}.json"), "model", "seed", "images", "texts", stage=stage)
    images, texts = (arrays.read(_features_file(folder, modality, about), stage) for modality in ("images", "texts"))
    rows = len(described.names), len(described.captions)
    if images.ndim != 2 or texts.ndim != 2 or (len(images), len(texts)) != rows:
        raise UserError(f"{folder} has features {images.shape} and {texts.shape} of {rows[0]} images and {rows[1]} texts: make it again")
    latent = stored["latent_images"].shape[-1] if "latent_images" in stored else 0
    expected = {
        "dual_images": (rows[0], texts.shape[1]),
        "dual_texts": (rows[1], images.shape[1]),
        "latent_images": (rows[0], latent),
        "latent_texts": (rows[1], latent),
    }
    assert set(expected) == {one.name for one in fields(Made)}
    for what, values in stored.items():
        if values.shape != expected.get(what):
            raise UserError(f"{base}.npz holds {what} of shape {values.shape}, where {expected.get(what)} is expected: make it again")
    return Embeddings(about.pop("model"), about.pop("seed"), images, texts, Made(**stored), about)
