"""Average pooling that rounds up."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CeilAvgPool2d(nn.AvgPool2d):
    """nn.AvgPool2d(kernel, stride, ceil_mode=True): a window beyond the maps' end holds what there is. (N, C, H, W) -> (N, C, H', W').

    Written out where it is compiled: PyTorch 2.13's compiler makes a wrong gradient of windows that the end cuts off, on a CPU by up to
    its own size (kernels of 2 and 3, with and without padding; right without ceil_mode, or where no window is cut).
    """

    def __init__(self, kernel: int, stride: int):
        if stride > kernel:
            raise ValueError(f"a stride of {stride} leaves out what a kernel of {kernel} does not reach")
        super().__init__(kernel, stride, ceil_mode=True)

    def forward(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            return super().forward(input)
        assert isinstance(self.kernel_size, int) and isinstance(self.stride, int)
        return written_out(input, self.kernel_size, self.stride)


def written_out(maps: Tensor, kernel: int, stride: int) -> Tensor:
    """The same by sums over maps that zeros follow, each divided by how many of the maps' own values it has."""
    height, width = maps.shape[2:]
    rows, columns = (_counts(side, kernel, stride, maps) for side in (height, width))
    right, below = ((len(counts) - 1) * stride + kernel - side for counts, side in ((columns, width), (rows, height)))
    sums = F.avg_pool2d(F.pad(maps, (0, right, 0, below)), kernel, stride, divisor_override=1)
    return sums / (rows[:, None] * columns)


def _counts(side: int, kernel: int, stride: int, like: Tensor) -> Tensor:
    """How many of a line's `side` values each of its windows has."""
    windows = -(-(side - kernel) // stride) + 1
    return (side - stride * torch.arange(windows, device=like.device)).clamp(max=kernel).to(like.dtype)
