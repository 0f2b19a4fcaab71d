"""The features of a set as Chapters 5 to 7 take them: images and captions with what each row is, and the pairs of a part."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.core import arrays
from stages.core.errors import UserError
from stages.datasets.captioned import Described, load_described


@dataclass(frozen=True)
class Pairs:
    """One part on a device: images float32 (n, D), texts float32 (m, E), image_of int64 (m,), which of the n each text is of."""

    images: Tensor
    texts: Tensor
    image_of: Tensor


@dataclass(frozen=True)
class Features:
    """images : float16 (N, D). texts : float16 (M, E), of MSCOCO 5 GB. described : the set whose images and captions these are."""

    images: NDArray[np.float16]
    texts: NDArray[np.float16]
    described: Described

    def pairs(self, part: str, device: torch.device | str = "cpu") -> Pairs:
        """The images of train, val or test in the part's order, with all their texts."""
        chosen = self.described.parts[part]
        place = np.full(len(self.images), -1)
        place[chosen] = np.arange(len(chosen))
        image_of = place[self.described.image_of]
        images, texts, owners = (
            torch.from_numpy(values).to(device) for values in (self.images[chosen], self.texts[image_of >= 0], image_of[image_of >= 0])
        )
        return Pairs(images.float(), texts.float(), owners)


def read(images: Path, texts: Path) -> Features:
    """The features in two folders, as `matching_images` and `matching_texts` write them.

    A UserError: they are of different sets, or one has not a row for each of its images or captions.
    """
    described, other = (load_described(folder) for folder in (images, texts))
    if difference := _difference(described, other):
        raise UserError(f"{images} and {texts} are of different sets ({difference}): make both again, of one")
    rows = []
    for folder, what, count in ((images, "images", len(described.names)), (texts, "captions", len(described.captions))):
        values = arrays.read(folder / "features.npy")
        if values.ndim != 2 or len(values) != count:
            raise UserError(f"{folder / 'features.npy'} has the shape {values.shape}, and its set has {count} {what}: make it again")
        rows.append(values)
    return Features(rows[0], rows[1], described)


def _difference(one: Described, other: Described) -> str:
    """What two sets do not agree in, in words; empty where they are the same."""
    for what, mine, theirs in (("images", one.names, other.names), ("captions", one.captions, other.captions)):
        if len(mine) != len(theirs):
            return f"{len(mine)} {what} and {len(theirs)}"
        if (at := next((row for row, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b), None)) is not None:
            return f"row {at} of their {what} is {mine[at]!r} and {theirs[at]!r}"
    if not np.array_equal(one.image_of, other.image_of):
        return f"caption {np.flatnonzero(one.image_of != other.image_of)[0]} is of another image"
    parts = [part for part in one.parts if not np.array_equal(one.parts[part], other.parts.get(part, ()))]
    return f"their parts {parts[0]} differ" if parts else ""
