"""A convolution with a stride, and its transpose, through which gradients go.

What of them PyTorch would leave to oneDNN's `brgconv_strided` and `brg_deconv`, which follow the second-level cache, is `conv_transpose2d`;
the rest, convolutions and gradients of weights, is left to oneDNN: `layers.conv_transpose`, whose gradients are products of matrices, takes
three times as long as PyTorch's own, the transpose here one and a half times. One group, no dilation.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core.layers.conv_transpose import ConvTranspose2d, Pair, conv_transpose2d

Gradients = tuple[Tensor | None, ...]


class StridedConv2d(nn.Conv2d):
    """nn.Conv2d with a stride. (N, C, H, W) -> (N, C', H', W')."""

    def forward(self, input: Tensor) -> Tensor:
        if _as_it_is(input):
            return super().forward(input)
        assert self.padding_mode == "zeros" and self.groups == 1 and self.dilation == (1, 1) and isinstance(self.padding, tuple)
        return _Strided.apply(input, self.weight, self.bias, self.stride, self.padding)


class StridedConvTranspose2d(ConvTranspose2d):
    """nn.ConvTranspose2d with a stride. (N, C, H, W) -> (N, C', H', W')."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if _as_it_is(input) or output_size is not None:
            return super().forward(input, output_size)
        assert self.groups == 1 and self.dilation == (1, 1) and isinstance(self.padding, tuple)
        return _Transposed.apply(input, self.weight, self.bias, self.stride, self.padding, self.output_padding)


def _as_it_is(maps: Tensor) -> bool:
    return maps.is_cuda or torch.is_autocast_enabled(maps.device.type)


class _Strided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.steps = stride, padding
        return F.conv2d(maps, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        (gradient,), (maps, weight) = gradients, ctx.saved_tensors
        stride, padding = ctx.steps
        of_maps, (wants_maps, wants_weight, wants_bias) = None, ctx.needs_input_grad[:3]
        if wants_maps:
            sides = zip(maps.shape[2:], gradient.shape[2:], weight.shape[2:], stride, padding, strict=True)
            beyond = tuple(side + 2 * around - kernel - (out - 1) * step for side, out, kernel, step, around in sides)  # the last patch
            of_maps = conv_transpose2d(gradient, weight, None, stride, padding, beyond)
        of_weight = _of_weight(gradient, maps, weight, stride, padding) if wants_weight else None
        return of_maps, of_weight, gradient.sum((0, 2, 3)) if wants_bias else None, None, None


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, beyond: Pair) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.steps = stride, padding
        return conv_transpose2d(maps, weight, bias, stride, padding, beyond)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        (gradient,), (maps, weight) = gradients, ctx.saved_tensors
        stride, padding = ctx.steps
        wants_maps, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        of_maps = F.conv2d(gradient, weight, None, stride, padding) if wants_maps else None
        # Of the convolution that it is the transpose of, `gradient` is the maps and `maps` the gradient.
        of_weight = _of_weight(maps, gradient, weight, stride, padding) if wants_weight else None
        return of_maps, of_weight, gradient.sum((0, 2, 3)) if wants_bias else None, None, None, None


def _of_weight(gradient: Tensor, maps: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of a convolution's weight by the gradient of what it puts out."""
    only_weight = [False, True, False]
    return torch.ops.aten.convolution_backward(gradient, maps, weight, None, stride, padding, [1, 1], False, [0, 0], 1, only_weight)[1]
