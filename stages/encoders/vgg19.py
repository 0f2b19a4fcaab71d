"""VGG-19 as torchvision has it: Chapter 4's deep network (Section 4.2.2), whose fc6 and fc7 the thesis calls fc17 and fc18."""

from functools import partial

from stages.encoders.vision import Encoder, from_torchvision

ENCODER = Encoder(
    "vgg19",
    "vgg19.pth",
    partial(from_torchvision, "vgg19"),
    {"fc17": ("classifier.1", None), "fc18": ("classifier.4", None)},  # after their ReLU
)
