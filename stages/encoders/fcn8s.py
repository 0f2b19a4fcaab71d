"""FCN-8s [26] on VGG-16, its loss and the label maps that it makes: Chapter 2 fuses its branches otherwise, Chapter 8 scores by it.

Layers, margins and crops are those of its authors: the first convolution is padded by 100, pooling rounds up, and scores are cropped
to what they are added to, and in the end to the image.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core.errors import UserError
from stages.core.layers.conv_transpose import ConvTranspose2d, conv_transpose2d
from stages.core.layers.padded_conv import PaddedConv2d
from stages.core.runtime import Runtime
from stages.encoders import vgg16
from stages.encoders.vgg16 import DEPTHS, FC, FC_PLACES, FC_SIDE, WIDTHS, Weights

PADDING = 100
CROP_POOL4, CROP_POOL3, CROP = 5, 9, 31
IGNORE = 255  # of a label map: no class, and counted nowhere
Reduction = Literal["mean", "sum"]


def weights_called(source: str, key: str) -> Weights:
    """The weights that the parameter `key` names `source`; a UserError where there are none of this name."""
    try:
        return vgg16.weights_of(source)
    except UserError as error:
        raise UserError(f"{key} is {source!r}: {error}") from error


class SumFusion(nn.Module):
    """FCN-8s's fusion: the two branches are added; no weights. (N, K, H, W) twice -> (N, K, H, W)."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second


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


def fc_of(state: Mapping[str, Tensor], weights: Weights, without: int) -> int:
    """The width of fc6 and fc7 of a network from this state of torchvision's VGG-16, `without` them in the weights the given one.

    A UserError where the state lacks a layer of these weights.
    """
    vgg16.check_state(state, weights)
    return len(state["classifier.0.bias"]) if weights.whole else without


def fill_from_vgg16(model: FCN8s, state: Mapping[str, Tensor], weights: Weights, random: torch.Generator) -> None:
    """Give the model, which is as wide, VGG-16's layers, by a state of torchvision's; without fc6 and fc7, these start at random."""
    vgg16.load_convolutions((layer for layer in model.blocks.modules() if isinstance(layer, nn.Conv2d)), state)
    for theirs, convolution in zip(FC_PLACES, (model.fc6, model.fc7), strict=True):
        if weights.whole:
            weight = state[f"{theirs}.weight"].view_as(convolution.weight)  # of a map's 7 x 7 cells, row by row in each channel
            convolution.load_state_dict({"weight": weight, "bias": state[f"{theirs}.bias"]})
        else:
            start(convolution, (2 / convolution.weight[0].numel()) ** 0.5, 0, random)  # He's deviation


def sizes_of(state: Mapping[str, Tensor]) -> tuple[int, tuple[int, ...], int]:
    """Of a network's own state: its classes, the channels of its five blocks, those of fc6 and fc7. A KeyError: it is no FCN-8s."""
    widths = tuple(len(state[f"blocks.{number}.0.bias"]) for number in range(len(DEPTHS)))
    return len(state["score_fr.bias"]), widths, len(state["fc6.bias"])


def count_parameters(model: FCN8s) -> int:
    """All weights and biases, fixed upsamplings too, which the published count of FCN-8s has."""
    return sum(parameter.numel() for parameter in model.parameters())


def segmentation_loss(logits: Tensor, labels: Tensor, reduction: Reduction = "mean") -> Tensor:
    """-log of the softmax of a pixel's class, where its label is not IGNORE: summed (Eq. 2.9), or divided by these pixels; a scalar.

    logits (N, K, H, W), labels (N, H, W), integers. Of images without any labelled pixel the loss is 0.
    """
    if reduction not in get_args(Reduction):
        raise UserError(f"the reduction of the loss is {reduction!r}: it is one of {', '.join(get_args(Reduction))}")
    labels = labels.long()
    total = F.cross_entropy(logits if logits.dtype.itemsize >= 4 else logits.float(), labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1) if reduction == "mean" else total


@torch.no_grad()
def label_maps(model: FCN8s, images: Tensor, precision: Runtime) -> Tensor:
    """The class of the highest logit at each pixel, of equal ones the first; uint8 (N, H, W), on the CPU.

    images : (N, 3, H, W), as `normalise` of stages.encoders.vgg16 has them, on the model's device.
    """
    with precision.autocast(images.device):
        logits = model(images)
    return logits.float().argmax(dim=1).to(torch.uint8).cpu()


def start(layer: nn.Conv2d, deviation: float, bias: float, random: torch.Generator) -> None:
    """Normal weights and equal biases."""
    for name, parameter in layer.named_parameters():
        if name == "weight":
            nn.init.normal_(parameter, std=deviation, generator=random)
        else:
            nn.init.constant_(parameter, bias)


def _block(number: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = widths[number - 1] if number else 3
    for layer in range(DEPTHS[number]):
        kind, padding = (PaddedConv2d, PADDING) if number == layer == 0 else (nn.Conv2d, 1)
        layers += [kind(channels, widths[number], 3, padding=padding), nn.ReLU(inplace=True)]
        channels = widths[number]
    return nn.Sequential(*layers, nn.MaxPool2d(2, 2, ceil_mode=True))


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
