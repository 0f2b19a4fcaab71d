"""VGG-16, which HED, FCN-8s and their fusion networks start from: its places in torchvision's network, and how another takes its weights.

WEIGHTS here are the original ones of its convolutions (IMAGENET1K_FEATURES), for RGB bytes minus their mean.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stages.core.errors import UserError
from stages.core.modules import named_module

WIDTHS, DEPTHS = (64, 128, 256, 512, 512), (2, 2, 3, 3, 3)  # of the five blocks
BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))  # their convolutions in torchvision's `features`
PLACES = tuple(place for block in BLOCKS for place in block)
FC, FC_SIDE = 4096, 7  # of the fully-connected layers, and of the maps that the first takes
FC_PLACES = ("classifier.0", "classifier.3")


@dataclass(frozen=True)
class Weights:
    """VGG-16's weights as torchvision has them: their file in the source's folder, what they take off RGB bytes and divide them by.

    whole : with fc6 and fc7.
    """

    file: str
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    whole: bool


WEIGHTS = Weights("vgg16_features.pth", (122.67892, 116.66877, 104.00699), (1, 1, 1), whole=False)


def weights_of(source: str) -> Weights:
    """The weights that a source is of: WEIGHTS of stages/encoders/<source>.py; a UserError where there are none.

    A stage that asks declares reports/code/encoders.<source>.json among its deps.
    """
    weights = getattr(named_module("encoders", source, "encoder"), "WEIGHTS", None)
    if not isinstance(weights, Weights):
        raise UserError(f"stages/encoders/{source}.py has no WEIGHTS: it is no VGG-16")
    return weights


def check_state(state: Mapping[str, Tensor], weights: Weights) -> None:
    """A UserError where a state lacks a layer of a VGG-16 that these weights have."""
    layers = [f"features.{place}" for place in PLACES] + list(FC_PLACES if weights.whole else ())
    missing = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias") if f"{layer}.{kind}" not in state]
    if missing:
        raise UserError(f"the VGG-16 weights of {weights.file} lack {missing[0]}: they must be torchvision's, of vgg16().state_dict()")


def widths_of(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Channels of the five blocks; a miniature's are narrow."""
    return tuple(len(state[f"features.{block[-1]}.bias"]) for block in BLOCKS)


def load_convolutions(layers: Iterable[nn.Module], state: Mapping[str, Tensor]) -> None:
    """Give these thirteen convolutions, which are in VGG-16's order, its weights and biases."""
    for place, layer in zip(PLACES, layers, strict=True):
        layer.load_state_dict({kind: state[f"features.{place}.{kind}"] for kind in ("weight", "bias")})


def normalise(pixels: Tensor, weights: Weights) -> Tensor:
    """RGB bytes (N, 3, H, W) as the weights take them, float32."""
    mean, deviation = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (weights.mean, weights.deviation))
    return (pixels.float() - mean) / deviation
