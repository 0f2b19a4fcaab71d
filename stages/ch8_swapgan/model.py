"""SwapGAN's three generators (Figure 8.9) and its discriminator of pairs (Figure 8.10).

    G_I     a condition image and the reference's pose map -> the condition's clothes in the reference's pose (Eq. 8.12)
    G_II    that image and the condition's segments        -> the condition image again (Eq. 8.15)
    G_III   either image                                   -> its person's mask
    D       a pair (reference, condition)                  -> whether it is real

Which losses train them: `stages.ch8_swapgan.loss`.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from stages.ch8_swapgan.loss import Made
from stages.ch8_swapgan.training_settings import Network, Upsampling, Variant
from stages.core.errors import UserError
from stages.core.layers.strided_conv import StridedConv2d, StridedConvTranspose2d
from stages.gan.networks import Discriminator, InstanceNorm, Residual, UNet, initialise

Draws = Callable[[str], torch.Generator]
IMAGE, POSE, SEGMENTS = 3, 3, 5  # channels


class Up(nn.Module):
    """Maps (N, inputs, H, W) and the encoder's (N, beside, 2 H, 2 W) -> (N, outputs, 2 H, 2 W).

    The first are enlarged by nearest neighbours, or by transposed 3 x 3 convolutions of stride 1/2, and a convolution makes one of both.
    After nearest neighbours a kernel of 1 mixes no pixels: but for the encoder's maps its result is constant on cells of 2 x 2.
    """

    def __init__(self, inputs: int, beside: int, outputs: int, kernel: int, upsampling: Upsampling):
        super().__init__()
        self.enlarge = (
            nn.Upsample(scale_factor=2)
            if upsampling == "nearest"
            else StridedConvTranspose2d(inputs, inputs, 3, stride=2, padding=1, output_padding=1)
        )
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs + beside, outputs, kernel), InstanceNorm(), nn.ReLU(inplace=True)
        )

    def forward(self, maps: Tensor, beside: Tensor) -> Tensor:
        return self.layers(torch.cat([self.enlarge(maps), beside], 1))


class PersonGenerator(nn.Module):
    """G_I and G_II (Figure 8.11): (N, inputs, H, W) -> (N, outputs, H, W) in -1..1; H and W multiples of 2^downsamplings, from twice that.

    Four convolutions, c7s1-w, c3s2-2w, c3s2-4w, c3s2-8w (one and `downsamplings`), residual blocks, as many upsamplings (`Up`) to 4w, 2w,
    w, and c1s1: of width 64 30,144,451 parameters for 6 inputs, 30,150,723 for 8; 32,208,835 of kernel 3 for 6. The thesis prints no
    channels. last : what comes after all layers, tanh unless something else is given.
    """

    def __init__(
        self, inputs: int, width: int = 64, blocks: int = 6, kernel: int = 1, downsamplings: int = 3, upsampling: Upsampling = "nearest",
        outputs: int = IMAGE, last: nn.Module | None = None,
    ):  # fmt: skip
        super().__init__()
        channels = [width * 2**level for level in range(downsamplings + 1)]
        self.first = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7), InstanceNorm(), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(StridedConv2d(before, after, 3, stride=2, padding=1), InstanceNorm(), nn.ReLU(inplace=True))
            for before, after in pairwise(channels)
        )
        self.blocks = nn.Sequential(*(Residual(channels[-1]) for _ in range(blocks)))
        self.up = nn.ModuleList(Up(before, after, after, kernel, upsampling) for before, after in pairwise(channels[::-1]))
        self.last = nn.Sequential(nn.Conv2d(width, outputs, 1), nn.Tanh() if last is None else last)

    def forward(self, images: Tensor) -> Tensor:
        self._check(*images.shape[2:])
        maps, beside = self.first(images), []
        for layer in self.down:
            beside.append(maps)
            maps = layer(maps)
        maps = self.blocks(maps)
        for layer in self.up:
            maps = layer(maps, beside.pop())
        return self.last(maps)

    def _check(self, height: int, width: int) -> None:
        multiple = 2 ** len(self.down)
        if height % multiple or width % multiple or min(height, width) < 2 * multiple:
            raise UserError(
                f"an image has {width} x {height} pixels, and a generator halves sides {len(self.down)} times: multiples of {multiple} are "
                f"needed, from {2 * multiple}"
            )


class SwapGAN(nn.Module):
    """The generators of a variant; second, third : None where there is none."""

    def __init__(self, first: nn.Module, second: nn.Module | None, third: nn.Module | None):
        super().__init__()
        self.first, self.second, self.third = first, second, third

    def swap(self, conditions: Tensor, poses: Tensor) -> Tensor:
        """Eq. 8.12: X_c and P_r, (N, 3, S, S) in -1..1 -> X_GI."""
        return self.first(torch.cat([conditions, poses], 1))

    def forward(self, conditions: Tensor, poses: Tensor, segments: Tensor) -> Made:
        """Eq. 8.12, 8.15 and the masks. segments : S_c, (N, 5, S, S) of 0 and 1."""
        swapped = self.swap(conditions, poses)
        returned = None if self.second is None else self.second(torch.cat([swapped, segments], 1))
        masks = [None if self.third is None or images is None else self.third(images) for images in (swapped, returned)]
        return Made(swapped, returned, *masks)


def build(variant: Variant, network: Network, draws: Draws) -> SwapGAN:
    """The variant's generators. draws : what a network draws its weights from, by its name, first, second or third: so those of the same
    build start alike in all variants."""
    upsampling = variant.upsampling or network.upsampling

    def person(inputs: int, outputs: int = IMAGE, last: nn.Module | None = None) -> nn.Module:
        sizes = network.width, network.blocks, network.kernel, network.downsamplings
        return PersonGenerator(inputs, *sizes, upsampling, outputs, last)

    first, second = person(IMAGE + POSE), person(IMAGE + SEGMENTS) if variant.second else None
    if variant.third == "unet":
        third: nn.Module | None = nn.Sequential(UNet(IMAGE, 1, network.width, network.depth), nn.Sigmoid())
    else:
        third = person(IMAGE, 1, nn.Sigmoid()) if variant.third == "like-first" else None
    made = SwapGAN(first, second, third)
    for name, module in made.named_children():
        initialise(module, network.std, draws(name))
    return made


def discriminator(network: Network, draws: Draws) -> Discriminator:
    """D of pairs, (N, 6, S, S)."""
    made = Discriminator(network.width, network.strided, 2 * IMAGE, network.norm)
    initialise(made, network.std, draws("discriminator"))
    return made


def count_parameters(model: nn.Module) -> int:
    """Learnable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
