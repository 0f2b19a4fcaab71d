"""The networks of Section 2.4.1: CNN-A and CNN-B (Table 2.1), and their fusion networks (Figures 2.3 to 2.6).

Ten models by name: `cnn-a` (plain), `cnn-sum-a`, `cnn-conv-a`, `cfn-a` (three ways to fuse the branches, Figure 2.5),
`cfn-a-eplf` (fusion of predictions instead of features, Figure 2.4a), and the same five for B.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Network:
    """What the thesis leaves to a parameter; see the chapter's README for each.

    width : factor on every number of channels; 1 in the thesis, less in the miniature.
    dropout : ratio, Table 2.1.
    side_after_dropout : side branches leave after the pooling layer's dropout (author's code), else before it.
    side_kernel_cifar100_b : size of the side branches' convolution in B models for 100 classes; 3 (author's code) or 1 (Table 2.2).
    conv_std, fc_std : deviations of the initial weights. fusion_init : initial fusion weight; biases start at 0.
    """

    width: float
    dropout: float
    side_after_dropout: bool
    side_kernel_cifar100_b: int
    conv_std: float
    fc_std: float
    fusion_init: float


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
        self.pool2 = nn.AvgPool2d(3, 2, ceil_mode=True)
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


FUSIONS: dict[str, Callable[[float], Callable[[int, int], nn.Module] | None]] = {
    "cnn": lambda init: None,
    "cnn-sum": lambda init: lambda branches, elements: SumFusion(),
    "cnn-conv": lambda init: lambda branches, elements: SharedFusion(branches, init),
    "cfn": lambda init: lambda branches, elements: LocalFusion(branches, elements, init),
}
MODELS = [f"{kind}-{family}{late}" for family in "ab" for kind, late in [*((kind, "") for kind in FUSIONS), ("cfn", "-eplf")]]


def build(name: str, classes: int, settings: Network, generator: torch.Generator) -> FusionNetwork:
    """The model called `name` (one of MODELS) for `classes` classes, with initial weights drawn from `generator`."""
    kind, family, late = _parse(name)
    channels = (64, 64, 64) if family == "a" else (96 if classes == 10 else 192, 192, 192)
    scaled = [max(1, round(count * settings.width)) for count in (*channels, 192)]
    model = FusionNetwork(
        kernel=5 if family == "a" else 3,
        depth=1 if family == "a" else 2,
        widths=(scaled[0], scaled[1], scaled[2]),
        features=scaled[3],
        classes=classes,
        fusion=FUSIONS[kind](float(settings.fusion_init)),
        late_fusion=late,
        side_kernel=settings.side_kernel_cifar100_b if family == "b" and classes == 100 else 1,
        side_after_dropout=settings.side_after_dropout,
        dropout=settings.dropout,
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=settings.conv_std if isinstance(module, nn.Conv2d) else settings.fc_std, generator=generator)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return model


def _parse(name: str) -> tuple[str, str, bool]:
    if name not in MODELS:
        raise ValueError(f"no model {name!r}: it may be {', '.join(MODELS)}")
    late = name.endswith("-eplf")
    kind, family = name.removesuffix("-eplf").rsplit("-", 1)
    return kind, family, late


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


def fusion_weights(model: FusionNetwork) -> dict[str, float]:
    """Mean fusion weight of each branch, main branch last, with its deviation over the elements (Figure 2.8a); empty without weights."""
    weight = getattr(model.fusion, "weight", None)
    if weight is None:
        return {}
    columns = {}
    for branch in range(weight.shape[1]):
        columns[f"fusion_weight_{branch + 1}"] = weight[:, branch].mean().item()
        columns[f"fusion_weight_{branch + 1}_sd"] = weight[:, branch].std(correction=0).item()
    return columns


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
