"""The branch of fully connected layers that the networks of Chapters 5 to 7 are made of, its initial values and rates.

Chapter 5's branch is FC1 to FC4, {2048, 512, 512, 512} (Section 5.3.2): ReLU after all but the last, dropout after
FC1, batch norm after the others, and (the author's layers) on what comes in. Chapter 7's is the same; of Chapter 6's
the text has the widths only.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import nn

from stages.core.layers.linear import Linear

Start = Literal["normal", "he"]


def layer(inputs: int, width: int, *, norm: bool = True, relu: bool = True, dropout: float = 0.0) -> nn.Sequential:
    """A fully connected layer (B, inputs) -> (B, width), then batch norm, ReLU and dropout, those that it has."""
    parts: dict[str, nn.Module] = {"fc": Linear(inputs, width)}
    if norm:
        parts["norm"] = nn.BatchNorm1d(width)
    if relu:
        parts["relu"] = nn.ReLU()
    if dropout:
        parts["dropout"] = nn.Dropout(dropout)
    return nn.Sequential(OrderedDict(parts))


class Stack(nn.Sequential):
    """Layers fc1, fc2, ... (B, inputs) -> (B, widths[-1]): the first with dropout, the others with batch norm.

    input_norm : batch norm before fc1. last_relu : a ReLU after the last layer too, as in what is not a whole branch.
    """

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int],
        *,
        input_norm: bool,
        dropout: float,
        last_relu: bool = False,
    ):
        parts: dict[str, nn.Module] = {"input_norm": nn.BatchNorm1d(inputs)} if input_norm else {}
        for number, (before, width) in enumerate(zip([inputs, *widths[:-1]], widths, strict=True), start=1):
            first = number == 1
            relu = last_relu or number < len(widths)
            parts[f"fc{number}"] = layer(before, width, norm=not first, relu=relu, dropout=dropout if first else 0.0)
        super().__init__(OrderedDict(parts))


def initialise(model: nn.Module, start: Start, generator: torch.Generator, std: float = 0.05) -> None:
    """Draw the weights of linear and convolutional layers, in the order of `model.modules()`; their biases start at 0.

    start : normal, N(0, std), the author's; he, N(0, sqrt(2 / inputs)), with which small batches leave the plateau.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            if start == "normal":
                nn.init.normal_(module.weight, std=std, generator=generator)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def caffe_rates(weight_decay: float, bias_rate: float = 2.0) -> Callable[[str], tuple[float, float]]:
    """For `optimisers.sgd`: biases, batch norm's too, learn at `bias_rate` times the rate, without decay (author's)."""

    def settings_of(name: str) -> tuple[float, float]:
        return (bias_rate, 0.0) if name.endswith("bias") else (1.0, weight_decay)

    return settings_of
