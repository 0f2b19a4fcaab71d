"""The networks of Section 2.4.2: CNN-11 and CNN-19, and CFN, DSN and ResNet built upon them (Figures 2.9 to 2.11).

Layers and channels are the author's, whose counts of parameters these networks have: 6,283,368 (CNN-11) and 6,752,362 (CFN-11).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.ch2_imagenet.training_settings import Network, Variant
from stages.core import runtime

CHANNELS = (64, 64, 128, 256, 512)  # of conv1 and of the blocks conv2 to conv5
FEATURES = 1024  # K, of conv6 and of the side branches
SIDES = 3  # branches from pool2, pool3 and pool4


class Block(nn.Module):
    """`depth` 3x3 convolutions that keep the size, each with batch norm and ReLU.

    residual : a linear 1x1 projection of the input, with batch norm, is added before the last ReLU (Figure 2.11).
    """

    def __init__(self, channels: int, width: int, depth: int, residual: bool):
        super().__init__()
        widths = [channels, *[width] * depth]
        layers = [layer for before in widths[:-1] for layer in _convolution(before, width, 3)]
        self.convolutions = nn.Sequential(*layers[:-1])  # the last ReLU follows in `forward`
        self.projection = _convolution(channels, width, 1)[:-1] if residual else None

    def forward(self, maps: Tensor) -> Tensor:
        convolved = self.convolutions(maps)
        return F.relu(convolved if self.projection is None else convolved + self.projection(maps))


class LocalFusion(nn.Module):
    """Eq. 2.3 as the author's CFN-11 has it: no bias, batch norm over all elements alike, ReLU. (N, S, K) -> (N, K); S K + 2 parameters."""

    def __init__(self, branches: int, elements: int, init: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full((elements, branches), init))
        self.norm = nn.BatchNorm1d(1)

    def forward(self, stack: Tensor) -> Tensor:
        fused = torch.einsum("nsk,ks->nk", stack, self.weight)
        return F.relu(self.norm(fused[:, None])[:, 0])


class ImageNetwork(nn.Module):
    """A plain CNN of six convolutional groups, and on request residual connections or side branches."""

    def __init__(self, variant: Variant, *, classes: int, width: float, fusion_init: float):
        super().__init__()
        first, *channels = (max(1, round(count * width)) for count in CHANNELS)
        features = max(1, round(FEATURES * width))
        sides = 0 if variant.sides == "none" else SIDES
        fused, predicting = (variant.sides == kind for kind in ("fused", "predicting"))
        self.conv1 = _convolution(3, first, 7, stride=2, bias=True)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)  # as in Caffe: 112, 56, 28, 14, 7
        inputs = [first, *channels[:-1]]
        pairs, depth = zip(inputs, channels, strict=True), variant.convolutions
        self.blocks = nn.ModuleList(Block(before, after, depth, variant.residual) for before, after in pairs)
        self.conv6 = _convolution(channels[-1], features, 1)
        self.sides = nn.ModuleList(_convolution(count, features, 1) for count in channels[:sides])
        self.side_classifiers = nn.ModuleList(nn.Linear(features, classes) for _ in range(sides if predicting else 0))
        self.fusion = LocalFusion(sides + 1, features, fusion_init) if fused else None
        self.classifier = nn.Linear(features, classes)

    def branch_maps(self, images: Tensor) -> list[Tensor]:
        """The maps of every branch's 1x1 convolution, main branch last.

        (N, 3, 224, 224) -> [(N, K, 28, 28), (N, K, 14, 14), (N, K, 7, 7), (N, K, 7, 7)]; a network without sides has the last only.
        """
        maps = self.pool(self.conv1(images))
        of_sides = []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number < SIDES:
                maps = self.pool(maps)
                of_sides += [self.sides[number](maps)] if self.sides else []
        return [*of_sides, self.conv6(maps)]

    def branch_features(self, images: Tensor) -> list[Tensor]:
        """Eq. 2.1, global average pooling of each branch, main branch last: [(N, K), ...]."""
        return [maps.mean(dim=(2, 3)) for maps in self.branch_maps(images)]

    def features(self, images: Tensor) -> Tensor:
        """What Section 2.4.3 takes of an image: the fused feature where there is one, else the main branch's. (N, 3, H, W) -> (N, K)."""
        return self._represented(self.branch_features(images))

    def forward(self, images: Tensor) -> Tensor:
        """Images less their mean (N, 3, H, W) -> class scores (N, P, C) of P predictions, those of the sides first, the network's last."""
        branches = self.branch_features(images)
        scores = [classify(side) for classify, side in zip(self.side_classifiers, branches, strict=False)]
        return torch.stack([*scores, self.classifier(self._represented(branches))], dim=1)

    def _represented(self, branches: list[Tensor]) -> Tensor:
        return branches[-1] if self.fusion is None else self.fusion(torch.stack(branches, dim=1))


def build(variant: Variant, classes: int, settings: Network, generator: torch.Generator) -> ImageNetwork:
    """A network with weights drawn from `generator` as Caffe's "xavier": uniform, of variance 1 / inputs."""
    model = ImageNetwork(variant, classes=classes, width=settings.width, fusion_init=float(settings.fusion_init))
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def load(folder: Path, variant: Variant, classes: int, settings: Network, device: torch.device) -> ImageNetwork:
    """A trained network, for evaluation."""
    model = build(variant, classes, settings, torch.Generator())
    model.load_state_dict(runtime.load(folder / "model.pt"))
    return model.to(device).eval().requires_grad_(False)


def count_parameters(model: nn.Module) -> int:
    """Learnable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, batch norm, ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())
