"""A narrow VGG-16 that stands in for the pre-trained one: its convolutions in torchvision's names, never trained."""

from pathlib import Path

import numpy as np

from stages.encoders.vgg16 import BLOCKS
from stages.miniatures.weights import check_widths, layer, save_state
from stages.miniatures.world import generator

_CONTRAST = 64  # about the deviation of a picture's bytes


def write(folder: Path, *, widths: list[int], seed: int) -> None:
    """Write `folder`/vgg16_features.pth, `features.0.weight`, `features.0.bias` and so on; `widths` are the five blocks' channels.

    Weights are uniform with He's variance, 2 over the inputs, biases 0. The first layer takes bytes minus their mean.
    """
    check_widths("VGG-16", widths)
    features: dict[str, np.ndarray] = {}
    channels = 3
    for width, places in zip(widths, BLOCKS, strict=True):
        for place in places:
            contrast = _CONTRAST if place == 0 else 1
            features |= layer(generator(seed, place), f"features.{place}", (width, channels, 3, 3), contrast)
            channels = width
    save_state(features, folder / "vgg16_features.pth")
