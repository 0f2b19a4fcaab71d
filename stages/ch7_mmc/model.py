"""MMC-Net: two branches of four fully connected layers, whose last three are fused, and a head that classifies pairs (Figure 7.2).

    input BN -> FC1 ReLU dropout -> FC2 BN ReLU -> FC3 BN ReLU -> FC4 BN; fusion of FC2 to FC4; head over both fused embeddings

Embeddings are not normalised here: the matching loss and the scores form cosines, and the head has a norm of its own.
"""

import functools
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stages.ch7_mmc.bilinear import Bilinear, Compact, FullyConnected
from stages.ch7_mmc.training_settings import Fusion, Network, Variant
from stages.core.errors import UserError
from stages.matching.branch import Stack, Start, initialise

Draws = Callable[[str], torch.Generator]
ELEMENTWISE: dict[Fusion, Callable[[Tensor, Tensor], Tensor]] = {"sum": torch.add, "multiplication": torch.mul}


class Convolution(nn.Conv1d):
    """Eq. 7.1 and 7.2: a weight for each of three layers, shared by their elements. Three times (n, d) -> (n, d).

    biases : d, as the equations have it, or 1.
    """

    def __init__(self, biases: int):
        super().__init__(3, 1, 1)
        self.bias = nn.Parameter(torch.empty(biases))

    def forward(self, outputs: Sequence[Tensor]) -> Tensor:  # type: ignore[override] # of layers, not of one
        # As a sum of products: the same bytes on every processor, and faster than the kernels of a convolution for one channel.
        return (torch.stack(list(outputs), dim=1) * self.weight[0]).sum(dim=1) + self.bias  # type: ignore[operator] # has one


class Branch(nn.Module):
    """One modality's layers: features (n, inputs) -> fused embeddings (n, widths[3])."""

    def __init__(self, inputs: int, layers: int, fusion: Fusion, network: Network):
        super().__init__()
        widths = network.widths if layers == 4 else (network.widths[0], network.widths[-1])
        self.layers = Stack(inputs, widths, input_norm=network.norm_input, dropout=network.dropout, last_relu=network.last_relu)
        self.fusion = fusion
        biases = widths[-1] if network.fusion_bias == "each" else 1
        self.convolution = Convolution(biases) if fusion == "convolution" else None

    def forward(self, features: Tensor) -> Tensor:
        outputs = [features]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        if self.convolution is not None:
            return self.convolution(outputs[-3:])
        return outputs[-1] if self.fusion == "none" else functools.reduce(ELEMENTWISE[self.fusion], outputs[-3:])


class MMCNet(nn.Module):
    """A branch for images and one for texts, which share nothing, and the head. texts : None where vision alone is seen. head : None
    without classes."""

    def __init__(self, images: Branch, texts: Branch | None, head: nn.Module | None):
        super().__init__()
        self.images, self.texts, self.head = images, texts, head

    def forward(self, images: Tensor, texts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (n, D), (m, E) -> fused embeddings (n, d), (m, d)."""
        return self.images(images), None if self.texts is None else self.texts(texts)

    def classify(self, images: Tensor, texts: Tensor | None) -> Tensor:
        """Fused embeddings of pairs (n, d), (n, d), or of images alone, -> logits (n, C)."""
        assert self.head is not None
        return self.head(images, texts)


def build(
    variant: Variant,
    images: int,
    texts: int,
    classes: int,
    dimension: int,
    network: Network,
    start: Start,
    draws: Draws,
) -> MMCNet:
    """The variant for features of `images` and `texts` dimensions, its initial weights drawn as `start` says.

    dimension : D of the compact head, where the variant has none of its own. draws : what a layer of a branch draws from, by its name in
    the network, as images.layers.fc1.fc, and `head` its hashes and weights. A layer's weights so depend on its name and shape alone.
    """
    branches = [Branch(images, variant.layers, variant.fusion, network)]
    if variant.sees == "both":
        branches.append(Branch(texts, variant.layers, variant.fusion, network))
    model = MMCNet(branches[0], branches[1] if len(branches) > 1 else None, None)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            initialise(module, start, draws(name), network.std)
        elif isinstance(module, nn.BatchNorm1d):
            module.momentum = network.norm_momentum
        if isinstance(module, Convolution) and network.fusion_start == "mean":
            nn.init.constant_(module.weight, 1 / 3)
    if "classification" in variant.losses:
        width, generator = network.widths[-1], draws("head")
        heads: dict[str, Callable[[], nn.Module]] = {
            "fc": lambda: FullyConnected(len(branches) * width, classes),
            "bilinear": lambda: Bilinear(width, classes, network.root_floor),
            "compact": lambda: Compact(width, classes, variant.dimension or dimension, network.root_floor, generator),
        }
        model.head = heads[variant.head]()
        initialise(model.head, start, generator, network.std)
    return model


def restore(state: Any, variant: Variant, network: Network, file: object) -> MMCNet:
    """The variant with a trained state, whose weights say how wide inputs, classes and D are.

    A UserError names the file where that is no state of a network, has no hashes, without which its weights mean nothing, or those of
    no D, is another network's, or not finite.
    """
    if not (isinstance(state, dict) and all(isinstance(name, str) and isinstance(values, Tensor) for name, values in state.items())):
        raise UserError(f"{file} holds no weights by their names, as a network's file does: train it again")
    compact = "classification" in variant.losses and variant.head == "compact"
    if compact and not {"head.hashes", "head.signs"} <= state.keys():
        raise UserError(f"{file} has no hashes of its compact bilinear pooling, and with others its weights mean nothing: train it again")

    def another(why: str) -> UserError:
        return UserError(f"{file} is of another network than its settings say ({why}): train it again")

    def size(name: str, axis: int) -> int:
        """1 where it is not there, which loading says."""
        shape = tuple(state[name].shape) if name in state else (1, 1)
        if len(shape) != 2 or not shape[axis]:
            raise another(f"{name} has the shape {shape}")
        return shape[axis]

    images, texts = (size(f"{branch}.layers.fc1.fc.weight", 1) for branch in ("images", "texts"))
    classes, dimension = (size("head.linear.weight", axis) for axis in (0, 1))
    model = build(variant, images, texts, classes, dimension, network, "normal", lambda _: torch.Generator())
    for name, values in model.state_dict().items():
        if name in state and state[name].dtype != values.dtype:  # which loading converts
            raise another(f"{name} is of {state[name].dtype}, not {values.dtype}")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise another(textwrap.shorten(str(error).splitlines()[1], 120)) from error  # one of how many there may be
    for name, values in state.items():
        if not values.isfinite().all():
            raise UserError(f"{file} has weights that are not finite ({name}): train it again, at a lower learning rate")
    if compact:
        hashes, signs = state["head.hashes"], state["head.signs"]
        if hashes.min() < 0 or hashes.max() >= dimension or (signs.abs() != 1).any():
            raise UserError(f"{file} has hashes that are not 0 to {dimension - 1}, or signs that are not 1 and -1: train it again")
    return model


def count_parameters(model: MMCNet) -> dict[str, int]:
    """Learnable parameters: weights, biases, scales and shifts of batch norms; of the branches and of the head, which has its hashes
    beside."""
    counts = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in model.named_children()}
    head = counts.pop("head", 0)
    return {"parameters": sum(counts.values()) + head, "parameters_matching": sum(counts.values()), "parameters_classification": head}
