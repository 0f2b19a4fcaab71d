"""Inception-v3 as torchvision has it, whose answers the Inception Score is of (Section 8.2.4)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.encoders.vision import Encoder, import_torchvision, normalise

SIZE = 299  # pixels a side, that it was trained with


def build() -> nn.Module:
    """The network without weights on the meta device, with the auxiliary classifier that its weights have and evaluation does not use."""
    models = import_torchvision().models  # before the device is set, for what importing it makes is to be real
    with torch.device("meta"):
        return models.inception_v3(weights=None, init_weights=False, aux_logits=True)


# These weights take pixels from -1 to 1: torchvision's network has `transform_input` with them, which undoes ImageNet's mean and deviation.
ENCODER = Encoder(
    "inception_v3",
    "inception_v3.pth",
    build,
    {"mixed7c": ("Mixed_7c", 1)},
    mean=(0.5, 0.5, 0.5),
    deviation=(0.5, 0.5, 0.5),
    whole="Mixed_7c",
)


@torch.no_grad()
def posteriors(model: nn.Module, images: Tensor) -> Tensor:
    """p(y|x) of Eq. 8.20 for uint8 (N, 3, H, W) on the model's device, brought to 299 x 299 pixels bilinearly: float32 (N, 1000)."""
    pixels = normalise(images, ENCODER)
    if pixels.shape[2:] != (SIZE, SIZE):
        pixels = F.interpolate(pixels, (SIZE, SIZE), mode="bilinear")
    return model(pixels).float().softmax(dim=1)
