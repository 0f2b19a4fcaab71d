"""The networks of Section 2.4.1 against published counts, Table 2.1 and hand-written equations."""

import dataclasses

import composed
import pytest
import torch
from torch.nn import functional as F

from stages.ch2_fusion import architectures
from stages.ch2_fusion.architectures import depth
from stages.ch2_fusion.model import FusionNetwork, LocalFusion, SharedFusion, SumFusion, build, count_parameters, describe
from stages.core.branches import fusion_weights

CHAPTER = composed.section("ch2_fusion", {"network": {"width": 0.125, "dropout": 0.5, "conv_std": 0.1}})
VARIANTS = CHAPTER.variants


def small(name: str, classes: int = 10, **changes) -> FusionNetwork:
    return build(VARIANTS[name], classes, dataclasses.replace(CHAPTER.network, **changes), torch.Generator().manual_seed(1))


def thesis_model(name: str, classes: int, kernel: int) -> FusionNetwork:
    return architectures.thesis_model(VARIANTS[name], classes, kernel)


# The author's own counts of learnable parameters.
@pytest.mark.parametrize(
    ("name", "classes", "published"),
    [("cnn-b", 10, 1_286_698), ("cfn-b", 10, 1_343_146), ("cnn-b", 100, 1_721_572), ("cfn-b", 100, 2_386_276)],
)
def test_parameters_equal_the_authors(name, classes, published):
    model = thesis_model(name, classes, 3)
    assert sum(parameter.numel() for parameter in model.parameters()) == published
    assert count_parameters(model)["parameters_total"] == published


def test_parameters_by_part_of_cfn_a_by_hand():
    basic = (5 * 5 * 3 * 64 + 64) + 2 * (5 * 5 * 64 * 64 + 64) + (64 * 192 + 192) + (192 * 10 + 10)
    side = 2 * (64 * 192 + 192)
    expected = {
        "parameters_basic": basic,
        "parameters_side": side,
        "parameters_fusion": 192 * (3 + 1),
        "parameters_classifier_extra": 0,
        "parameters_total": basic + side + 768,
    }
    assert count_parameters(thesis_model("cfn-a", 10, 3)) == expected
    assert (round(basic / 1e6, 3), round(side / 1e6, 3)) == (0.224, 0.025)  # Table 2.2


def test_fusion_parameters_of_table_2_2():
    counts = {name: count_parameters(thesis_model(name, 10, 3))["parameters_fusion"] for name in VARIANTS}
    assert counts["cnn-a"] == counts["cnn-sum-b"] == 0
    assert counts["cnn-conv-a"] == counts["cnn-conv-b"] == 4
    assert counts["cfn-a"] == counts["cfn-b"] == 768


@pytest.mark.parametrize("classes", [10, 100])
def test_eflp_has_fewer_parameters_than_eplf(classes):
    """Eq. 2.2, with C (K + 1) parameters in a fully-connected layer."""
    early, late = (count_parameters(thesis_model(name, classes, 3))["parameters_total"] for name in ("cfn-b", "cfn-b-eplf"))
    assert late - early == 2 * classes * (192 + 1) + classes * 4 - 192 * 4 > 0


def test_side_branches_of_b_for_100_classes_follow_the_parameter():
    by_kernel = {kernel: count_parameters(thesis_model("cfn-b", 100, kernel))["parameters_side"] for kernel in (1, 3)}
    assert by_kernel == {1: 2 * (192 * 192 + 192), 3: 2 * (9 * 192 * 192 + 192)}
    assert round(by_kernel[1] / 1e6, 3) == 0.074  # what Table 2.2 prints for both data sets


def test_depths_of_table_2_3():
    assert [depth(thesis_model(name, 10, 3)) for name in ("cnn-b", "cfn-b", "cnn-a")] == [8, 8, 5]


def test_cnn_b_reads_as_table_2_1():
    assert describe(thesis_model("cnn-b", 10, 3)) == [
        "3x3x96 conv, ReLU", "3x3x96 conv, ReLU", "3x3 max-pooling, stride 2", "dropout 0.5",
        "3x3x192 conv, ReLU", "3x3x192 conv, ReLU", "3x3 average-pooling, stride 2", "dropout 0.5",
        "3x3x192 conv, ReLU", "3x3x192 conv, ReLU", "1x1x192 conv, ReLU",
        "8x8 global average pooling", "dropout 0.5", "10-way fully-connected layer",
    ]  # fmt: skip


def test_cfn_a_is_table_2_1_and_equations_2_1_and_2_3():
    """The whole forward pass of CFN-A written out in functional form."""
    model = small("cfn-a").eval()
    with torch.no_grad():
        for parameter in model.parameters():  # so that no bias is zero and no two fusion weights are equal
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())) * 0.05)
    p = dict(model.named_parameters())
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    h1 = F.max_pool2d(F.relu(F.conv2d(x, p["block1.0.weight"], p["block1.0.bias"], padding=2)), 3, 2, ceil_mode=True)
    h2 = F.avg_pool2d(F.relu(F.conv2d(h1, p["block2.0.weight"], p["block2.0.bias"], padding=2)), 3, 2, ceil_mode=True)
    h3 = F.relu(F.conv2d(h2, p["block3.0.weight"], p["block3.0.bias"], padding=2))
    assert (h1.shape[-1], h2.shape[-1], h3.shape[-1]) == (16, 8, 8)
    branches = [
        F.relu(F.conv2d(h, p[f"{name}.0.weight"], p[f"{name}.0.bias"])).sum(dim=(2, 3)) / (h.shape[2] * h.shape[3])
        for name, h in (("side1", h1), ("side2", h2), ("top", h3))
    ]
    fused = torch.zeros(4, 24)
    for i in range(24):
        total = p["fusion.bias"][i]
        for j in range(3):
            total = total + p["fusion.weight"][i, j] * branches[j][:, i]
        fused[:, i] = total.clamp(min=0)
    expected = fused @ p["classifiers.0.weight"].T + p["classifiers.0.bias"]
    torch.testing.assert_close(model(x), expected)


def test_average_pooling_at_the_border_divides_by_the_pixels_inside():
    """Caffe's average pooling, rounding up: a constant map stays constant."""
    model = small("cnn-a")
    torch.testing.assert_close(model.pool2(torch.ones(1, 1, 16, 16)), torch.ones(1, 1, 8, 8))


def test_fusions_meet_where_they_must():
    stack = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(3))
    local, shared = LocalFusion(3, 7, 1.0), SharedFusion(3, 1.0)
    torch.testing.assert_close(local(stack), SumFusion()(stack))
    torch.testing.assert_close(shared(stack), SumFusion()(stack))
    with torch.no_grad():
        shared.weight.copy_(torch.tensor([[0.2, -0.5, 3.0]]))
        local.weight.copy_(shared.weight.expand(7, 3))
    torch.testing.assert_close(local(stack), shared(stack))


def test_local_fusion_gradient():
    fusion = LocalFusion(3, 4, 0.333).double()
    stack = torch.randn(2, 3, 4, dtype=torch.double, requires_grad=True, generator=torch.Generator().manual_seed(4))
    assert torch.autograd.gradcheck(lambda s, w, b: torch.func.functional_call(fusion, {"weight": w, "bias": b}, s),
                                    (stack, fusion.weight.detach().requires_grad_(), fusion.bias.detach().requires_grad_()))  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("classes", [10, 100])
def test_every_parameter_learns_and_starts_as_said(name, classes):
    model = small(name, classes)
    for key, parameter in model.named_parameters():
        if key == "fusion.weight":
            assert (parameter == 0.333).all()
        elif key.endswith("bias"):
            assert (parameter == 0).all()
        elif parameter.numel() > 400:
            assert 0.08 < parameter.std() < 0.12
    scores = model(torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(5)))
    assert scores.shape == (6, classes)
    F.cross_entropy(scores, torch.arange(6) % classes).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, key


def test_side_branches_leave_before_or_after_the_dropout():
    """With everything dropped, branches that leave before the dropout still see the image."""
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(6))
    for after in (True, False):
        model = small("cfn-a", side_after_dropout=after, dropout=0.999999).train()
        torch.manual_seed(0)
        side1 = model.branch_maps(image)[0]
        assert bool(side1.abs().sum() > 0) is not after


def test_late_fusion_fuses_predictions():
    model = small("cfn-b-eplf").eval()
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        features = [maps.mean(dim=(2, 3)) for maps in model.branch_maps(x)]
        predictions = [classifier(feature) for classifier, feature in zip(model.classifiers, features, strict=True)]
        torch.testing.assert_close(model(x), 0.333 * sum(predictions))


def test_fusion_weights_by_hand():
    model = small("cfn-a")
    with torch.no_grad():
        model.fusion.weight[:, 2] = torch.cat([torch.full((12,), 1.0), torch.full((12,), 3.0)])
    weights = fusion_weights(model.fusion)
    assert weights["fusion_weight_1"] == pytest.approx(0.333, abs=1e-6) and weights["fusion_weight_1_sd"] < 1e-6
    assert weights["fusion_weight_3"] == pytest.approx(2) and weights["fusion_weight_3_sd"] == pytest.approx(1)
    assert fusion_weights(small("cnn-sum-a").fusion) == fusion_weights(small("cnn-a").fusion) == {}


def test_the_variants_are_the_networks_of_table_2_2():
    """Plain, three fusions of features (Figure 2.5) and one of predictions (Figure 2.4a), on both bases, each unlike all others."""
    kinds = {(variant.base, variant.fusion, variant.late) for variant in VARIANTS.values()}
    fusions = (("none", False), ("sum", False), ("conv", False), ("local", False), ("local", True))
    assert kinds >= {(base, *fusion) for base in ("a", "b") for fusion in fusions}
    assert len({dataclasses.astuple(variant) for variant in VARIANTS.values()}) == len(VARIANTS)
    assert [type(small(name).fusion) for name in ("cnn-a", "cnn-sum-b", "cnn-conv-a", "cfn-b")] == [
        type(None),
        SumFusion,
        SharedFusion,
        LocalFusion,
    ]
