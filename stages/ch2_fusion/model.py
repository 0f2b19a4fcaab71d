"""The networks of Section 2.4.1: CNN-A and CNN-B (Table 2.1), and their fusion networks (Figures 2.3 to 2.6).

A plain network, three ways to fuse its branches' features (Figure 2.5), and the fusion of their predictions (Figure 2.4a).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.ch2_fusion.training_settings import Network, Variant
from stages.core.layers.avg_pool import CeilAvgPool2d


class SumFusion(nn.Module):
    """Figure 2.5a: the branches are added; no weights. (N, S, K) -> (N, K)."""

    def forward(self, stack: Tensor) -> Tensor:
        return stack.sum(dim=1)


class SharedFusion(nn.Module):
    """Figure 2.5b: a 1x1 convolution, one weight per branch and one bias shared by all elements. (N, S, K) -> (N, K)."""

    def __init__(self, branches: int, init: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, branches), init))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, stack: Tensor) -> Tensor:
        return torch.einsum("nsk,os->nk", stack, self.weight) + self.bias


class LocalFusion(nn.Module):
    """Eq. 2.3 before its ReLU: element i has weights W_i,1..W_i,S and a bias of its own. (N, S, K) -> (N, K); K (S + 1) parameters."""

    def __init__(self, branches: int, elements: int, init: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full((elements, branches), init))
        self.bias = nn.Parameter(torch.zeros(elements))

    def forward(self, stack: Tensor) -> Tensor:
        return torch.einsum("nsk,ks->nk", stack, self.weight) + self.bias


def block(channels: int, width: int, kernel: int, depth: int) -> nn.Sequential:
    """`depth` convolutions of `width` channels that keep the size, each followed by a ReLU."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Conv2d(width if index else channels, width, kernel, padding=kernel // 2), nn.ReLU()]
    return nn.Sequential(*layers)


class FusionNetwork(nn.Module):
    """A plain CNN of three blocks (Table 2.1), with side branches from both pooling layers where `fusion` is given (Figure 2.6).

    Parameters
    ----------
    kernel, depth, widths : of the convolutions in the three blocks.
    features : K, the channels of every branch's last convolution and so the elements of its GAP feature.
    classes : C.
    fusion : None (plain CNN), or a function of the branches' number S and the elements' number that makes the fusion module.
    late_fusion : EPLF (Figure 2.4a): each branch predicts, and the predictions are fused; else EFLP (Figure 2.4b).
    """

    def __init__(
        self,
        *,
        kernel: int,
        depth: int,
        widths: tuple[int, int, int],
        features: int,
        classes: int,
        fusion: Callable[[int, int], nn.Module] | None = None,
        late_fusion: bool = False,
        side_kernel: int = 1,
        side_after_dropout: bool = True,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.block1 = block(3, widths[0], kernel, depth)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)  # ceil_mode as in Caffe: 32, 16, 8
        self.block2 = block(widths[0], widths[1], kernel, depth)
        self.pool2 = CeilAvgPool2d(3, 2)
        self.block3 = block(widths[1], widths[2], kernel, depth)
        self.top = block(widths[2], features, 1, 1)
        self.dropout = nn.Dropout(dropout)
        self.side_after_dropout = side_after_dropout
        self.late_fusion = late_fusion
        self.side1: nn.Module | None = None
        self.side2: nn.Module | None = None
        self.fusion: nn.Module | None = None
        branches = 1
        if fusion is not None:
            branches = 3
            self.side1 = block(widths[0], features, side_kernel, 1)
            self.side2 = block(widths[1], features, side_kernel, 1)
            self.fusion = fusion(branches, classes if late_fusion else features)
        self.classifiers = nn.ModuleList(nn.Linear(features, classes) for _ in range(branches if late_fusion else 1))

    def branch_maps(self, images: Tensor) -> list[Tensor]:
        """The maps f^(s) of every branch's last convolution, main branch last.

        (N, 3, 32, 32) -> [(N, K, 16, 16), (N, K, 8, 8), (N, K, 8, 8)]; a plain CNN has the last only.
        """
        pooled1 = self.pool1(self.block1(images))
        dropped1 = self.dropout(pooled1)
        pooled2 = self.pool2(self.block2(dropped1))
        dropped2 = self.dropout(pooled2)
        maps = [self.top(self.block3(dropped2))]
        if self.side1 is not None and self.side2 is not None:
            inputs = (dropped1, dropped2) if self.side_after_dropout else (pooled1, pooled2)
            maps = [self.side1(inputs[0]), self.side2(inputs[1]), *maps]
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, 32, 32) -> class scores before the softmax (N, C)."""
        features = torch.stack([maps.mean(dim=(2, 3)) for maps in self.branch_maps(images)], dim=1)  # Eq. 2.1: (N, S, K)
        if self.late_fusion:
            dropped = self.dropout(features)
            scores = [classifier(dropped[:, branch]) for branch, classifier in enumerate(self.classifiers)]
            return self.fusion(torch.stack(scores, dim=1))  # type: ignore[misc] # no ReLU: it would cut negative scores off
        fused = features[:, 0] if self.fusion is None else F.relu(self.fusion(features))  # Eq. 2.3
        return self.classifiers[0](self.dropout(fused))


def build(variant: Variant, classes: int, network: Network, generator: torch.Generator) -> FusionNetwork:
    """The variant for `classes` classes, with initial weights drawn from `generator`."""
    is_b = variant.base == "b"
    channels = (96 if classes == 10 else 192, 192, 192) if is_b else (64, 64, 64)
    scaled = [max(1, round(count * network.width)) for count in (*channels, 192)]
    model = FusionNetwork(
        kernel=3 if is_b else 5,
        depth=2 if is_b else 1,
        widths=(scaled[0], scaled[1], scaled[2]),
        features=scaled[3],
        classes=classes,
        fusion=_fusion(variant, float(network.fusion_init)),
        late_fusion=variant.late,
        side_kernel=network.side_kernel_cifar100_b if is_b and classes == 100 else 1,
        side_after_dropout=network.side_after_dropout,
        dropout=network.dropout,
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            std = network.conv_std if isinstance(module, nn.Conv2d) else network.fc_std
            nn.init.normal_(module.weight, std=std, generator=generator)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return model


def _fusion(variant: Variant, init: float) -> Callable[[int, int], nn.Module] | None:
    """What makes the fusion module, from the numbers of branches and of elements; None for a plain CNN."""
    kinds: dict[str, Callable[[int, int], nn.Module]] = {
        "sum": lambda branches, elements: SumFusion(),
        "conv": lambda branches, elements: SharedFusion(branches, init),
        "local": lambda branches, elements: LocalFusion(branches, elements, init),
    }
    return kinds.get(variant.fusion)


def count_parameters(model: FusionNetwork) -> dict[str, int]:
    """Learnable parameters by the columns of Table 2.2; a plain CNN's are all basic, EPLF's further classifiers stand apart."""
    total = _count(model)
    side = _count(model.side1) + _count(model.side2)
    fusion = _count(model.fusion)
    extra = sum(_count(classifier) for classifier in model.classifiers[1:])
    return {
        "parameters_basic": total - side - fusion - extra,
        "parameters_side": side,
        "parameters_fusion": fusion,
        "parameters_classifier_extra": extra,
        "parameters_total": total,
    }


def _count(module: nn.Module | None) -> int:
    return sum(parameter.numel() for parameter in module.parameters()) if module is not None else 0


def describe(model: FusionNetwork) -> list[str]:
    """The layers of the main path in the words of Table 2.1, read from the modules."""
    dropout = f"dropout {model.dropout.p:g}"
    lines: list[str] = []
    for blocks, pool in ((model.block1, model.pool1), (model.block2, model.pool2), (model.block3, None), (model.top, None)):
        for layer in blocks:
            if isinstance(layer, nn.Conv2d):
                lines.append(f"{layer.kernel_size[0]}x{layer.kernel_size[1]}x{layer.out_channels} conv, ReLU")
        if pool is not None:
            kind = "max" if isinstance(pool, nn.MaxPool2d) else "average"
            lines += [f"{pool.kernel_size}x{pool.kernel_size} {kind}-pooling, stride {pool.stride}", dropout]
    side = model.branch_maps(torch.zeros(1, 3, 32, 32))[-1].shape[-1]
    return [*lines, f"{side}x{side} global average pooling", dropout, f"{model.classifiers[0].out_features}-way fully-connected layer"]
