"""CycleMatch: two mappings of four fully connected layers, from the features of images to those of texts and back (Figure 6.3).

    input BN -> FC1 ReLU dropout -> FC2 BN ReLU -> FC3 BN ReLU, the latent embedding -> FC4 BN, the dual one

f_I2T sees image features, and in the other cycle what f_T2I makes of texts (Eq. 6.3). Embeddings are not normalised here: the loss
and the scores form cosines.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from stages.ch6_cyclematch.training_settings import Network, Variant
from stages.matching.branch import Stack, Start, initialise, layer


class Outputs(NamedTuple):
    """What a mapping makes of n rows: `target` (n, width of the target's features), `latent` (n, width of FC3)."""

    target: Tensor
    latent: Tensor


class Mapping(nn.Module):
    """f_I2T or f_T2I: features (n, inputs) -> features of the other modality (n, target), and FC3's output on the way."""

    def __init__(self, inputs: int, target: int, network: Network):
        super().__init__()
        self.first = Stack(inputs, network.widths, input_norm=network.norm_input, dropout=network.dropout)
        # No ReLU: features of texts have either sign. Those of images have not, and it would cost the gradient of what it cuts.
        self.last = layer(network.widths[-1], target, relu=False)
        self.before_relu = network.latent == "before"

    def forward(self, features: Tensor) -> Outputs:
        before = self.first(features)
        after = F.relu(before)
        return Outputs(self.last(after), before if self.before_relu else after)


class Cascade(nn.Module):
    """A mapping's second pass, over what the other has made: the mapping's weights, and running statistics of its own.

    Made embeddings are distributed otherwise than features, and statistics of both together would fit neither. In Caffe too layers
    that share weights have statistics of their own.
    """

    def __init__(self, mapping: Mapping):
        super().__init__()
        for name, buffer in mapping.named_buffers():
            self.register_buffer(name.replace(".", "_"), buffer.clone())

    def forward(self, mapping: Mapping, embeddings: Tensor) -> Outputs:
        own = {name: self.get_buffer(name.replace(".", "_")) for name, _ in mapping.named_buffers()}
        return functional_call(mapping, own, (embeddings,))


class Passes(NamedTuple):
    """All that a network makes of a batch. i2t2i : f_T2I of i2t.target, the reconstruction; t2i2t : f_I2T of t2i.target.

    None where no term of the variant's loss needs it.
    """

    i2t: Outputs
    t2i: Outputs
    i2t2i: Outputs | None
    t2i2t: Outputs | None


class CycleMatch(nn.Module):
    """Both mappings, which share nothing, and the second passes that some loss term needs.

    Both see their own features in every variant, also where no term asks for it: so their running statistics are of these.
    """

    def __init__(self, i2t: Mapping, t2i: Mapping, *, i2t2i: bool, t2i2t: bool):
        super().__init__()
        self.i2t, self.t2i = i2t, t2i
        self.i2t2i = Cascade(t2i) if i2t2i else None
        self.t2i2t = Cascade(i2t) if t2i2t else None

    def forward(self, images: Tensor, texts: Tensor) -> Passes:
        """Features (n, D), (m, E) -> embeddings."""
        i2t, t2i = self.i2t(images), self.t2i(texts)
        return Passes(
            i2t,
            t2i,
            self.i2t2i(self.t2i, i2t.target) if self.i2t2i else None,
            self.t2i2t(self.i2t, t2i.target) if self.t2i2t else None,
        )


def build(variant: Variant, images: int, texts: int, network: Network, start: Start, generator: torch.Generator) -> CycleMatch:
    """The variant for features of `images` and `texts` dimensions, its initial weights drawn from `generator` as `start` says."""
    cascades = {branch: any(f"{branch}-{kind}" in variant.terms for kind in ("rec", "lat")) for branch in ("i2t", "t2i")}
    i2t, t2i = Mapping(images, texts, network), Mapping(texts, images, network)
    model = CycleMatch(i2t, t2i, i2t2i=cascades["i2t"], t2i2t=cascades["t2i"])
    initialise(model, start, generator, network.std)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = network.norm_momentum
    return model


def count_parameters(model: CycleMatch) -> dict[str, int]:
    """Learnable parameters: weights, biases, scales and shifts of batch norms, each once however many passes it takes part in."""
    i2t, t2i = (sum(parameter.numel() for parameter in mapping.parameters()) for mapping in (model.i2t, model.t2i))
    return {"parameters": i2t + t2i, "parameters_i2t": i2t, "parameters_t2i": t2i}
