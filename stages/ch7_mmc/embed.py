"""What a trained network makes of features: the embeddings that are compared, and the scores of classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.ch7_mmc.model import MMCNet, restore
from stages.ch7_mmc.training_settings import Network, Variant
from stages.core import runtime
from stages.core.errors import UserError
from stages.matching.features import Pairs
from stages.metrics import recall
from stages.metrics.labels import accuracy_percent, mean_average_precision

CHUNK = 1024  # rows at a time: what a network makes of 61,490 captions would be 1 GB
SCORED = 64  # pairs at a time: an outer product is 1 MB

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Made:
    """Of n images and m captions, all float32: the embeddings as the fusions leave them, images (n, d) and texts (m, d), None of a network
    that sees images alone; scores of C classes before any softmax or sigmoid, (m, C) of each caption with its image, (n, C) of a network
    that sees images alone, None where they were not asked for."""

    images: Floats
    texts: Floats | None
    scores: Floats | None


@torch.no_grad()
def embed(model: MMCNet, pairs: Pairs, *, scores: bool) -> Made:
    """What a network makes of the pairs, in evaluation mode, which it is left in. scores : whether those of classes too."""
    model.eval()
    images = _passed(model.images, pairs.images)
    texts = None if model.texts is None else _passed(model.texts, pairs.texts)
    classes = _scores(model, images, texts, pairs.image_of) if scores else None
    return Made(_array(images), None if texts is None else _array(texts), None if classes is None else _array(classes))


def _passed(branch: torch.nn.Module, features: Tensor) -> Tensor:
    return torch.cat([branch(rows) for rows in features.split(CHUNK)])


def _scores(model: MMCNet, images: Tensor, texts: Tensor | None, image_of: Tensor) -> Tensor:
    if texts is None:
        return torch.cat([model.classify(rows, None) for rows in images.split(SCORED)])
    both = zip(texts.split(SCORED), image_of.split(SCORED), strict=True)
    return torch.cat([model.classify(images[ids], rows) for rows, ids in both])


def _array(values: Tensor) -> Floats:
    return values.float().cpu().numpy()


def mean_recall(made: Made, pairs: Pairs) -> float:
    """The mean of the six recalls in percent: each caption is of one image."""
    assert made.texts is not None
    blocks = recall.cosines((made.images, made.texts))
    return recall.evaluate(blocks, np.arange(len(made.images)), pairs.image_of.cpu().numpy())["mean_recall"]


def accuracy(made: Made, pairs: Pairs, labels: Tensor) -> float:
    """In percent, over what was scored, pairs or images: labels int64 (n,) of the images, how many are right; float32 (n, C), the mean
    average precision over the classes that some image has."""
    assert made.scores is not None
    own = (labels if made.texts is None else labels[pairs.image_of]).cpu().numpy()
    return accuracy_percent(made.scores, own) if own.ndim == 1 else mean_average_precision(made.scores, own > 0)


def load(folder: Path, variant: Variant, network: Network, device: torch.device) -> MMCNet:
    """A trained network, in evaluation mode. A UserError where its file is damaged, lacks its hashes, or is another network's."""
    file = folder / "model.pt"
    try:
        state = runtime.load(file)
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{file} is damaged ({type(error).__name__}): `python -m workflow.repro ch7_mmc` makes it again") from error
    return restore(state, variant, network, file).to(device).eval()
