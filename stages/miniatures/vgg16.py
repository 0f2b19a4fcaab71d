"""A narrow VGG-16 that stands in for the pre-trained one: its convolutions in torchvision's names, never trained.

What the miniatures of other networks share with it is here too: layers, and how they are saved.
"""

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
    check_widths("VGG-16", widths)
    features: dict[str, np.ndarray] = {}
    channels = 3
    for width, places in zip(widths, PLACES, strict=True):
        for place in places:
            contrast = _CONTRAST if place == 0 else 1
            features |= layer(generator(seed, place), f"features.{place}", (width, channels, 3, 3), contrast)
            channels = width
    save_state(features, folder / "vgg16_features.pth")


def check_widths(title: str, widths: list[int]) -> None:
    """A UserError where a miniature network of these widths, its five blocks', cannot be."""
    if len(widths) != len(PLACES) or min(widths) < 1:
        raise UserError(f"a miniature {title} of widths {widths} cannot be: it has {len(PLACES)} blocks of 1 or more channels each")


def layer(rng: np.random.Generator, name: str, shape: tuple[int, ...], contrast: float = 1) -> dict[str, np.ndarray]:
    """`name`.weight, as `he_uniform` has it, and `name`.bias, of zeros."""
    return {f"{name}.weight": he_uniform(rng, shape, contrast), f"{name}.bias": np.zeros(shape[0], np.float32)}


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...], contrast: float = 1) -> np.ndarray:
    """Weights (outputs, inputs, ...), float32, uniform with He's variance for inputs of the deviation `contrast`."""
    limit = math.sqrt(3 * 2 / math.prod(shape[1:])) / contrast
    return (limit * (2 * rng.random(shape) - 1)).astype(np.float32)


def save_state(state: dict[str, np.ndarray], file: Path) -> None:
    """The state of a network, as torchvision publishes it."""
    import torch

    from stages.core.runtime import save

    save({name: torch.from_numpy(values) for name, values in state.items()}, file)
