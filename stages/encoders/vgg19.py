"""VGG-19 as torchvision has it: Chapter 4's deep network (Section 4.2.2); its fc6 and fc7 are fc17 and fc18 there.

For whole pictures, as Chapters 5 to 7 take them, it is fully convolutional: fc6 and fc7 slide over the last pooling's map.
"""

from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from stages.encoders.vision import Encoder, from_torchvision

SIDE = 7  # of the map that fc6 takes


def fc7_map(model: nn.Module, images: Tensor) -> Tensor:
    """fc7 after its ReLU at each place of normalised pictures: (B, 3, H, W) to (B, 4096, h, w).

    A picture of less than 224 pixels, whose map is smaller than fc6, has it enlarged as torchvision's own pooling does.
    """
    maps = model.get_submodule("features")(images)
    maps = F.adaptive_avg_pool2d(maps, tuple(max(SIDE, length) for length in maps.shape[2:]))
    for name, side in (("classifier.0", SIDE), ("classifier.3", 1)):
        layer = model.get_submodule(name)
        weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
        maps = F.relu(F.conv2d(maps, weight.unflatten(1, (-1, side, side)), bias))
    return maps


ENCODER = Encoder(
    "vgg19",
    "vgg19.pth",
    partial(from_torchvision, "vgg19"),
    {"fc17": ("classifier.1", None), "fc18": ("classifier.4", None)},  # after their ReLU
    whole=fc7_map,
)
