"""ResNet-152 as torchvision has it: what Chapters 5 to 7 see pictures with (Section 5.3.1), its last stage of blocks averaged."""

from functools import partial

from stages.encoders.vision import Encoder, from_torchvision

ENCODER = Encoder(
    "resnet152",
    "resnet152.pth",
    partial(from_torchvision, "resnet152"),
    {"layer4": ("layer4", 1)},
    whole="layer4",
)
