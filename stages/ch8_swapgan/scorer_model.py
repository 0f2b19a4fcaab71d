"""The two networks that read what SwapGAN's generators make: which segment a pixel shows, and which category of clothes a photo."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from stages.ch8_swapgan.people import SEGMENTS
from stages.core.layers.linear import Linear
from stages.core.layers.strided_conv import StridedConv2d
from stages.core.seeds import generator
from stages.gan.networks import UNet

OUTPUTS = 1 + len(SEGMENTS)  # of the parser: background first


class Classifier(nn.Module):
    """Images (N, 3, H, W) in -1..1 and segments (N, 6, H, W), shares -> logits of categories (N, K): strided 4 x 4 convolutions of f,
    2f, 4f, ... channels, the largest value of each map that they leave, a linear layer.

    Without instance normalisation, by which a map's scale is that of the figure's outline: with it patterns of clothes were hardly learned.
    """

    def __init__(self, categories: int, filters: int, layers: int):
        super().__init__()
        channels = [3 + OUTPUTS, *(filters * 2**i for i in range(layers))]
        stages: list[nn.Module] = []
        for before, after in pairwise(channels):
            stages += [StridedConv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*stages)
        self.last = Linear(channels[-1], categories)

    def forward(self, images: Tensor, segments: Tensor) -> Tensor:
        return self.last(self.layers(torch.cat([images, segments], 1)).amax((2, 3)))


class Scorer(nn.Module):
    """Both. Images (N, 3, S, S) in -1..1 -> logits of segments (N, 6, S, S) and of categories (N, K).

    The classifier sees what the parser says beside the photo, for where skin ends and clothes begin tells sleeves, and teaches it nothing.
    """

    def __init__(self, categories: int, width: int, depth: int, filters: int, layers: int):
        super().__init__()
        self.parser = UNet(3, OUTPUTS, width, depth)
        self.classifier = Classifier(categories, filters, layers)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        segments = self.parser(images)
        return segments, self.classifier(images, segments.detach().float().softmax(dim=1))


def initialise(model: Scorer, *seed: object) -> None:
    """He's deviation for each layer's weights, from generators of these words; biases 0."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter, generator=generator(*seed, name))
        else:
            nn.init.zeros_(parameter)
