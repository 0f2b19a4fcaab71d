"""AlexNet as torchvision has it: Chapter 4's shallow network (Section 4.2.2), and what Section 2.4.3 compares with."""

from torch import nn

from stages.core.layers.padded_conv import PaddedConv2d
from stages.encoders.vision import Encoder, from_torchvision


def build() -> nn.Module:
    """The network without weights; its first convolution is one whose bytes do not depend on the processor."""
    model = from_torchvision("alexnet")
    model.set_submodule("features.0", PaddedConv2d(3, 64, 11, stride=4, padding=2, device="meta"))
    return model


ENCODER = Encoder(
    "alexnet",
    "alexnet.pth",
    build,
    {"fc6": ("classifier.2", None), "fc7": ("classifier.5", None)},  # after their ReLU
)
