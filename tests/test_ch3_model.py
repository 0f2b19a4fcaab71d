"""HED, FCFN and the losses of Chapter 3: published counts, alignment, equations by hand, gradients."""

import math

import pytest
import torch
from torch.nn import functional as F

from stages.ch3_edges.loss import balanced_weights, deep_supervision_loss, edge_loss, pixel_weights
from stages.ch3_edges.model import EdgeNetwork, LocalFusion, count_parameters, from_vgg16
from stages.core.errors import UserError
from stages.encoders.vgg16 import WEIGHTS, normalise

SMALL = (4, 4, 6, 8, 8)


def test_hed_has_the_published_number_of_parameters():
    with torch.device("meta"):
        hed, fcfn = EdgeNetwork(), EdgeNetwork(size=(400, 400))
    assert count_parameters(hed) == 14_716_171
    assert count_parameters(fcfn) - count_parameters(hed) == 400 * 400 * (5 + 1) - 6


@pytest.mark.parametrize("size", [(48, 64), (33, 47), (16, 16)])
def test_every_output_has_the_size_of_the_image(size):
    sides, fused = EdgeNetwork(SMALL)(torch.zeros(2, 3, *size))
    assert (sides.shape, fused.shape) == ((2, 5, *size), (2, 1, *size))


def test_sides_start_at_nothing_and_the_fusion_at_their_mean():
    model = EdgeNetwork(SMALL)
    sides, fused = model(torch.randn(1, 3, 32, 32))
    assert not sides.any() and not fused.any()
    values = torch.randn(1, 5, 8, 8)
    torch.testing.assert_close(model.fusion(values), values.mean(1, keepdim=True))
    torch.testing.assert_close(LocalFusion(5, (8, 8))(values), values.mean(1, keepdim=True))


@pytest.mark.parametrize("side", range(5))
def test_the_sides_lie_over_the_image(side):
    """A network that passes brightness on shows a bright spot where it is, whatever the scale."""
    model = EdgeNetwork((1, 1, 1, 1, 1))
    for block in model.blocks:
        for layer in block:
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.zeros_(layer.weight)
                layer.weight.data[:, :, 1, 1] = 1 / layer.in_channels
                torch.nn.init.zeros_(layer.bias)
    torch.nn.init.ones_(model.scores[side].weight)
    image = torch.zeros(1, 3, 64, 64)
    image[:, :, 16:48, 16:48] = 1  # centred: its middle is at 31.5
    found = model(image)[0][0, side].detach()
    total = found.sum()
    places = torch.arange(64.0)
    centre = ((found.sum(1) * places).sum() / total, (found.sum(0) * places).sum() / total)
    step = 2**side
    assert [value.item() for value in centre] == pytest.approx([31.5, 31.5], abs=step / 2)
    assert found[32, 32].item() == pytest.approx(1) and found.max().item() <= 1.0001


def test_bilinear_upsampling_is_the_library_s():
    model = EdgeNetwork(SMALL)
    values = torch.rand(1, 1, 9, 7)
    for factor, layer in zip((2, 4, 8, 16), model.upsamplings, strict=True):
        ours = layer(values)[:, :, factor // 2 : factor // 2 + 9 * factor, factor // 2 : factor // 2 + 7 * factor]
        theirs = F.interpolate(values, scale_factor=factor, mode="bilinear", align_corners=False)
        inner = (slice(None), slice(None), slice(factor, -factor), slice(factor, -factor))  # the border is repeated there
        torch.testing.assert_close(ours[inner], theirs[inner])


def small_vgg16() -> dict[str, torch.Tensor]:
    features = {}
    channels = 3
    for place, width in zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (4, 4, 4, 4, 6, 6, 6, 8, 8, 8, 8, 8, 8), strict=True):
        features[f"features.{place}.weight"] = torch.randn(width, channels, 3, 3)
        features[f"features.{place}.bias"] = torch.randn(width)
        channels = width
    return features


def test_vgg_16_is_taken_layer_by_layer():
    torchvision_s = small_vgg16()
    model = from_vgg16(torchvision_s | {"classifier.0.weight": torch.zeros(1)})
    assert torch.equal(model.blocks[0][0].weight, torchvision_s["features.0.weight"])
    assert torch.equal(model.blocks[4][5].bias, torchvision_s["features.28.bias"])
    assert [score.in_channels for score in model.scores] == [4, 4, 6, 8, 8]
    del torchvision_s["features.17.bias"]
    with pytest.raises(UserError, match=r"lack features\.17\.bias"):
        from_vgg16(torchvision_s)


def test_normalised_bytes_have_the_authors_means_taken_off():
    pixels = torch.tensor([123, 117, 104], dtype=torch.uint8).view(1, 3, 1, 1)  # blue 104.00699, green 116.66877, red 122.67892
    torch.testing.assert_close(normalise(pixels, WEIGHTS).flatten(), torch.tensor([0.32108, 0.33123, -0.00699]), rtol=0, atol=1e-5)


def test_local_fusion_weighs_every_pixel_by_itself():
    fusion = LocalFusion(5, (2, 2))
    fusion.weight.data = torch.zeros(1, 5, 2, 2)
    fusion.weight.data[0, 3, 0, 1] = 2
    fusion.bias.data[0, 0, 1, 1] = -1
    sides = torch.arange(20.0).view(1, 5, 2, 2)
    assert fusion(sides).tolist() == [[[[0, 2 * 13], [0, -1]]]]
    assert fusion(torch.ones(3, 5, 4, 6)).shape == (3, 1, 4, 6)


def test_local_weights_meet_other_sizes_by_linear_interpolation():
    """Weights 0 and 4 side by side; at twice the width, pixel centres lie at -.25, .25, .75 and 1.25 of them."""
    fusion = LocalFusion(1, (1, 2))
    fusion.weight.data = torch.tensor([[[[0.0, 4.0]]]])
    fusion.bias.data = torch.tensor([[[[10.0, 10.0]]]])
    assert fusion(torch.ones(1, 1, 1, 4)).flatten().tolist() == [10, 11, 13, 14]


def test_equation_3_4_by_hand():
    logits = torch.tensor([[[[0.0, 2.0, -1.0, 5.0]]]])
    labels = torch.tensor([[[[1, 0, 1, 2]]]])
    expected = 9 * math.log(2) + math.log(1 + math.exp(2)) + 9 * math.log(1 + math.exp(1))
    assert edge_loss(logits, labels, pixel_weights(labels)).item() == pytest.approx(expected)


def test_equation_3_5_is_the_gradient_and_relaxed_pixels_have_none():
    logits = torch.randn(2, 1, 3, 4, dtype=torch.double, requires_grad=True)
    labels = torch.randint(3, (2, 1, 3, 4), generator=torch.Generator().manual_seed(0))
    edge_loss(logits, labels, pixel_weights(labels)).backward()
    probability = torch.sigmoid(logits.detach())
    expected = torch.where(labels == 1, 9 * (probability - 1), torch.where(labels == 0, probability, torch.zeros(())))
    torch.testing.assert_close(logits.grad, expected, rtol=1e-5, atol=1e-6)
    assert (labels == 2).any() and not logits.grad[labels == 2].any()


def test_balanced_weights_by_hand():
    labels = torch.tensor([[[1, 0], [0, 0]], [[2, 0], [1, 2]], [[0, 0], [0, 0]]])
    expected = [[[0.75, 0.25], [0.25, 0.25]], [[0, 0.5], [0.5, 0]], [[0, 0], [0, 0]]]
    torch.testing.assert_close(balanced_weights(labels), torch.tensor(expected))


def test_equation_3_3_adds_the_supervised_sides_and_the_fusion():
    generator = torch.Generator().manual_seed(1)
    sides = torch.randn(2, 5, 3, 3, generator=generator)
    fused, truth = torch.randn(2, 1, 3, 3, generator=generator), torch.randint(2, (2, 1, 3, 3), generator=generator)
    relaxed = torch.randint(3, (2, 5, 3, 3), generator=generator)
    alone = edge_loss(fused, truth, pixel_weights(truth)) / 2
    torch.testing.assert_close(deep_supervision_loss(sides, fused, torch.full_like(relaxed, 2), truth), alone)
    late = torch.cat([torch.full_like(relaxed[:, :3], 2), relaxed[:, 3:]], dim=1)
    added = sum(edge_loss(sides[:, k], relaxed[:, k], pixel_weights(relaxed[:, k])) for k in (3, 4)) / 2
    torch.testing.assert_close(deep_supervision_loss(sides, fused, late, truth), alone + added)


def test_each_map_is_balanced_by_itself():
    """HED's balance of the sum is the sum of each side's own (Eq. 2.11 to 2.13)."""
    generator = torch.Generator().manual_seed(2)
    sides, fused = torch.randn(1, 5, 4, 4, generator=generator), torch.randn(1, 1, 4, 4, generator=generator)
    labels, truth = torch.randint(3, (1, 5, 4, 4), generator=generator), torch.randint(2, (1, 1, 4, 4), generator=generator)
    parts = [edge_loss(sides[:, k], labels[:, k], balanced_weights(labels[:, k])) for k in range(5)]
    expected = sum(parts) + edge_loss(fused, truth, balanced_weights(truth))
    torch.testing.assert_close(deep_supervision_loss(sides, fused, labels, truth, balanced_weights), expected)


def test_a_small_network_learns_the_border_of_a_square():
    torch.manual_seed(0)
    model = EdgeNetwork((8, 8, 8, 8, 8), (2, 2, 2, 2, 2))
    images, truth = torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32, dtype=torch.long)
    images[:, :, 8:24, 8:24] = 1
    truth[:, :, 8:24, 8:24] = 1
    truth[:, :, 9:23, 9:23] = 0
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        sides, fused = model(images)
        loss = deep_supervision_loss(sides, fused, truth.expand(-1, 5, -1, -1), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    edge, rest = fused[truth == 1].mean(), fused[truth == 0].mean()
    assert edge > rest + 1
