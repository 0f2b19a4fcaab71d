"""EfficientNet-Lite0 as timm has it: a stand-in for VGG-19."""

from functools import partial

from stages.encoders.vision import Encoder, from_timm

# The weights of workflow/sources.yaml take ImageNet's mean and deviation; those that timm itself offers would take 0.5 for all.
ENCODER = Encoder(
    "efficientnet_lite0",
    "tf_efficientnet_lite0.pth",
    partial(from_timm, "tf_efficientnet_lite0"),
    {"block7": ("blocks.6.0.bn2", 1), "head": ("bn2", 1)},  # timm's bn2 includes the ReLU6
    whole="bn2",
)
