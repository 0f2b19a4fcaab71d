"""What an MMC-Net makes of a test part, as stored predictions, of which all numbers and figures are made again without a model.

A folder has `set.json` (`stages.matching.store.write_part`), with the classes and labels that there are, and of each network
`<model>-seed<seed>.npz`, float32:

    images  f(x), (n, d), and texts  g(y), (m, d), as they are fused, not normalised: of networks with the matching loss
    scores  the logits a of Eq. 7.8, (m, C), of each text with its own image: of networks with the classification loss; of one that
            sees vision alone (n, C), of each image

with `<model>-seed<seed>.json` beside it: what is said of it, `losses`, `sees` and `labels` among it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays, json_files
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets.captioned import Described
from stages.matching.store import file_name

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Predicted:
    """One network's: None what it has not been trained to make. about : what its prediction said of it."""

    model: str
    seed: int
    about: dict[str, Any]
    images: Floats | None = None
    texts: Floats | None = None
    scores: Floats | None = None

    def rows(self) -> dict[str, Floats]:
        """The arrays that there are."""
        every = {"images": self.images, "texts": self.texts, "scores": self.scores}
        return {what: values for what, values in every.items() if values is not None}

    def scores_of_pairs(self, described: Described) -> Floats:
        """The logits (m, C) of each text with its image, also of a network that sees images alone. A KeyError where there are none."""
        scores = self.rows()["scores"]
        return scores[described.image_of] if self.about["sees"] == "vision" else scores


def expected(losses: Iterable[str], sees: str, described: Described) -> dict[str, tuple[int, int | None]]:
    """Which arrays a network of these losses has of a set, and their shapes, as far as these are known."""
    images, texts = len(described.names), len(described.captions)
    shapes: dict[str, tuple[int, int | None]] = {"images": (images, None), "texts": (texts, None)} if "matching" in losses else {}
    return shapes | ({"scores": (images if sees == "vision" else texts, len(described.classes))} if "classification" in losses else {})


def save(folder: Path, predicted: Predicted) -> None:
    """Write a network's; a UserError where a value is not finite."""
    name, rows = file_name(predicted.model, predicted.seed), predicted.rows()
    for what, values in rows.items():
        if len(broken := _broken(values)):
            raise UserError(
                f"{name} makes {what} whose row {broken[0]} has numbers that are not finite: train it again, at a lower learning rate"
            )
    np.savez(folder / f"{name}.npz", **{what: values.astype(np.float32) for what, values in rows.items()})  # type: ignore[arg-type]
    write_json(folder / f"{name}.json", {"model": predicted.model, "seed": predicted.seed, **predicted.about})


def load(folder: Path, model: str, seed: int, described: Described, stage: str = "") -> Predicted:
    """What `save` wrote, for the stage of this name. described : the folder's set.

    A UserError: a file is missing, damaged, not finite, or not of the set's images, texts and classes.
    """
    base = folder / file_name(model, seed)
    rows = arrays.read_all(Path(f"{base}.npz"), stage)
    about = json_files.read(Path(f"{base}.json"), "model", "seed", "losses", "sees", "labels", stage=stage)
    if (about["model"], about["seed"]) != (model, seed):
        raise UserError(f"{base}.json is of {about['model']} and seed {about['seed']}, as its name is not: make it again")
    shapes = expected(about["losses"], about["sees"], described)
    if rows.keys() != shapes.keys():
        raise UserError(f"{base}.npz holds {_listed(rows)}, and a network of its losses has {_listed(shapes)}: make it again")
    for what, (length, width) in shapes.items():
        shape, kind = rows[what].shape, rows[what].dtype
        if kind != np.float32 or len(shape) != 2 or shape[0] != length or shape[1] != (shape[1] if width is None else width):
            raise UserError(
                f"{base}.npz holds {what} of {kind} and shape {shape}, and its set has {len(described.names)} images, "
                f"{len(described.captions)} texts and {len(described.classes)} classes: make it again"
            )
        if len(broken := _broken(rows[what])):
            raise UserError(f"{base}.npz holds {what} whose row {broken[0]} has numbers that are not finite: make it again")
    if "images" in rows and rows["images"].shape[1] != rows["texts"].shape[1]:
        raise UserError(f"{base}.npz holds images {rows['images'].shape} and texts {rows['texts'].shape}, of other lengths: make it again")
    return Predicted(about.pop("model"), about.pop("seed"), about, **rows)


def _broken(values: NDArray) -> NDArray[np.int64]:
    return np.flatnonzero(~np.isfinite(values).all(axis=1))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
