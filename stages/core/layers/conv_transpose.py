"""A transposed convolution."""

from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[int, ...]


class ConvTranspose2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d by `conv_transpose2d`. (N, C, H, W) -> (N, C', H', W')."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        assert isinstance(self.padding, tuple)  # nn.ConvTranspose2d takes no words for it
        beyond = self._output_padding(input, output_size, self.stride, self.padding, self.kernel_size, 2, self.dilation)  # type: ignore[arg-type]
        return conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, tuple(beyond), self.groups, self.dilation)


def conv_transpose2d(
    maps: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> Tensor:
    """F.conv_transpose2d; on a CPU as its definition has it, a patch for every place of the maps, and the sum of the patches that overlap.

    maps (N, C, H, W), weight (C, C' / groups, h, w), bias (C',) -> (N, C', H', W'), where
    H' = (H - 1) stride - 2 padding + dilation (h - 1) + output_padding + 1. The patches take h w / stride^2 times the result's memory.
    """
    if maps.is_cuda:
        return F.conv_transpose2d(maps, weight, bias, stride, padding, output_padding, groups, dilation)
    images, channels, *sides = maps.shape
    kernel = weight.shape[2:]
    per_channel = weight.reshape(groups, channels // groups, -1)
    # A product of matrices and no convolution, backwards either: oneDNN's `brg_deconv` is chosen anew in each direction.
    patches = per_channel.transpose(1, 2) @ maps.reshape(images, groups, channels // groups, sides[0] * sides[1])
    reach = [span * (side - 1) + 1 for span, side in zip(dilation, kernel, strict=True)]
    size = tuple((sides[i] - 1) * stride[i] - 2 * padding[i] + reach[i] + output_padding[i] for i in range(2))
    overlaid = F.fold(patches.flatten(1, 2), size, kernel, dilation, padding, stride)
    return overlaid if bias is None else overlaid + bias[:, None, None].to(overlaid.dtype)
