"""HED and its locally-connected counterpart FCFN: VGG-16 trimmed, five side outputs, a fusion (Figure 3.2, Eq. 2.10).

Margins, padding and initial values are those of the author's network: the first convolution is padded by 35, pooling rounds
up, and each side output is cropped to the image after it has been brought to its size.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core.layers.conv_transpose import ConvTranspose2d
from stages.core.layers.padded_conv import PaddedConv2d
from stages.encoders import vgg16
from stages.encoders.vgg16 import DEPTHS, WIDTHS

PADDING = 35
MARGINS = (34, 35, 36, 38, 42)


class EdgeNetwork(nn.Module):
    """Images (N, 3, H, W), as VGG-16 takes them -> logits of the five sides (N, 5, H, W) and of the fusion (N, 1, H, W).

    widths : channels of the five blocks. size : None for HED's fusion by one 1x1 convolution; (H, W) for FCFN's, with weights
    of its own for every pixel of images of that size (others are met by interpolating the weights).
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, depths: tuple[int, ...] = DEPTHS, size: tuple[int, int] | None = None):
        super().__init__()
        channels = 3
        blocks = []
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            layers: list[nn.Module] = [] if number == 0 else [nn.MaxPool2d(2, 2, ceil_mode=True)]
            for layer in range(depth):
                kind, padding = (PaddedConv2d, PADDING) if number == layer == 0 else (nn.Conv2d, 1)
                layers += [kind(channels, width, 3, padding=padding), nn.ReLU()]
                channels = width
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.scores = nn.ModuleList(_score(width, 0) for width in widths)
        self.upsamplings = nn.ModuleList(_bilinear(2**number) for number in range(1, len(widths)))
        self.fusion = LocalFusion(len(widths), size) if size else _score(len(widths), 0.2)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        height, width = images.shape[2:]
        found = []
        maps = images
        for number, (block, score) in enumerate(zip(self.blocks, self.scores, strict=True)):
            maps = block(maps)
            side = score(maps) if number == 0 else self.upsamplings[number - 1](score(maps))
            margin = MARGINS[number]
            found.append(side[:, :, margin : margin + height, margin : margin + width])
        sides = torch.cat(found, dim=1)
        return sides, self.fusion(sides)


def from_vgg16(features: dict[str, Tensor], size: tuple[int, int] | None = None) -> EdgeNetwork:
    """The network that starts from a VGG-16's convolutions, as wide as that one is.

    features : `features.0.weight`, ... as torchvision has them, for RGB bytes (weights IMAGENET1K_FEATURES); others are passed over.
    """
    vgg16.check_state(features, vgg16.WEIGHTS)
    model = EdgeNetwork(vgg16.widths_of(features), size=size)
    vgg16.load_convolutions((layer for layer in model.blocks.modules() if isinstance(layer, nn.Conv2d)), features)
    return model


class LocalFusion(nn.Module):
    """Eq. 2.10 without its sigmoid, which the loss has: a weight for every branch and pixel, and a bias for every pixel.

    The thesis prints a ReLU; a probability, which Eq. 2.11 takes the logarithm of, needs a sigmoid.
    """

    def __init__(self, branches: int, size: tuple[int, int]):
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, branches, *size), 0.2))
        self.bias = nn.Parameter(torch.zeros(1, 1, *size))

    def forward(self, sides: Tensor) -> Tensor:
        """sides (N, branches, H, W) -> (N, 1, H, W)."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if sides.shape[2:] != weight.shape[2:]:
            size = (sides.shape[2], sides.shape[3])
            weight, bias = (F.interpolate(map_, size, mode="bilinear", align_corners=False) for map_ in (weight, bias))
        return (weight * sides).sum(dim=1, keepdim=True) + bias


def count_parameters(model: EdgeNetwork) -> int:
    """Learnable numbers without the upsamplings, which the published count of HED leaves out."""
    return sum(parameter.numel() for name, parameter in model.named_parameters() if not name.startswith("upsamplings."))


def _score(channels: int, weight: float) -> nn.Conv2d:
    """A 1x1 convolution to one channel that starts with equal weights and no bias."""
    layer = nn.Conv2d(channels, 1, 1)
    for name, parameter in layer.named_parameters():
        nn.init.constant_(parameter, weight if name == "weight" else 0)
    return layer


def _bilinear(factor: int) -> ConvTranspose2d:
    """Upsampling by `factor` that begins as bilinear interpolation and can be learned."""
    layer = ConvTranspose2d(1, 1, 2 * factor, stride=factor, bias=False)
    line = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
    with torch.no_grad():
        layer.weight.copy_(line[:, None] * line)
    return layer
