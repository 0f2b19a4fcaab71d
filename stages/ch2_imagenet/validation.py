"""What a network says of the validation images, the five best classes of each; as predictions of it are stored.

A network's folder `data/<scale>/predictions/ch2_imagenet/<set>/<network>` has `classes.npz`, with `best` and `labels`,
and `about.json`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.ch2_imagenet.data import Crops, Pictures, central_crops, in_batches
from stages.core import provenance
from stages.core.ahead import map_ahead, workers
from stages.core.files import write_json

TOP = 5  # classes
Scores = Callable[[Crops], Tensor]  # of N pictures, (N, classes)


@torch.no_grad()
def best_classes(scores: Scores, batches: Iterator[Crops]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """The classes with the highest scores, best first (N, TOP), of equal ones the first; and the labels (N,)."""
    best, labels = [], []
    for crops in batches:
        order = scores(crops).argsort(dim=1, descending=True, stable=True)
        best.append(order[:, :TOP].cpu())
        labels.append(crops.labels)
    return torch.cat(best).numpy().astype(np.int16), torch.cat(labels).numpy().astype(np.int16)


def write(
    out: Path,
    pictures: Pictures,
    facts: Path,
    scores: Scores,
    about: dict[str, Any],
    *,
    crop: int,
    batch_size: int,
) -> None:
    """Let a network look at the middle of all pictures, and write the folder `out`.

    about : what about.json says of the network. facts : of the prepared set.
    """
    cut = partial(central_crops, pictures, crop=crop)
    batches = map_ahead(cut, in_batches(len(pictures), batch_size), threads=workers(), ahead=workers())
    best, labels = best_classes(scores, batches)
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "classes.npz", best=best, labels=labels)
    write_json(out / "about.json", about)
    provenance.hand_on(facts, out)
