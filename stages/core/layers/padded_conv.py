"""A convolution with wide padding, or with a wide kernel and a stride."""

from torch import Tensor, nn
from torch.nn import functional as F


class PaddedConv2d(nn.Conv2d):
    """nn.Conv2d that puts its zeros around the maps first. (N, C, H, W) -> (N, C', H', W').

    For wide padding, of more than 3 or of the kernel's size, and for a kernel beyond 7 with a stride: these oneDNN's `jit:avx2` does not
    do, and its `gemm:jit`, which follows, cuts the sum over a patch by the size of the second-level cache.
    """

    def forward(self, input: Tensor) -> Tensor:
        assert self.padding_mode == "zeros"
        height, width = (int(side) for side in self.padding)
        return F.conv2d(F.pad(input, (width, width, height, height)), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
