"""Padded, strided and transposed convolutions against PyTorch's own, which in double precision are plain loops, and by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stages.core.layers.conv_transpose import ConvTranspose2d, conv_transpose2d
from stages.core.layers.padded_conv import PaddedConv2d
from stages.core.layers.strided_conv import StridedConv2d, StridedConvTranspose2d


def random_pair(kind: type[nn.Module], theirs: type[nn.Module], *args: int, **options: object) -> tuple[nn.Module, nn.Module]:
    """Ours and PyTorch's layer with the same random weights, which is to say that names and shapes are the same."""
    torch.manual_seed(0)
    ours, reference = kind(*args, **options).double(), theirs(*args, **options).double()
    ours.load_state_dict(reference.state_dict())
    return ours, reference


def assert_same(ours: nn.Module, reference: nn.Module, maps: torch.Tensor) -> None:
    """Equal values, and equal gradients of the maps and of all weights."""
    found, expected = ours(maps), reference(maps)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(expected)
    gradients = [
        torch.autograd.grad((values * weights).sum(), [maps, *layer.parameters()])
        for values, layer in ((found, ours), (expected, reference))
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 4, "stride": 2, "bias": False},
        {"kernel_size": 4, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
        {"kernel_size": (3, 5), "stride": (1, 3), "padding": (0, 2), "output_padding": (0, 2), "dilation": (2, 1)},
        {"kernel_size": 16, "stride": 8, "groups": 3, "bias": False},
        {"kernel_size": 1},
    ],
)
def test_transposed_convolution_is_pytorch_s(options):
    ours, reference = random_pair(ConvTranspose2d, nn.ConvTranspose2d, 6, 9, **options)
    assert_same(ours, reference, torch.randn(2, 6, 5, 7, dtype=torch.float64, requires_grad=True))


def test_transposed_convolution_by_hand():
    """Each value puts the kernel, times itself, where it stands, and what overlaps is added."""
    maps, kernel = torch.tensor([[[[1.0, 10.0]]]]), torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert conv_transpose2d(maps, kernel, stride=(1, 2)).tolist() == [[[[1, 2, 3 + 10, 20, 30]]]]
    assert conv_transpose2d(maps, kernel, torch.tensor([0.5]), (1, 2), (0, 1)).tolist() == [[[[2.5, 13.5, 20.5]]]]


def test_gradients_of_a_transposed_convolution():
    maps, weight, bias = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 2, 3, 2), (2, 3, 4, 4), (3,)))
    assert torch.autograd.gradcheck(lambda *values: conv_transpose2d(*values, (2, 2), (1, 1)), (maps, weight, bias))


def test_transposed_convolution_to_a_given_size():
    ours, reference = random_pair(ConvTranspose2d, nn.ConvTranspose2d, 2, 2, kernel_size=3, stride=2)
    maps = torch.randn(1, 2, 4, 4, dtype=torch.float64)
    assert ours(maps, [9, 10]).shape == (1, 2, 9, 10)
    torch.testing.assert_close(ours(maps, [9, 10]), reference(maps, [9, 10]))
    with pytest.raises(ValueError, match="output size"):
        ours(maps, [20, 20])


@pytest.mark.parametrize(
    "options", [{"padding": 35}, {"padding": (4, 1), "stride": 2}, {"padding": 6, "dilation": 3, "groups": 3, "bias": False}]
)
def test_padded_convolution_is_pytorch_s(options):
    ours, reference = random_pair(PaddedConv2d, nn.Conv2d, 3, 6, 3, **options)
    assert_same(ours, reference, torch.randn(2, 3, 8, 9, dtype=torch.float64, requires_grad=True))


def test_zeros_are_put_around_the_maps():
    layer = PaddedConv2d(1, 1, 3, padding=4)
    maps = torch.rand(1, 1, 2, 2)
    torch.testing.assert_close(layer(maps), F.conv2d(F.pad(maps, (4, 4, 4, 4)), layer.weight, layer.bias))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 4, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False},
        {"kernel_size": (3, 5), "stride": (2, 3), "padding": (0, 2)},
        {"kernel_size": 1, "stride": 3},  # pixels that no patch reaches: their gradient is 0
    ],
)
@pytest.mark.parametrize("sides", [(8, 9), (7, 6)])
def test_strided_convolution_is_pytorch_s(options, sides):
    ours, reference = random_pair(StridedConv2d, nn.Conv2d, 4, 6, **options)
    assert_same(ours, reference, torch.randn(2, 4, *sides, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 4, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "bias": False},
        {"kernel_size": (3, 5), "stride": (2, 3), "padding": (0, 2), "output_padding": (1, 2)},
    ],
)
def test_strided_transposed_convolution_is_pytorch_s(options):
    ours, reference = random_pair(StridedConvTranspose2d, nn.ConvTranspose2d, 4, 6, **options)
    assert_same(ours, reference, torch.randn(2, 4, 5, 6, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("kind", [StridedConv2d, StridedConvTranspose2d])
def test_a_strided_layer_that_is_fixed_lets_gradients_through(kind):
    """As a discriminator in its generator's step: no gradient for the weights, and the same for the maps."""
    layer = kind(3, 3, 4, stride=2, padding=1)
    maps = torch.randn(1, 3, 8, 8, requires_grad=True)
    layer(maps).square().sum().backward()
    whole, maps.grad = maps.grad, None
    layer.requires_grad_(False).zero_grad()
    layer(maps).square().sum().backward()
    assert torch.equal(whole, maps.grad) and layer.weight.grad is None


@pytest.mark.parametrize("kind", [StridedConv2d, StridedConvTranspose2d])
def test_a_strided_layer_in_bfloat16(kind):
    layer = kind(3, 5, 4, stride=2, padding=1)
    maps = torch.randn(1, 3, 8, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(maps)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16 and layer.weight.grad.dtype == maps.grad.dtype == torch.float32
