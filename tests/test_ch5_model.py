"""RRF-Net: the thesis's counts of parameters, the block by hand on tiny numbers, gradients wherever a variant has parameters."""

import dataclasses

import composed
import pytest
import torch
from torch import nn

from stages.ch5_rrf.model import ConvFusion, RecurrentBlock, SumFusion, build, count_parameters
from stages.ch5_rrf.training_settings import Variant

torch.set_num_threads(1)
CHAPTER = composed.section("ch5_rrf", {}, "paper")
VARIANTS = {name: variant for block in CHAPTER.variants.values() for name, variant in block.items()}
SMALL = dataclasses.replace(CHAPTER.network, widths=(6, 4, 4, 3), dropout=0.0, norm_momentum=0.1)
NORM = 1e-5  # epsilon of a batch norm


def variant(steps="plain", fusion="none") -> Variant:
    return Variant("bi-rank", "images", steps, fusion)


@pytest.mark.parametrize(
    ("name", "images", "total", "image"),
    [
        ("baseline", 2048, 19_657_440, 5_777_920),
        ("baseline-bidirectional", 2048, 19_657_440, 5_777_920),
        ("rrf-1", 2048, 19_659_498, 5_778_949),
        ("rrf-2", 2048, 19_661_548, 5_779_974),
        ("rrf-3", 2048, 19_663_598, 5_780_999),
        ("rrf-4", 2048, 19_665_648, 5_782_024),
        ("rrf-3-unfused", 2048, 19_663_584, 5_780_992),
        ("rrf-3-sum", 2048, 19_663_584, 5_780_992),
        ("rrf-3-vgg19", 4096, 23_861_998, 9_979_399),
    ],
)
def test_counts_of_parameters_at_the_thesiss_sizes(name: str, images: int, total: int, image: int) -> None:
    with torch.device("meta"):
        model = build(VARIANTS[name], images, 6000, CHAPTER.network, "normal", None)
    counts = count_parameters(model)
    assert (counts["parameters"], counts["parameters_image"]) == (total, image)
    assert counts["parameters_text"] == total - image
    added = {2048: total - 19_657_440, 4096: 6_158}  # the thesis's few extra parameters, .03 %
    assert counts["parameters_added"] == added[images]
    # T+1 weights and a bias (Eq. 5.6), and the batch norm's scale and shift, of each branch
    fused = {"rrf-1": 2, "rrf-2": 3, "rrf-3": 4, "rrf-4": 5, "rrf-3-vgg19": 4}
    assert counts["parameters_fusion"] == (2 * (fused[name] + 1 + 2) if name in fused else 0)


def identity_block(steps: int, fusion: nn.Module | None, weights: list[list[float]]) -> RecurrentBlock:
    """A block whose FC3 has these weights and no bias, in evaluation mode: its batch norms leave all as it is, but for their epsilon."""
    block = RecurrentBlock(len(weights), steps, fusion).eval()
    with torch.no_grad():
        block.fc.weight.copy_(torch.tensor(weights))
        block.fc.bias.zero_()
    return block


def test_the_block_by_hand() -> None:
    """x = (1, 2), w = ((1, -1), (0, .5)): h(x) = relu(-1, 1) + x = (1, 3), then relu(-2, 1.5) + (1, 3) = (1, 4.5)."""
    block = identity_block(1, None, [[1, -1], [0, 0.5]])
    first, second = block.side_outputs(torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(first, torch.tensor([[1.0, 3.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(second, torch.tensor([[1.0, 4.5]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(block(torch.tensor([[1.0, 2.0]])), second)


def test_without_recurrence_the_block_is_one_layer_and_an_identity() -> None:
    block = identity_block(0, None, [[1, -1], [0, 0.5]])
    torch.testing.assert_close(block(torch.tensor([[1.0, 2.0]])), torch.tensor([[1.0, 3.0]]), atol=1e-4, rtol=0)


def test_sum_fusion_by_hand() -> None:
    block = identity_block(1, SumFusion(), [[1, -1], [0, 0.5]])
    torch.testing.assert_close(block(torch.tensor([[1.0, 2.0]])), torch.tensor([[2.0, 7.5]]), atol=1e-4, rtol=0)


def test_convolutional_fusion_is_torchs_convolution() -> None:
    fusion = ConvFusion(4, norm=False)
    stack = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fusion(stack), fusion.conv(stack)[:, 0])


def test_fusion_has_one_mean_and_variance_for_all_its_values() -> None:
    """Weights 1 and 2, bias .5: of ((1, 3), (0, 1)) and ((1, 1), (0, 0)) 1.5, 5.5 and 1.5, 1.5, of mean 2.5 and variance 3."""
    fusion = ConvFusion(2, norm=True).train()
    with torch.no_grad():
        fusion.conv.weight.copy_(torch.tensor([[[1.0], [2.0]]]))
        fusion.conv.bias.fill_(0.5)
    found = fusion(torch.tensor([[[1.0, 3.0], [0.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]]]))
    scale = (3 + NORM) ** 0.5
    torch.testing.assert_close(found, torch.tensor([[0.0, 3.0 / scale], [0.0, 0.0]]))
    assert fusion.norm.running_mean.shape == (1,)


def test_applications_share_weights_and_not_batch_norms() -> None:
    model = build(variant(3, "conv"), 5, 7, SMALL, "he", torch.Generator().manual_seed(0))
    block = model.images.block
    assert len(block.norms) == 4 and len({id(norm) for norm in block.norms}) == 4
    calls = []
    block.fc.register_forward_hook(lambda *_: calls.append(1))
    model(torch.randn(8, 5), torch.randn(8, 7))
    assert len(calls) == 4  # T+1
    means = torch.stack([norm.running_mean for norm in block.norms])
    assert len(means.unique(dim=0)) == 4  # each has seen another input


@pytest.mark.parametrize(
    ("steps", "fusion"), [("plain", "none"), (0, "none"), (1, "conv"), (3, "none"), (3, "sum"), (3, "conv"), (4, "conv")]
)
def test_every_parameter_gets_a_gradient(steps: int | str, fusion: str) -> None:
    torch.manual_seed(0)
    model = build(variant(steps, fusion), 9, 8, dataclasses.replace(SMALL, widths=(32, 16, 16, 8)), "he", torch.Generator().manual_seed(1))
    images, texts = model(torch.randn(40, 9), torch.randn(40, 8))
    assert images.shape == texts.shape == (40, 8)
    (images.pow(3).sum() + (images * texts).pow(2).sum() + texts.pow(3).sum()).backward()
    # The bias of a layer before a batch norm moves nothing but what the norm takes away: its gradient is rounding, and not tested.
    for name, parameter in model.named_parameters():
        idle = name.endswith(("fc.bias", "conv.bias")) and ".fc1." not in name
        assert parameter.grad is not None, name
        assert idle or parameter.grad.abs().max() > 1e-4, name


def test_modalities_share_nothing() -> None:
    model = build(variant(2, "conv"), 5, 7, SMALL, "he", torch.Generator().manual_seed(0))
    model(torch.randn(8, 5), torch.randn(8, 7))[0].pow(3).sum().backward()
    assert all(parameter.grad is None for parameter in model.texts.parameters())


def test_initial_weights() -> None:
    wide = dataclasses.replace(SMALL, widths=(300, 4, 4, 4))
    for start, expected in (("normal", 0.05), ("he", (2 / 400) ** 0.5)):
        model = build(variant(1, "conv"), 400, 400, wide, start, torch.Generator().manual_seed(0))
        weight = model.images.first.fc1.fc.weight
        assert weight.std().item() == pytest.approx(expected, rel=0.02)
        assert not model.images.first.fc1.fc.bias.any()
    again = build(variant(1, "conv"), 400, 400, dataclasses.replace(wide, fusion_start="mean"), "he", torch.Generator().manual_seed(0))
    assert torch.equal(again.images.first.fc1.fc.weight, weight)  # drawn from the generator alone
    assert again.images.block.fusion.conv.weight.flatten().tolist() == [0.5, 0.5]
    assert len(set(model.images.block.fusion.conv.weight.flatten().tolist()) | {0.5}) == 3


def test_batch_norms_remember_as_much_as_asked() -> None:
    model = build(variant(1, "conv"), 5, 7, dataclasses.replace(SMALL, norm_momentum=0.25), "he", torch.Generator())
    assert {module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm1d)} == {0.25}
