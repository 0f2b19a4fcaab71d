"""FCN-8s [26] on VGG-16, and FCFN, which fuses its branches by weights of their own for every class and pixel (Eq. 2.7, 2.8).

Layers, margins and crops are those of FCN-8s's authors: the first convolution is padded by 100, pooling rounds up, and scores are cropped
to what they are added to, and in the end to the image.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stages.ch2_segmentation.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.layers.conv_transpose import ConvTranspose2d, conv_transpose2d
from stages.core.layers.padded_conv import PaddedConv2d
from stages.encoders import vgg16 as encoder
from stages.encoders.vgg16 import DEPTHS, FC, FC_PLACES, FC_SIDE, WIDTHS, Weights

PADDING = 100
CROP_POOL4, CROP_POOL3, CROP = 5, 9, 31


def weights_called(source: str) -> Weights:
    """The weights of the parameter ch2_segmentation.weights; a UserError where there are none of this name."""
    try:
        return encoder.weights_of(source)
    except UserError as error:
        raise UserError(f"ch2_segmentation.weights is {source!r}: {error}") from error


class SumFusion(nn.Module):
    """FCN-8s's fusion: the two branches are added; no weights. (N, K, H, W) twice -> (N, K, H, W)."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second


class LocalFusion(nn.Module):
    """Eq. 2.7 and 2.8: class k has at pixel i a weight for each of the two branches, and a bias; K H W (2 + 1) parameters.

    Branches that are smaller than the grid of weights meet its middle, as if their image had been padded to the grid's on all sides.
    """

    def __init__(self, classes: int, grid: tuple[int, int], relu: bool = True):
        super().__init__()
        self.relu = relu
        self.weight = nn.Parameter(torch.full((2, classes, *grid), 0.5))
        self.bias = nn.Parameter(torch.zeros(classes, *grid))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(N, K, h, w) twice -> (N, K, h, w)."""
        weight, bias = (_middle(values, first) for values in (self.weight, self.bias))
        fused = weight[0] * first + weight[1] * second + bias
        return fused.relu() if self.relu else fused


class Upsampling(ConvTranspose2d):
    """Upsampling by `factor`: from every class to every class, beginning as the bilinear interpolation of each by itself, or fixed as that.

    (N, K, H, W) -> (N, K, factor (H + 1), factor (W + 1)).
    """

    def __init__(self, classes: int, factor: int, fixed: bool):
        super().__init__(classes, classes, 2 * factor, stride=factor, bias=False)
        line = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
        with torch.no_grad():
            self.weight.copy_(torch.eye(classes)[:, :, None, None] * (line[:, None] * line))
        self.fixed = fixed
        self.requires_grad_(not fixed)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not self.fixed:
            return super().forward(input, output_size)
        own = self.weight.diagonal().movedim(-1, 0)[:, None]  # the other weights are 0: K times less to do
        return conv_transpose2d(input, own, stride=self.stride, groups=len(own))


class FCN8s(nn.Module):
    """Images (N, 3, H, W) as `normalise` of stages.encoders.vgg16 has them -> logits (N, K, H, W).

    widths, fc : channels of the five blocks and of fc6 and fc7.
    """

    def __init__(
        self,
        classes: int = 21,
        widths: tuple[int, ...] = WIDTHS,
        fc: int = FC,
        skip_scales: tuple[float, ...] = (1, 1),
        fixed_upsampling: bool = True,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(_block(number, widths) for number in range(len(widths)))
        self.fc6 = nn.Conv2d(widths[4], fc, FC_SIDE)
        self.fc7 = nn.Conv2d(fc, fc, 1)
        self.dropout = nn.Dropout(0.5)
        self.score_fr = _score(fc, classes)
        self.score_pool4 = _score(widths[3], classes)
        self.score_pool3 = _score(widths[2], classes)
        self.upscore2 = Upsampling(classes, 2, fixed_upsampling)
        self.upscore_pool4 = Upsampling(classes, 2, fixed_upsampling)
        self.upscore8 = Upsampling(classes, 8, fixed_upsampling)
        self.scale_pool4, self.scale_pool3 = skip_scales
        self.fuse_pool4: nn.Module = SumFusion()
        self.fuse_pool3: nn.Module = SumFusion()

    def forward(self, images: Tensor) -> Tensor:
        maps = images
        pools = []
        for block in self.blocks:
            maps = block(maps)
            pools.append(maps)
        _, _, pool3, pool4, pool5 = pools
        fc6 = self.dropout(self.fc6(pool5).relu())
        fc7 = self.dropout(self.fc7(fc6).relu())

        upscore2 = self.upscore2(self.score_fr(fc7))
        pool4_scores = _cropped(self.score_pool4(self.scale_pool4 * pool4), CROP_POOL4, upscore2)
        fused_pool4 = self.fuse_pool4(upscore2, pool4_scores)

        upscore_pool4 = self.upscore_pool4(fused_pool4)
        pool3_scores = _cropped(self.score_pool3(self.scale_pool3 * pool3), CROP_POOL3, upscore_pool4)
        fused_pool3 = self.fuse_pool3(pool3_scores, upscore_pool4)
        return _cropped(self.upscore8(fused_pool3), CROP, images)


class FCFN(FCN8s):
    """FCN-8s whose two sums are locally-connected fusions, for images of at most `size` (height, width)."""

    def __init__(self, size: tuple[int, int], *, classes: int = 21, relu: bool = True, **options: object):
        super().__init__(classes, **options)  # type: ignore[arg-type]
        self.size = size
        pool4, pool3 = zip(*(fusion_sides(side) for side in size), strict=True)
        self.fuse_pool4 = LocalFusion(classes, pool4, relu)
        self.fuse_pool3 = LocalFusion(classes, pool3, relu)

    def forward(self, images: Tensor) -> Tensor:
        if any(side > largest for side, largest in zip(images.shape[2:], self.size, strict=True)):
            sizes = [f"{width} x {height}" for height, width in (images.shape[2:], self.size)]
            raise UserError(f"an image of {sizes[0]} pixels is larger than {sizes[1]}, which FCFN's weights are for: raise network.size")
        return super().forward(images)


def fusion_sides(side: int) -> tuple[int, int]:
    """How long a side of the maps of the first fusion (Eq. 2.7) and the second (Eq. 2.8) is for an image's `side`."""
    pool5 = side + 2 * PADDING - 2
    for _ in DEPTHS:
        pool5 = -(-pool5 // 2)
    pool4 = 2 * (pool5 - FC_SIDE + 1) + 2
    return pool4, 2 * pool4 + 2


def initial_model(
    variant: Variant, vgg16: Mapping[str, Tensor], weights: Weights, network: Network, classes: int, random: torch.Generator
) -> FCN8s:
    """The network before its first step, as wide as `vgg16` is, a state of torchvision's VGG-16.

    FCN-8s's score layers start at 0, as its authors'. FCFN's cannot: where a fused score is 0, Eq. 2.7's ReLU has no gradient.
    """
    encoder.check_state(vgg16, weights)
    fc = len(vgg16["classifier.0.bias"]) if weights.whole else network.fc
    model = _model(variant, network, classes, encoder.widths_of(vgg16), fc)
    encoder.load_convolutions((layer for layer in model.blocks.modules() if isinstance(layer, nn.Conv2d)), vgg16)
    for theirs, convolution in zip(FC_PLACES, (model.fc6, model.fc7), strict=True):
        if weights.whole:
            weight = vgg16[f"{theirs}.weight"].view_as(convolution.weight)  # of a map's 7 x 7 cells, row by row in each channel
            convolution.load_state_dict({"weight": weight, "bias": vgg16[f"{theirs}.bias"]})
        else:
            _start(convolution, (2 / convolution.weight[0].numel()) ** 0.5, 0, random)  # He's deviation
    if variant.score_std or variant.score_bias:
        for score in (model.score_fr, model.score_pool4, model.score_pool3):
            _start(score, variant.score_std, variant.score_bias, random)
    return model


def trained_model(variant: Variant, state: Mapping[str, Tensor], network: Network) -> FCN8s:
    """The network that `state` is of, in evaluation mode."""
    widths = tuple(len(state[f"blocks.{number}.0.bias"]) for number in range(len(DEPTHS)))
    model = _model(variant, network, len(state["score_fr.bias"]), widths, len(state["fc6.bias"]))
    model.load_state_dict(state)
    return model.eval()


def count_parameters(model: FCN8s) -> int:
    """All weights and biases, fixed upsamplings too, which the published count of FCN-8s has."""
    return sum(parameter.numel() for parameter in model.parameters())


def _model(variant: Variant, network: Network, classes: int, widths: tuple[int, ...], fc: int) -> FCN8s:
    skip_scales, fixed = network.skip_scales, network.fixed_upsampling
    if variant.fusion == "sum":
        return FCN8s(classes, widths, fc, skip_scales, fixed)
    return FCFN(network.size, classes=classes, relu=variant.relu, widths=widths, fc=fc, skip_scales=skip_scales, fixed_upsampling=fixed)


def _block(number: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = widths[number - 1] if number else 3
    for layer in range(DEPTHS[number]):
        kind, padding = (PaddedConv2d, PADDING) if number == layer == 0 else (nn.Conv2d, 1)
        layers += [kind(channels, widths[number], 3, padding=padding), nn.ReLU(inplace=True)]
        channels = widths[number]
    return nn.Sequential(*layers, nn.MaxPool2d(2, 2, ceil_mode=True))


def _start(layer: nn.Conv2d, deviation: float, bias: float, random: torch.Generator) -> None:
    """Normal weights and equal biases."""
    for name, parameter in layer.named_parameters():
        if name == "weight":
            nn.init.normal_(parameter, std=deviation, generator=random)
        else:
            nn.init.constant_(parameter, bias)


def _score(channels: int, classes: int) -> nn.Conv2d:
    """A 1x1 convolution to the classes that starts at 0."""
    layer = nn.Conv2d(channels, classes, 1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _cropped(maps: Tensor, start: int, like: Tensor) -> Tensor:
    """The part of maps (N, K, H, W) from the row and column `start` on that is as large as `like`."""
    height, width = like.shape[2:]
    return maps[:, :, start : start + height, start : start + width]


def _middle(values: Tensor, like: Tensor) -> Tensor:
    """The middle of values (..., H, W) that is as large as `like`."""
    height, width = like.shape[2:]
    top, left = (values.shape[-2] - height) // 2, (values.shape[-1] - width) // 2
    return values[..., top : top + height, left : left + width]
