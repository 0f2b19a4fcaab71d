"""A narrow VGG-16 that stands in for the pre-trained one: its convolutions in torchvision's names, never trained."""

import math
from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.world import generator

PLACES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))  # of the five blocks' convolutions in torchvision's `features`

_CONTRAST = 64  # about the deviation of a picture's bytes


def write_vgg16(folder: Path, *, widths: list[int], seed: int) -> None:
    """Write `folder`/vgg16_features.pth, `features.0.weight`, `features.0.bias` and so on; `widths` are the five blocks' channels.

    Weights are uniform with He's variance, 2 over the inputs, biases 0. The first layer takes bytes minus their mean.
    """
    import torch

    from stages.core.runtime import save

    if len(widths) != len(PLACES) or min(widths) < 1:
        raise UserError(f"a miniature VGG-16 of widths {widths} cannot be: it has {len(PLACES)} blocks of 1 or more channels each")
    features = {}
    channels = 3
    for width, places in zip(widths, PLACES, strict=True):
        for place in places:
            shape = (width, channels, 3, 3)
            limit = math.sqrt(3 * 2 / (9 * channels)) / (_CONTRAST if place == 0 else 1)
            weight = limit * (2 * generator(seed, place).random(shape) - 1)
            features[f"features.{place}.weight"] = torch.from_numpy(weight.astype(np.float32))
            features[f"features.{place}.bias"] = torch.zeros(width)
            channels = width
    save(features, folder / "vgg16_features.pth")
