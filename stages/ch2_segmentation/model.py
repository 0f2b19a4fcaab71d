"""FCN-8s [26] on VGG-16, and FCFN, which fuses its branches by weights of their own for every class and pixel (Eq. 2.7, 2.8)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stages.ch2_segmentation.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.encoders import vgg16 as encoder
from stages.encoders.fcn8s import PADDING, FCN8s, fc_of, fill_from_vgg16, sizes_of, start
from stages.encoders.vgg16 import DEPTHS, FC_SIDE, Weights


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
    fc = fc_of(vgg16, weights, network.fc)
    model = _model(variant, network, classes, encoder.widths_of(vgg16), fc)
    fill_from_vgg16(model, vgg16, weights, random)
    if variant.score_std or variant.score_bias:
        for score in (model.score_fr, model.score_pool4, model.score_pool3):
            start(score, variant.score_std, variant.score_bias, random)
    return model


def trained_model(variant: Variant, state: Mapping[str, Tensor], network: Network) -> FCN8s:
    """The network that `state` is of, in evaluation mode."""
    model = _model(variant, network, *sizes_of(state))
    model.load_state_dict(state)
    return model.eval()


def _model(variant: Variant, network: Network, classes: int, widths: tuple[int, ...], fc: int) -> FCN8s:
    skip_scales, fixed = network.skip_scales, network.fixed_upsampling
    if variant.fusion == "sum":
        return FCN8s(classes, widths, fc, skip_scales, fixed)
    return FCFN(network.size, classes=classes, relu=variant.relu, widths=widths, fc=fc, skip_scales=skip_scales, fixed_upsampling=fixed)


def _middle(values: Tensor, like: Tensor) -> Tensor:
    """The middle of values (..., H, W) that is as large as `like`."""
    height, width = like.shape[2:]
    top, left = (values.shape[-2] - height) // 2, (values.shape[-1] - width) // 2
    return values[..., top : top + height, left : left + width]
