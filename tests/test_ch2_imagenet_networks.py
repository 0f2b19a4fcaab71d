"""Section 2.4.2's networks against published counts and hand-written layers, and how they learn."""

import composed
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stages.ch2_imagenet import architectures, train
from stages.ch2_imagenet.labels import BRANCHES
from stages.ch2_imagenet.networks import LocalFusion, build, count_parameters
from stages.ch2_imagenet.training_settings import Network, Training, Variant
from stages.core.branches import fusion_weights, top_maps
from stages.core.errors import UserError

SMALL = Network(width=0.0625, fusion_init=0.25)
CPU = torch.device("cpu")
VARIANTS = {
    "cnn-11": Variant(), "dsn-11": Variant(sides="predicting"), "resnet-11": Variant(residual=True), "cfn-11": Variant(sides="fused"),
    "cnn-19": Variant(convolutions=4), "cfn-19": Variant(convolutions=4, sides="fused"),
}  # fmt: skip


def small(name: str) -> nn.Module:
    return build(VARIANTS[name], 10, SMALL, torch.Generator().manual_seed(1))


def test_these_are_the_thesis_networks():
    variants = composed.section("ch2_imagenet", {}).variants
    assert {name: variants.get(name) for name in VARIANTS} == VARIANTS


def test_parameters_equal_the_authors():
    counts = architectures.facts(VARIANTS, "alexnet", 1000)
    assert (counts["cnn-11"]["parameters_total"], counts["cfn-11"]["parameters_total"]) == (6_283_368, 6_752_362)
    assert counts["alexnet"]["parameters_total"] == 61_100_840  # what torchvision states for its weights
    assert {name: of_model["layers"] for name, of_model in counts.items()} == {
        "cnn-11": 11, "dsn-11": 11, "resnet-11": 11, "cfn-11": 11, "cnn-19": 19, "cfn-19": 19, "alexnet": 8,
    }  # fmt: skip
    assert (counts["alexnet"]["dimensions"], counts["cnn-11"]["dimensions"]) == (4096, 1024)  # Table 2.6


def test_parameters_added_by_hand():
    counts = architectures.facts(VARIANTS, "alexnet", 1000)
    sides = (64 + 128 + 256) * 1024 + 3 * 2 * 1024  # 1x1 convolutions without bias, and their batch norms
    assert counts["cfn-11"]["parameters_added"] == counts["cfn-19"]["parameters_added"] == sides + 4 * 1024 + 2
    assert counts["dsn-11"]["parameters_added"] == sides + 3 * (1024 * 1000 + 1000)
    shortcuts = sum(a * b + 2 * b for a, b in ((64, 64), (64, 128), (128, 256), (256, 512)))
    assert counts["resnet-11"]["parameters_added"] == shortcuts
    more = sum(2 * (9 * b * b + 2 * b) for b in (64, 128, 256, 512))  # two more convolutions in each block
    assert counts["cnn-19"]["parameters_total"] == 6_283_368 + more


@pytest.mark.parametrize("name", VARIANTS)
def test_shapes_are_figure_2_9s_and_every_parameter_gets_a_gradient(name):
    model = small(name)
    images = torch.randn(2, 3, 224, 224)
    sides = [maps.shape[2:] for maps in model.branch_maps(images)]
    assert sides == [(28, 28), (14, 14), (7, 7), (7, 7)][-len(sides) :] and len(sides) == (4 if name[:3] in ("cfn", "dsn") else 1)
    assert model.features(images).shape == (2, 64)
    scores = model(images)
    assert scores.shape == (2, 4 if name.startswith("dsn") else 1, 10)
    train.loss_of(scores, torch.tensor([3, 4]), 1.0).backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.abs().sum() > 0] in (
        [],
        ["conv1.0.bias"],  # batch norm takes it away again; rounding may leave its gradient at exactly 0
    )


def test_odd_sizes_are_met():
    assert small("cfn-11").eval()(torch.randn(1, 3, 65, 97)).shape == (1, 1, 10)


def test_local_fusion_is_equation_2_3_with_one_batch_norm_for_all_elements():
    fusion = LocalFusion(3, 5, 0.25)
    nn.init.normal_(fusion.weight)
    with torch.no_grad():
        fusion.norm.weight.fill_(1.5)
        fusion.norm.bias.fill_(-0.2)
    stack = torch.randn(4, 3, 5)
    fused = torch.zeros(4, 5)
    for i in range(5):
        for j in range(3):
            fused[:, i] += fusion.weight[i, j] * stack[:, j, i]
    normed = 1.5 * (fused - fused.mean()) / (fused.var(correction=0) + 1e-5).sqrt() - 0.2
    torch.testing.assert_close(fusion(stack), normed.clamp(min=0))
    assert torch.autograd.gradcheck(LocalFusion(3, 5, 0.25).double(), torch.randn(4, 3, 5).double().requires_grad_())


def test_fusion_starts_with_equal_weights():
    assert fusion_weights(small("cfn-11").fusion) == {
        **{f"fusion_weight_{branch}": 0.25 for branch in (1, 2, 3, 4)}, **{f"fusion_weight_{branch}_sd": 0.0 for branch in (1, 2, 3, 4)},
    }  # fmt: skip
    assert fusion_weights(small("dsn-11").fusion) == fusion_weights(nn.ReLU()) == {}


def test_each_branch_has_its_own_fusion_weights_and_the_main_one_the_last():
    model = small("cfn-11").eval()
    with torch.no_grad():
        model.fusion.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(64, 4))
        model.fusion.weight[0] += 6.4
    weights = fusion_weights(model.fusion)
    assert [weights[f"fusion_weight_{branch}"] for branch in (1, 2, 3, 4)] == pytest.approx([1.1, 2.1, 3.1, 4.1])
    assert weights["fusion_weight_1_sd"] == pytest.approx(6.4 * (63 / 64**2) ** 0.5)
    images = torch.randn(2, 3, 64, 64)
    maps = model.branch_maps(images)
    assert [of_branch.shape[-1] for of_branch in maps] == [8, 4, 2, 2]
    stack = torch.stack([of_branch.flatten(2).mean(2) for of_branch in maps], dim=2)  # (N, K, S)
    fused = (stack * model.fusion.weight).sum(2) / (1 + 1e-5) ** 0.5  # the one batch norm is new
    torch.testing.assert_close(model.features(images), fused.clamp(min=0))
    torch.testing.assert_close(model(images)[:, 0], model.classifier(fused.clamp(min=0)))
    plain = small("cnn-11").eval()
    torch.testing.assert_close(plain.features(images), plain.branch_maps(images)[0].mean(dim=(2, 3)))
    assert BRANCHES[4].endswith("(main)") and len(BRANCHES) == 4


def test_a_side_predicts_from_its_own_branch_and_the_network_from_the_last():
    model = small("dsn-11").eval()
    images = torch.randn(2, 3, 64, 64)
    pooled = [maps.mean(dim=(2, 3)) for maps in model.branch_maps(images)]
    expected = [*(model.side_classifiers[side](pooled[side]) for side in range(3)), model.classifier(pooled[3])]
    torch.testing.assert_close(model(images), torch.stack(expected, dim=1))


def test_a_shortcut_is_linear_and_added_before_the_relu():
    block = small("resnet-11").eval().blocks[0]
    images = torch.randn(2, 4, 9, 9)
    projected = F.conv2d(images, block.projection[0].weight)  # batch norm of new statistics divides by sqrt(1 + eps)
    added = block.convolutions(images) + projected / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(block(images), added.clamp(min=0))


def test_the_side_losses_of_dsn_by_hand():
    scores = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]])
    each = [-np.log(1 / 2), -np.log(np.e / (np.e + 1)), -np.log(1 / (1 + np.e**2)), -np.log(np.e**3 / (np.e**3 + 1))]
    assert train.loss_of(scores, torch.tensor([0]), 0.3).item() == pytest.approx(each[3] + 0.3 * sum(each[:3]), abs=1e-6)


def test_initial_values_are_xaviers():
    """Uniform within the root of 3 / inputs, as Caffe's filler, and no bias."""
    weight = build(Variant(), 10, Network(1, 0.25), torch.Generator().manual_seed(0)).blocks[1].convolutions[0].weight
    limit = (3 / (64 * 9)) ** 0.5
    assert weight.abs().max() <= limit and weight.abs().max() > 0.99 * limit
    assert weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)


def test_conv6_has_a_rate_of_its_own():
    training = Training(
        iterations=9, log_every=1, checkpoint_every=1, batch_size=1, learning_rate=0.2, learning_rate_steps=[2, 4], momentum=0.9,
        weight_decay=0.1, top_rate=10, side_weight=1, gpus=1,
    )  # fmt: skip
    model = small("cfn-11")
    plain, top = train.optimiser_for(model, training).param_groups
    assert [(group["lr"], group["rate"], group["weight_decay"]) for group in (plain, top)] == [(0.2, 1, 0.1), (2, 10, 0.1)]
    assert {id(p) for p in top["params"]} == {id(p) for name, p in model.named_parameters() if name == "conv6.0.weight"}
    assert sum(p.numel() for group in (plain, top) for p in group["params"]) == count_parameters(model)


def test_more_gpus_than_there_are():
    with pytest.raises(
        UserError, match=r"ch2_imagenet.training.gpus is 2, and PyTorch uses 0 here: set it to 1, or runtime.device to cuda"
    ):
        train.spread(small("cnn-11"), 2, CPU)


def test_the_maps_with_the_highest_mean_are_shown_of_equal_ones_the_first():
    means = torch.tensor([[1.0, 5.0, 2.0, 5.0, 4.0, 3.0]])
    maps = means[:, :, None, None] + torch.tensor([[-1.0, 1.0], [0.5, -0.5]])  # which does not change a mean
    (shown,) = top_maps([maps]).values()
    assert shown.shape == (1, 4, 2, 2) and shown.mean(axis=(2, 3)).tolist() == [[5, 5, 4, 3]]
    twins = torch.zeros(1, 6, 1, 2)
    twins[0, :, 0, 0], twins[0, :, 0, 1] = torch.arange(6.0), -torch.arange(6.0)
    assert top_maps([twins, maps])["branch_1"][0, :, 0, 0].tolist() == [0, 1, 2, 3]
