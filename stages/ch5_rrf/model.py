"""RRF-Net: two branches of four fully connected layers, recurrent residual fusion in the third (Figures 5.1 to 5.3, Eq. 5.1 to 5.6).

    input BN -> FC1 ReLU dropout -> FC2 BN ReLU -> FC3, the block, and its fusion -> FC4 BN

Embeddings are not normalised here: the loss and the scores form cosines.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.ch5_rrf.training_settings import Network, Variant
from stages.core.layers.linear import Linear
from stages.matching.branch import Stack, Start, initialise, layer


class RecurrentBlock(nn.Module):
    """T+1 applications of one FC3, each with a batch norm of its own (Figure 5.1c, Eq. 5.2 to 5.4), then the fusion (Figure 5.2)."""

    def __init__(self, width: int, steps: int, fusion: nn.Module | None):
        super().__init__()
        self.fc = Linear(width, width)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(steps + 1))
        self.fusion = fusion

    def side_outputs(self, x: Tensor) -> list[Tensor]:
        """h(x_0), ..., h(x_T), each (n, d), of x (n, d): x_0 is x, and x_t is h(x_{t-1})."""
        outputs = []
        for norm in self.norms:
            x = F.relu(norm(self.fc(x))) + x  # no ReLU after the sum, unlike ResNet's (author's layers)
            outputs.append(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) -> (n, d)."""
        outputs = self.side_outputs(x)
        return outputs[-1] if self.fusion is None else self.fusion(torch.stack(outputs, dim=1))


class SumFusion(nn.Module):
    """Eq. 5.5: the sum of the side outputs (n, T+1, d) -> (n, d)."""

    def forward(self, stack: Tensor) -> Tensor:
        return stack.sum(dim=1)


class ConvFusion(nn.Module):
    """Eq. 5.6: a weight for each side output and one bias, (n, T+1, d) -> (n, d).

    norm : followed, as in the author's layers, by a batch norm over the single channel, whose mean and variance are of
    all n x d values, and a ReLU.
    """

    def __init__(self, outputs: int, norm: bool):
        super().__init__()
        self.conv = nn.Conv1d(outputs, 1, 1)
        self.norm = nn.BatchNorm1d(1) if norm else None

    def forward(self, stack: Tensor) -> Tensor:
        # The convolution as a sum of products: the same bytes on every processor, and faster than its kernels for one channel.
        fused = (stack * self.conv.weight[0]).sum(dim=1) + self.conv.bias  # type: ignore[operator] # of nn.Conv1d with one
        return fused if self.norm is None else F.relu(self.norm(fused[:, None])[:, 0])


class Branch(nn.Module):
    """One modality's four layers: features (n, inputs) -> embeddings (n, widths[3])."""

    def __init__(self, inputs: int, block: nn.Module, network: Network):
        super().__init__()
        self.width = network.widths[2]
        self.first = Stack(inputs, network.widths[:2], input_norm=network.norm_input, dropout=network.dropout, last_relu=True)
        self.block = block
        self.last = layer(self.width, network.widths[3], relu=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.last(self.block(self.first(features)))


class MatchingNetwork(nn.Module):
    """Figure 5.3: a branch for images and one for texts, which share nothing."""

    def __init__(self, images: Branch, texts: Branch):
        super().__init__()
        self.images, self.texts = images, texts

    def forward(self, images: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, D), (m, E) -> embeddings (n, d), (m, d)."""
        return self.images(images), self.texts(texts)


def build(variant: Variant, images: int, texts: int, network: Network, start: Start, generator: torch.Generator) -> MatchingNetwork:
    """The variant for features of `images` and `texts` dimensions, its initial weights drawn from `generator` as `start` says."""
    model = MatchingNetwork(*(Branch(inputs, _block(variant, network), network) for inputs in (images, texts)))
    initialise(model, start, generator, network.std)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = network.norm_momentum
        elif isinstance(module, ConvFusion) and network.fusion_start == "mean":
            nn.init.constant_(module.conv.weight, 1 / module.conv.in_channels)
    return model


def _block(variant: Variant, network: Network) -> nn.Module:
    """FC3 of one branch: of the baseline a layer as any, without an identity connection."""
    width, steps = network.widths[2], variant.steps
    if steps == "plain":
        return layer(width, width)
    fusions: dict[str, Callable[[], nn.Module | None]] = {
        "none": lambda: None,
        "sum": SumFusion,
        "conv": lambda: ConvFusion(steps + 1, network.norm_fusion),
    }
    return RecurrentBlock(width, steps, fusions[variant.fusion]())


def count_parameters(model: MatchingNetwork) -> dict[str, int]:
    """Learnable parameters: weights, biases, scales and shifts of batch norms.

    parameters_block : of FC3 with all that makes it the block, the fusion too. parameters_added : beyond the baseline's FC3.
    """
    blocks = [model.images.block, model.texts.block]
    fusions = [block.fusion for block in blocks if isinstance(block, RecurrentBlock)]
    of_blocks, width = sum(map(_count, blocks)), model.images.width
    return {
        "parameters": _count(model),
        "parameters_image": _count(model.images),
        "parameters_text": _count(model.texts),
        "parameters_block": of_blocks,
        "parameters_added": of_blocks - 2 * _count(layer(width, width)),
        "parameters_fusion": sum(_count(fusion) for fusion in fusions if fusion is not None),
    }


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
