"""A fully connected layer, and products of matrices, by NumPy's OpenBLAS on a CPU.

Its Haswell kernels are as fast as MKL's own choice, while MKL, pinned to the same bytes everywhere
(`MKL_CBWR=COMPATIBLE`), takes twice as long.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """nn.Linear by `product`. (B, inputs) -> (B, outputs)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.is_cuda or input.dim() != 2 or torch.is_autocast_enabled(input.device.type):
            return F.linear(input, self.weight, self.bias)
        result = product(input, self.weight.t())
        return result if self.bias is None else result + self.bias


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b of matrices (n, d) and (d, m)."""
    return _Product.apply(a, b) if a.device.type == "cpu" and a.dtype == b.dtype == torch.float32 else a @ b


def gram(a: Tensor) -> Tensor:
    """a @ a^T of a matrix (n, d), whose gradient takes one product instead of two."""
    return _Gram.apply(a)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return _by_numpy(a, b)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (gradient,), (a, b) = gradients, ctx.saved_tensors
        wants_a, wants_b = ctx.needs_input_grad
        return _by_numpy(gradient, b.t()) if wants_a else None, _by_numpy(a.t(), gradient) if wants_b else None


class _Gram(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return product(a, a.t())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (a,) = ctx.saved_tensors
        return product(gradients[0] + gradients[0].t(), a)


def _by_numpy(a: Tensor, b: Tensor) -> Tensor:
    return torch.from_numpy(a.detach().numpy() @ b.detach().numpy())
