"""What the miniatures of networks share: weights that were never trained, in torchvision's and timm's names.

Weights are uniform with He's variance, 2 over the inputs, biases 0; there are ten classes. Inputs are RGB, normalised to a deviation of
about 1. AlexNet and the VGGs are narrow; SqueezeNet 1.1 and EfficientNet-Lite0, which are small, have their full width.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.world import generator

if TYPE_CHECKING:
    from torch import nn

Blocks = tuple[tuple[tuple[int, int], ...], ...]

CLASSES = 10
BLOCKS = 5  # of convolutions, in all networks that are narrow

# Random streams, after that of a network, which no other miniature has. A layer's does not depend on the widths of others.
_FEATURES, _CLASSIFIER = 0, 1


def check_widths(title: str, widths: list[int]) -> None:
    """A UserError where a miniature network of these widths, its five blocks', cannot be."""
    if len(widths) != BLOCKS or min(widths) < 1:
        raise UserError(f"a miniature {title} of widths {widths} cannot be: it has {BLOCKS} blocks of 1 or more channels each")


def check_network(title: str, widths: list[int], fc: int) -> None:
    """The same of a network with hidden fully-connected layers of `fc` outputs."""
    check_widths(title, widths)
    if fc < 1:
        raise UserError(f"a miniature {title} with fc {fc} cannot be: its hidden layers have 1 or more outputs")


def features(stream: int, blocks: Blocks, widths: list[int], seed: int) -> tuple[dict[str, np.ndarray], int]:
    """The convolutions, and how many channels they end with. blocks : of each block its places in `features` with their kernels' sides."""
    state: dict[str, np.ndarray] = {}
    channels = 3
    for width, block in zip(widths, blocks, strict=True):
        for place, kernel in block:
            rng = generator(seed, stream, _FEATURES, place)
            state |= layer(rng, f"features.{place}", (width, channels, kernel, kernel))
            channels = width
    return state, channels


def classifier(stream: int, places: tuple[int, ...], inputs: int, fc: int, seed: int) -> dict[str, np.ndarray]:
    """The fully-connected layers at these places of `classifier`: two of `fc` outputs, and the classes."""
    state: dict[str, np.ndarray] = {}
    for place, outputs in zip(places, (fc, fc, CLASSES), strict=True):
        state |= layer(generator(seed, stream, _CLASSIFIER, place), f"classifier.{place}", (outputs, inputs))
        inputs = outputs
    return state


def whole(stream: int, network: "nn.Module", seed: int) -> dict[str, np.ndarray]:
    """The state of a network of full width, which has none yet."""
    return {
        key: _value(generator(seed, stream, index), key, tuple(value.shape))
        for index, (key, value) in enumerate(network.state_dict().items())
    }


def _value(rng: np.random.Generator, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Batch norms change nothing: weights and variances are 1, biases and means 0."""
    if len(shape) > 1:
        return he_uniform(rng, shape)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    return np.full(shape, key.endswith((".running_var", ".weight")), np.float32)


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
