"""FCN-8s, FCFN and their loss: published counts, equations by hand, alignment, gradients, learning."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages.ch2_segmentation import train
from stages.ch2_segmentation.model import FCFN, LocalFusion, fusion_sides, initial_model
from stages.ch2_segmentation.training_settings import Network, Training, Variant
from stages.core import runtime
from stages.core.errors import UserError
from stages.encoders.fcn8s import FCN8s, Upsampling, count_parameters, segmentation_loss, weights_called
from stages.encoders.vgg16 import normalise, weights_of
from stages.miniatures import vgg16 as vgg16_miniature
from stages.miniatures import vgg16_imagenet as vgg16_imagenet_miniature

torch.set_num_threads(1)
SMALL: dict[str, Any] = {"classes": 5, "widths": (4, 4, 6, 8, 8), "fc": 10}
NETWORK = Network(size=(60, 64), fc=12, skip_scales=(1, 1), fixed_upsampling=True)
VARIANTS = {"fcn-8s": Variant(), "fcfn": Variant(fusion="local", score_std=0.01, score_bias=1)}


def lively(model: FCN8s, seed: int = 0) -> FCN8s:
    """The model with score layers that say something."""
    random = torch.Generator().manual_seed(seed)
    for score in (model.score_fr, model.score_pool4, model.score_pool3):
        torch.nn.init.normal_(score.weight, std=0.5, generator=random)
        torch.nn.init.constant_(score.bias, 1)
    return model.eval()


# The networks


def test_fcn_8s_has_the_published_number_of_parameters():
    """VGG-16 without its last layer, three score layers of 21 classes, and deconvolutions of 4 x 4, 4 x 4 and 16 x 16 weights per pair."""
    with torch.device("meta"):
        fcn, fcfn = FCN8s(), FCFN((500, 500))
    assert count_parameters(fcn) == 134_489_759
    assert fusion_sides(500) == (34, 70)
    # "H x W x C x 2" (Section 2.3.1), and the biases of Eq. 2.7 and 2.8, which that leaves out.
    assert count_parameters(fcfn) - count_parameters(fcn) == (34 * 34 + 70 * 70) * 21 * (2 + 1)


@pytest.mark.parametrize("size", [(48, 64), (33, 47), (64, 57), (1, 1)])
def test_a_score_for_every_pixel(size):
    images = torch.zeros(1, 3, *size)
    assert FCN8s(**SMALL)(images).shape == (1, 5, *size)
    assert FCFN((64, 64), **SMALL)(images).shape == (1, 5, *size)


@pytest.mark.parametrize("side", [1, 47, 64, 375, 500])
def test_the_fusions_have_the_sizes_of_the_maps(side):
    model, found = FCN8s(1, (1,) * 5, 1), []
    for fusion in (model.fuse_pool4, model.fuse_pool3):
        fusion.register_forward_hook(lambda module, inputs, output: found.append(output.shape[2]))
    model(torch.zeros(1, 3, side, 1))
    assert tuple(found) == fusion_sides(side)


@pytest.mark.parametrize(("branch", "step"), [("score_fr", 32), ("score_pool4", 16), ("score_pool3", 8)])
def test_the_branches_lie_over_the_image(branch, step):
    """A network that passes brightness on shows a bright square where it is, whichever branch speaks."""
    model = FCN8s(1, (1,) * 5, 1)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.zeros_(layer.weight)
            middle = layer.kernel_size[0] // 2
            layer.weight.data[:, :, middle, middle] = 1 / layer.in_channels
            torch.nn.init.zeros_(layer.bias)
    for name in ("score_fr", "score_pool4", "score_pool3"):
        torch.nn.init.constant_(getattr(model, name).weight, float(name == branch))
    image = torch.zeros(1, 3, 160, 160)
    image[:, :, 48:112, 48:112] = 1  # its middle is at 79.5
    found = model.eval()(image)[0, 0].detach()
    places = torch.arange(160.0)
    centre = ((found.sum(1) * places).sum() / found.sum(), (found.sum(0) * places).sum() / found.sum())
    assert [value.item() for value in centre] == pytest.approx([79.5, 79.5], abs=step / 2)
    assert found[80, 80].item() == pytest.approx(1) and found.max().item() <= 1.0001


@pytest.mark.parametrize("factor", [2, 8])
def test_upsampling_is_the_library_s_and_learned_or_fixed_the_same(factor):
    values = torch.rand(2, 3, 6, 7)
    learned, fixed = Upsampling(3, factor, fixed=False), Upsampling(3, factor, fixed=True)
    torch.testing.assert_close(learned(values), fixed(values))
    assert (learned.weight.shape, learned.weight.requires_grad, fixed.weight.requires_grad) == ((3, 3, 2 * factor, 2 * factor), True, False)
    half = factor // 2
    ours = fixed(values)[:, :, half : half + 6 * factor, half : half + 7 * factor]
    theirs = F.interpolate(values, scale_factor=factor, mode="bilinear", align_corners=False)
    inner = (slice(None), slice(None), slice(factor, -factor), slice(factor, -factor))  # the border is repeated there
    torch.testing.assert_close(ours[inner], theirs[inner])


@pytest.mark.parametrize("relu", [True, False])
def test_equations_2_7_and_2_8_by_hand(relu):
    random = torch.Generator().manual_seed(0)
    fusion = LocalFusion(3, (4, 5), relu)
    assert (fusion.weight == 0.5).all() and not fusion.bias.any()
    fusion.weight.data.normal_(generator=random)
    fusion.bias.data.normal_(generator=random)
    branches = torch.randn(2, 2, 3, 4, 5, generator=random)  # branch, image, class, pixel
    expected = torch.einsum("jkhw,jnkhw->nkhw", fusion.weight, branches) + fusion.bias
    torch.testing.assert_close(fusion(*branches), expected.clamp(min=0) if relu else expected)
    assert (expected < 0).any()


def test_a_smaller_image_meets_the_middle_of_the_weights():
    fusion = LocalFusion(1, (4, 6))
    fusion.weight.data[0] = torch.arange(24.0).view(1, 4, 6)
    fusion.bias.data.fill_(100)
    fusion.bias.data[0, 1, 2] = 200
    ones, zeros = torch.ones(1, 1, 2, 3), torch.zeros(1, 1, 2, 3)
    assert fusion(ones, zeros)[0, 0].tolist() == [[107, 208, 109], [113, 114, 115]]


def test_a_larger_image_is_refused():
    with pytest.raises(
        UserError, match=r"an image of 64 x 61 pixels is larger than 64 x 60, which FCFN's weights are for: raise network\.size"
    ):
        FCFN((60, 64), **SMALL)(torch.zeros(1, 3, 61, 64))


@pytest.mark.parametrize("size", [(60, 64), (41, 52)])
def test_fcn_8s_is_fcfn_with_weights_of_one_and_no_relu(size):
    fcn, fcfn = FCN8s(**SMALL), FCFN((60, 64), relu=False, **SMALL)
    fcfn.load_state_dict(lively(fcn).state_dict(), strict=False)
    for fusion in (fcfn.fuse_pool4, fcfn.fuse_pool3):
        torch.nn.init.ones_(fusion.weight)
    image = torch.randn(1, 3, *size)
    torch.testing.assert_close(fcfn.eval()(image), fcn(image))
    fcfn.fuse_pool3.weight.data[0] = 0  # without pool3
    torch.nn.init.zeros_(fcn.score_pool3.weight)
    torch.nn.init.zeros_(fcn.score_pool3.bias)
    torch.testing.assert_close(fcfn(image), fcn(image))


def test_skips_are_scaled_before_they_are_scored():
    plain, scaled = FCN8s(**SMALL), FCN8s(**SMALL, skip_scales=(0.5, 4))
    scaled.load_state_dict(lively(plain).state_dict())
    scaled.score_pool4.weight.data *= 2
    scaled.score_pool3.weight.data /= 4
    image = torch.randn(1, 3, 40, 40)
    torch.testing.assert_close(scaled.eval()(image), plain(image))


# VGG-16's weights


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, torch.Tensor]]:
    folder = tmp_path_factory.mktemp("vgg16")
    vgg16_miniature.write(folder, widths=[4, 4, 6, 8, 8], seed=0)
    vgg16_imagenet_miniature.write(folder, widths=[4, 4, 6, 8, 8], fc=10, seed=0)
    return {name: runtime.load(folder / weights_of(name).file) for name in ("vgg16", "vgg16_imagenet")}


def start(name: str, source: str, states: dict[str, dict[str, torch.Tensor]], **changes: Any) -> FCN8s:
    """The initial network of VARIANTS, with changes of what all networks share."""
    network, random = dataclasses.replace(NETWORK, **changes), torch.Generator().manual_seed(0)
    return initial_model(VARIANTS[name], states[source], weights_of(source), network, 5, random)


def test_a_whole_vgg_16_is_taken_layer_by_layer(vgg16):
    state = vgg16["vgg16_imagenet"]
    model = start("fcn-8s", "vgg16_imagenet", vgg16).eval()
    assert torch.equal(model.blocks[4][4].weight, state["features.28.weight"])
    assert not any(score.weight.any() or score.bias.any() for score in (model.score_fr, model.score_pool4, model.score_pool3))
    maps = torch.randn(1, 8, 7, 7)  # of a 7 x 7 map, convolutions make what the fully-connected layers make
    expected = F.linear(F.linear(maps.flatten(1), state["classifier.0.weight"]).relu(), state["classifier.3.weight"]).flatten()
    torch.testing.assert_close(model.fc7(model.fc6(maps).relu()).flatten(), expected)


def test_the_whole_of_fcn_8s_written_out(vgg16):
    """From torchvision's names of VGG-16's layers, and with the margins and crops of FCN-8s's authors."""
    state = vgg16["vgg16_imagenet"]
    model = lively(start("fcn-8s", "vgg16_imagenet", vgg16))
    image = torch.randn(1, 3, 50, 71)
    maps, pools = image, []
    for block in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
        for place in block:
            weight, bias = state[f"features.{place}.weight"], state[f"features.{place}.bias"]
            maps = F.conv2d(maps, weight, bias, padding=1 if place else 100).relu()
        maps = F.max_pool2d(maps, 2, 2, ceil_mode=True)
        pools.append(maps)
    fc6 = F.conv2d(maps, state["classifier.0.weight"].view(-1, maps.shape[1], 7, 7), state["classifier.0.bias"]).relu()
    fc7 = F.conv2d(fc6, state["classifier.3.weight"][:, :, None, None], state["classifier.3.bias"]).relu()

    def upsampled(scores: torch.Tensor, factor: int) -> torch.Tensor:
        line = torch.tensor([1 - abs(place - factor + 0.5) / factor for place in range(2 * factor)])
        weight = torch.outer(line, line).expand(scores.shape[1], 1, -1, -1)
        return F.conv_transpose2d(scores, weight, stride=factor, groups=scores.shape[1])

    fused = upsampled(model.score_fr(fc7), 2)
    for pool, score, first in ((pools[3], model.score_pool4, 5), (pools[2], model.score_pool3, 9)):
        height, width = fused.shape[2:]
        fused = fused + score(pool)[:, :, first : first + height, first : first + width]
        fused = upsampled(fused, 8 if score is model.score_pool3 else 2)
    torch.testing.assert_close(model(image), fused[:, :, 31 : 31 + 50, 31 : 31 + 71], rtol=1e-4, atol=1e-4)


def test_both_hidden_layers_are_dropped_by_half_in_training_only(vgg16):
    model = lively(start("fcn-8s", "vgg16_imagenet", vgg16))
    dropped = []
    model.dropout.register_forward_hook(lambda module, inputs, output: dropped.append((inputs[0], output)))
    model(torch.randn(1, 3, 60, 64))
    assert [torch.equal(*pair) for pair in dropped] == [True, True]
    assert all((given >= 0).all() for given, _ in dropped)
    dropped.clear()
    torch.manual_seed(0)
    model.train()(torch.randn(1, 3, 200, 200))
    for given, left in dropped:
        kept = left[given > 0] > 0
        assert 0.35 < kept.float().mean() < 0.65
        torch.testing.assert_close(left[left > 0], 2 * given[left > 0])
    assert len(dropped) == 2


def test_without_fully_connected_layers_they_are_random(vgg16):
    first, second = start("fcn-8s", "vgg16", vgg16, fc=500), start("fcfn", "vgg16", vgg16, fc=500)
    assert torch.equal(first.blocks[0][0].weight, vgg16["vgg16"]["features.0.weight"])
    assert first.fc6.weight.shape == (500, 8, 7, 7)
    assert first.fc6.weight.std().item() == pytest.approx((2 / (8 * 49)) ** 0.5, rel=0.02)
    assert torch.equal(first.fc6.weight, second.fc6.weight)  # of one seed, the same


def test_fcfn_starts_with_scores_above_zero(vgg16):
    variant, random = Variant(fusion="local", score_std=0.02, score_bias=3), torch.Generator().manual_seed(0)
    model = initial_model(variant, vgg16["vgg16_imagenet"], weights_of("vgg16_imagenet"), NETWORK, 5, random)
    weights = torch.cat([score.weight.flatten() for score in (model.score_fr, model.score_pool4, model.score_pool3)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.25)
    assert (model.score_pool4.bias == 3).all()
    assert (model(torch.zeros(1, 3, 60, 64)) > 0).all()


def test_bytes_become_what_the_weights_were_trained_on():
    pixels = torch.tensor([124, 116, 104], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = {"vgg16": [1.32108, -0.66877, -0.00699], "vgg16_imagenet": [(124 / 255 - 0.485) / 0.229, (116 / 255 - 0.456) / 0.224,
                                                                          (104 / 255 - 0.406) / 0.225]}  # fmt: skip
    for source, values in expected.items():
        torch.testing.assert_close(normalise(pixels, weights_of(source)).flatten(), torch.tensor(values), rtol=1e-4, atol=1e-4)


def test_weights_that_are_not_there(vgg16):
    with pytest.raises(UserError, match=r"ch2_segmentation\.weights is 'resnet': .*resnet"):
        weights_called("resnet", "ch2_segmentation.weights")
    with pytest.raises(UserError, match=r"the VGG-16 weights of vgg16\.pth lack classifier\.0\.weight"):
        initial_model(Variant(), vgg16["vgg16"], weights_of("vgg16_imagenet"), NETWORK, 5, torch.Generator())


# Eq. 2.9


def test_equation_2_9_by_hand():
    logits = torch.tensor([[[[0.0, 2.0, 5.0]], [[0.0, 0.0, 5.0]], [[0.0, 1.0, 5.0]]]])  # classes, then one row of three pixels
    labels = torch.tensor([[[1, 0, 255]]], dtype=torch.uint8)
    expected = np.log(3) - np.log(np.exp(2) / (np.exp(2) + 1 + np.exp(1)))
    assert segmentation_loss(logits, labels, "sum").item() == pytest.approx(expected)
    assert segmentation_loss(logits, labels, "mean").item() == pytest.approx(expected / 2)
    nothing = torch.full_like(labels, 255)
    assert segmentation_loss(logits, nothing, "mean").item() == segmentation_loss(logits, nothing, "sum").item() == 0
    with pytest.raises(UserError, match="the reduction of the loss is 'max': it is one of mean, sum"):
        segmentation_loss(logits, labels, "max")


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_gradient_is_the_loss_s(reduction):
    logits = torch.randn(1, 4, 3, 3, dtype=torch.double, requires_grad=True, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[[0, 1, 2], [3, 255, 1], [255, 0, 0]]])
    assert torch.autograd.gradcheck(lambda values: segmentation_loss(values, labels, reduction), logits)
    segmentation_loss(logits, labels, reduction).backward()
    assert not logits.grad[:, :, labels[0] == 255].any()


# Learning


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("fixed", [True, False])
def test_every_parameter_that_learns_has_a_gradient(name, fixed, vgg16):
    model = lively(start(name, "vgg16_imagenet", vgg16, fixed_upsampling=fixed))  # what starts at 0 leaves nothing below it a gradient
    labels = torch.randint(5, (1, 60, 64), generator=torch.Generator().manual_seed(0))
    segmentation_loss(model.train()(torch.randn(1, 3, 60, 64)), labels).backward()
    learned = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert ("upscore8.weight" in learned) != fixed
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in learned.values())
    assert [key for key, parameter in learned.items() if not parameter.grad.any()] == []


def test_a_relu_over_scores_that_start_at_zero_learns_nothing(vgg16):
    """Why FCFN's score layers do not start as FCN-8s's do."""
    model = start("fcfn", "vgg16_imagenet", vgg16)
    for score in (model.score_fr, model.score_pool4, model.score_pool3):
        torch.nn.init.zeros_(score.weight)
        torch.nn.init.zeros_(score.bias)
    segmentation_loss(model(torch.randn(1, 3, 60, 64)), torch.ones(1, 60, 64)).backward()
    assert not any(parameter.grad.any() for parameter in model.parameters() if parameter.requires_grad)


@pytest.mark.parametrize("name", VARIANTS)
def test_one_image_is_learned_by_heart(name, vgg16):
    model = start(name, "vgg16_imagenet", vgg16).eval()
    image, labels = torch.zeros(1, 3, 48, 48), torch.zeros(1, 48, 48, dtype=torch.long)
    for place, label in ((4, 1), (26, 2)):
        image[:, label, 8:40, place : place + 18] = 2
        labels[:, 8:40, place : place + 18] = label
    labels[:, :2] = 255
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.01)
    for _ in range(80):
        loss = segmentation_loss(model(image), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.35
    assert (model(image).argmax(1) == labels)[labels != 255].float().mean() > 0.9


def test_rates_and_decays(vgg16):
    model = start("fcfn", "vgg16_imagenet", vgg16)
    lengths = {"iterations": 6, "log_every": 2, "checkpoint_every": 2}
    training = Training(
        **lengths, batch_size=1, learning_rate=1e-3, momentum=0.9, weight_decay=1e-4, bias_rate=2, bias_decay=0, fusion_rate=10,
        reduction="mean", mirror=True,
    )  # fmt: skip
    groups = train.optimizer_for(model, training).param_groups
    found = {id(each): (group["lr"], group["weight_decay"]) for group in groups for each in group["params"]}
    names = {key: found.get(id(each)) for key, each in model.named_parameters()}
    assert {key for key, value in names.items() if value is None} == {"upscore2.weight", "upscore_pool4.weight", "upscore8.weight"}
    expected = {
        "blocks.0.0.weight": (1e-3, 1e-4),
        "score_fr.bias": (2e-3, 0),
        "fuse_pool3.weight": (1e-2, 1e-4),
        "fuse_pool4.bias": (2e-2, 0),
    }
    for key, value in expected.items():
        assert names[key] == pytest.approx(value)
