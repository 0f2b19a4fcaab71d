"""CycleGAN's generator and discriminator [94], and a U-Net: all with instance normalisation [83] that has no parameters and no state."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core.errors import UserError
from stages.core.layers.strided_conv import StridedConv2d, StridedConvTranspose2d

Upsampling = Literal["deconvolution", "nearest"]


class InstanceNorm(nn.Module):
    """Maps of each image and channel to mean 0 and variance 1, in training and evaluation alike; maps of one value, of which nothing would
    be left, stay as they are. (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps if maps.shape[2:].numel() == 1 else F.instance_norm(maps)


class Residual(nn.Module):
    """Two 3 x 3 convolutions with reflected borders, whose result is added to their input. (N, C, H, W) -> (N, C, H, W); H, W >= 2."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), InstanceNorm(), nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), InstanceNorm(),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.layers(maps)


class Nearest(nn.Sequential):
    """Upsampling by 2 by nearest neighbours, then a convolution of an odd kernel. (N, C, H, W) -> (N, C', 2 H, 2 W).

    A kernel of 1 mixes no pixels: its result is constant on cells of 2 x 2.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3):
        super().__init__(nn.Upsample(scale_factor=2), nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs, outputs, kernel))


class Generator(nn.Module):
    """Images (N, inputs, H, W) in -1..1 -> (N, outputs, H, W) in -1..1; H and W multiples of 4, from 8.

    c7s1-w, c3s2-2w, c3s2-4w, residual blocks of 4w, two upsamplings to 2w and w, c7s1 and tanh (Section 8.1.2): 11,378,179 parameters of
    width 64 and 9 blocks, 7,837,699 of 6.

    upsampling : transposed 3 x 3 convolutions of stride 1/2, or `Nearest`.
    """

    def __init__(self, width: int = 64, blocks: int = 9, inputs: int = 3, outputs: int = 3, upsampling: Upsampling = "deconvolution"):
        super().__init__()
        wide = 4 * width
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7), InstanceNorm(), nn.ReLU(inplace=True)]
        for channels in (width, 2 * width):
            layers += [StridedConv2d(channels, 2 * channels, 3, stride=2, padding=1), InstanceNorm(), nn.ReLU(inplace=True)]
        layers += [Residual(wide) for _ in range(blocks)]
        for channels in (wide, wide // 2):
            layers += [_upsampling(channels, upsampling), InstanceNorm(), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if height % 4 or width % 4 or min(height, width) < 8:
            raise UserError(
                f"an image has {width} x {height} pixels, and a generator halves sides twice: multiples of 4 are needed, from 8"
            )
        return self.layers(images)


def _upsampling(channels: int, kind: Upsampling) -> nn.Module:
    if kind == "nearest":
        return Nearest(channels, channels // 2)
    return StridedConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)


class Discriminator(nn.Module):
    """Images (N, inputs, H, W) -> scores of overlapping patches (N, 1, h, w), 1 for real and 0 for generated ones.

    PatchGAN [82, 88]: 4 x 4 convolutions, `strided` of them with stride 2 and from `width` to 8 times as many channels, and two without,
    LeakyReLU of .2 between. A score sees 16, 34, 70, 142, 286 pixels a side for 1 to 5 strided ones. 2,764,737 parameters as by default.

    norm : whether all but the first and the last are followed by instance normalisation.
    """

    def __init__(self, width: int = 64, strided: int = 3, inputs: int = 3, norm: bool = True):
        super().__init__()
        self.strided = strided
        channels = [inputs, *(width * min(2**i, 8) for i in range(strided + 1)), 1]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(channels)):
            layers.append(StridedConv2d(before, after, 4, stride=2, padding=1) if i < strided else nn.Conv2d(before, after, 4, padding=1))
            layers += [InstanceNorm()] if norm and 0 < i <= strided else []
            layers += [nn.LeakyReLU(0.2, inplace=True)] if i <= strided else []
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        least = 3 * 2**self.strided
        if min(height, width) < least:
            raise UserError(
                f"an image has {width} x {height} pixels, and a discriminator of {self.strided} strided layers needs {least} a side: "
                "fewer of them or larger images"
            )
        return self.layers(images)


class UNet(nn.Module):
    """Images (N, inputs, H, W) -> maps (N, outputs, H, W), any real numbers: for a mask, take the sigmoid.

    Down by `depth` 4 x 4 convolutions of stride 2, of w, 2w, 4w and then 8w channels; up by as many transposed ones, each of which from
    the second on takes the map of its size on the way down beside (Section 8.2.2's G_III; pix2pix's [88] without dropout). Instance
    normalisation after all but the first and the last, and nowhere on maps of one value. 54,405,505 parameters for 3 inputs, 1 output,
    width 64, depth 8.

    padding : "same" is TensorFlow's: half of a side is rounded up, half of 1 is 1, and any image and depth will do; of 128 pixels the
        maps are 64, 32, ..., 2, 1, 1. 1 is PyTorch's: sides have to be multiples of 2^depth.
    """

    def __init__(self, inputs: int = 3, outputs: int = 1, width: int = 64, depth: int = 8, padding: Literal["same", 1] = "same"):
        super().__init__()
        self.padding = padding
        channels = [width * min(2**i, 8) for i in range(depth)]
        self.down = nn.ModuleList(StridedConv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise([inputs, *channels]))
        up = [(channels[-1], channels[-1 - 1])] if depth > 1 else []
        up += [(2 * before, after) for before, after in pairwise(channels[-2::-1])]
        up += [((2 if depth > 1 else 1) * width, outputs)]
        self.up = nn.ModuleList(StridedConvTranspose2d(before, after, 4, stride=2, padding=1) for before, after in up)
        self.norm = InstanceNorm()

    def forward(self, images: Tensor) -> Tensor:
        self._check(*images.shape[2:])
        maps, beside = images, []
        for level, layer in enumerate(self.down):
            beside.append(maps)  # the image itself lends the last layer its size alone
            maps = layer(_even(F.leaky_relu(maps, 0.2) if level else maps))
            maps = self.norm(maps) if level else maps
        for level, layer in enumerate(self.up):
            height, width = beside[-1 - level].shape[2:]
            maps = layer(maps.relu())[:, :, :height, :width]
            if level < len(self.up) - 1:
                maps = torch.cat([beside[-1 - level], self.norm(maps)], 1)
        return maps

    def _check(self, height: int, width: int) -> None:
        depth = len(self.down)
        if self.padding != "same" and (height % 2**depth or width % 2**depth):
            raise UserError(
                f"an image has {width} x {height} pixels, and a U-Net of depth {depth} halves sides {depth} times: multiples of "
                f"{2**depth}, a smaller depth, or 'same' padding"
            )


def _even(maps: Tensor) -> Tensor:
    """Zeros to the right and below where sides are odd, by which TensorFlow's padding is more than PyTorch's padding of 1."""
    height, width = maps.shape[2:]
    return F.pad(maps, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else maps


def initialise(module: nn.Module, std: float, generator: torch.Generator) -> None:
    """Weights from N(0, std), drawn in the order of the parameters; biases 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, std, generator=generator)
            else:
                parameter.zero_()
