"""SqueezeNet 1.1 as torchvision has it: a stand-in for AlexNet."""

from functools import partial

from stages.encoders.vision import Encoder, from_torchvision

ENCODER = Encoder(
    "squeezenet1_1",
    "squeezenet1_1.pth",
    partial(from_torchvision, "squeezenet1_1"),
    {"fire8": ("features.11", 2), "fire9": ("features.12", 2)},
    whole="features.12",
)
