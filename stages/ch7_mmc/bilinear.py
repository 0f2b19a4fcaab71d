"""The classification component of Section 7.2.3: bilinear pooling, compact by Algorithm 2 or whole, and the heads that predict classes.

A head sees the embeddings of images and of texts (n, M) as the fusions leave them, and has no bias (Eq. 7.8, Table 7.13).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core.layers.linear import Linear


def signed_root(x: Tensor, floor: float) -> Tensor:
    """sign(x) sqrt(|x|) as x / sqrt(|x| + floor), any shape: 0 at 0, where its slope is 1 / sqrt(floor) and not infinite.

    So it has no step at 0 either, which would make numbers of this size of the FFT's rounding.
    """
    return x * (x.abs() + floor).rsqrt()  # not `sqrt`, whose bytes on a CPU depend on the processor


def count_sketch(x: Tensor, hashes: Tensor, signs: Tensor, dimension: int) -> Tensor:
    """Algorithm 2, step 4: (n, M) -> (n, D), each element added, times its sign (M,), where its hash (M,), 0 to D-1, says."""
    # The printed loop over 1..D can only be over the M elements.
    return x.new_zeros(len(x), dimension).scatter_add(1, hashes.expand_as(x), x * signs)


def compact_bilinear(f: Tensor, g: Tensor, hashes: Tensor, signs: Tensor, dimension: int) -> Tensor:
    """Algorithm 2: (n, M), (n, M) -> (n, D), the circular convolution of the count sketches of f and g.

    hashes, signs : (2, M), of f and of g, independent of each other. The result is the count sketch of the outer product under the hash
    (h1[i] + h2[j]) mod D and the sign s1[i] s2[j], so that E<B(f, g), B(f', g')> = <f, f'><g, g'>. Eq. 7.6 does not hold of it: with
    independent hashes E<f^, g^> is 0.
    """
    sketches = (count_sketch(x, hashes[i], signs[i], dimension) for i, x in enumerate((f, g)))
    first, second = (torch.fft.rfft(sketch) for sketch in sketches)
    return torch.fft.irfft(first * second, n=dimension)  # of an odd D's transform irfft by itself would make D - 1 values


class FullyConnected(nn.Module):
    """The embeddings side by side, or those of images alone, (n, inputs) -> (n, classes)."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.linear = Linear(inputs, classes, bias=False)

    def forward(self, images: Tensor, texts: Tensor | None) -> Tensor:
        return self.linear(images if texts is None else torch.cat([images, texts], dim=1))


class Bilinear(nn.Module):
    """Eq. 7.5: all M x M products, their signed root and L2 norm, -> (n, classes)."""

    def __init__(self, width: int, classes: int, root_floor: float):
        super().__init__()
        self.linear = Linear(width**2, classes, bias=False)
        self.root_floor = root_floor

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        # Root and norm of products are the products of the factors' own, so that they are taken of 2 M numbers and not of M x M.
        f, g = (F.normalize(signed_root(_at_least_single(x), self.root_floor)) for x in (images, texts))
        return self.linear((f[:, :, None] * g[:, None, :]).flatten(1))


class Compact(nn.Module):
    """Algorithm 2, its signed root and L2 norm, -> (n, classes). The hashes, drawn here, are part of the state. dimension : D."""

    hashes: Tensor
    signs: Tensor

    def __init__(self, width: int, classes: int, dimension: int, root_floor: float, generator: torch.Generator):
        super().__init__()
        self.register_buffer("hashes", torch.randint(dimension, (2, width), generator=generator))
        self.register_buffer("signs", torch.randint(2, (2, width), generator=generator) * 2.0 - 1)
        self.linear = Linear(dimension, classes, bias=False)
        self.root_floor = root_floor

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):  # there is no FFT of bfloat16
            f, g = _at_least_single(images), _at_least_single(texts)
            pooled = compact_bilinear(f, g, self.hashes, self.signs, self.linear.in_features)
            pooled = F.normalize(signed_root(pooled, self.root_floor))
        return self.linear(pooled)


def _at_least_single(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
