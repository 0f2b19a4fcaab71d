"""MMC-Net: the thesis's counts of parameters, fusions by hand, which parameters a loss reaches, the state with its hashes."""

import dataclasses
import re
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stages.ch7_mmc.loss import classification, matching
from stages.ch7_mmc.model import Branch, MMCNet, build, count_parameters, restore
from stages.ch7_mmc.training_settings import Network, Training, Variant
from stages.core import runtime
from stages.core.errors import UserError
from stages.core.seeds import generator

torch.set_num_threads(1)
THESIS = Network((2048, 512, 512, 512), 0.5, True, 0.001, False, 0.05, "each", "drawn", 1e-6)
SMALL = dataclasses.replace(THESIS, widths=(32, 16, 16, 16), dropout=0.0, norm_momentum=0.1)
TRAINING = Training(1, 2, "constant", "sum", 0.9, 5e-4, 2, "he")  # a margin that all violate
BOTH = Variant(("matching", "classification"))
MM, MC = Variant(("matching",)), Variant(("classification",))
VISION = Variant(("classification",), sees="vision", head="fc")
DSPE = Variant(("matching",), layers=2, fusion="none")


def small(variant: Variant, network: Network = SMALL, seed: int = 1) -> MMCNet:
    """For images of 9 dimensions, texts of 8, five classes and a D of 33."""
    return build(variant, 9, 8, 5, 33, network, "he", partial(generator, seed))


def batch(count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(count, 9, generator=random), torch.randn(count, 8, generator=random)


@pytest.mark.parametrize(
    ("variant", "images", "classes", "dimension", "bias", "of_matching", "of_head"),
    [
        (BOTH, 2048, 20, 2048, "each", 7_973_470, 40_960),  # Table 7.13: ~8 millions, ~41,000
        (BOTH, 2048, 80, 2048, "each", 7_973_470, 163_840),  # ~164,000
        (BOTH, 2048, 102, 4096, "one", 7_972_448, 417_792),  # ~418,000
        (BOTH, 2048, 200, 4096, "one", 7_972_448, 819_200),  # ~820,000
        (BOTH, 4096, 80, 2048, "one", 12_170_848, 163_840),  # VGG-19
        (MC, 2048, 20, 2048, "each", 7_973_470, 40_960),
        (MM, 2048, 20, 2048, "each", 7_973_470, 0),
        (dataclasses.replace(MM, fusion="sum"), 2048, 20, 2048, "each", 7_972_440, 0),
        (dataclasses.replace(BOTH, head="fc"), 2048, 20, 2048, "each", 7_973_470, 20_480),
        (dataclasses.replace(BOTH, head="bilinear"), 2048, 20, 2048, "each", 7_973_470, 5_242_880),
        (dataclasses.replace(BOTH, dimension=512), 2048, 20, 2048, "each", 7_973_470, 10_240),
        (VISION, 2048, 102, 4096, "each", 5_778_435, 52_224),
        (DSPE, 2048, 80, 2048, "each", 6_917_720, 0),
    ],
)
def test_counts_of_parameters_at_the_thesiss_sizes(variant, images, classes, dimension, bias, of_matching, of_head) -> None:
    network = dataclasses.replace(THESIS, fusion_bias=bias)
    with torch.device("meta"):
        model = build(variant, images, 300, classes, dimension, network, "normal", partial(generator, 0))
    assert count_parameters(model) == {
        "parameters": of_matching + of_head,
        "parameters_matching": of_matching,
        "parameters_classification": of_head,
    }
    assert sum(parameter.numel() for parameter in model.parameters()) == of_matching + of_head


def layers_of(branch: Branch, features: torch.Tensor) -> list[torch.Tensor]:
    """What each layer puts out, FC2 to FC4."""
    outputs: list[torch.Tensor] = []
    hooks = [
        branch.layers.get_submodule(f"fc{number}").register_forward_hook(lambda *passed: outputs.append(passed[2])) for number in (2, 3, 4)
    ]
    branch(features)
    for hook in hooks:
        hook.remove()
    return outputs


@pytest.mark.parametrize("last_relu", [False, True])
def test_fusions_by_hand(last_relu: bool) -> None:
    network = dataclasses.replace(SMALL, last_relu=last_relu)
    for fusion in ("none", "sum", "multiplication", "convolution"):
        branch = small(dataclasses.replace(MM, fusion=fusion), network).eval().images
        images, _ = batch()
        two, three, four = layers_of(branch, images)
        assert min(two.min(), three.min()) == 0  # after their ReLUs
        assert (four.min() >= 0) == last_relu
        if branch.convolution is not None:
            with torch.no_grad():
                branch.convolution.weight.copy_(torch.tensor([[[2.0], [-1.0], [0.5]]]))
                branch.convolution.bias.copy_(torch.arange(16.0))
        expected = {
            "none": four,
            "sum": two + three + four,
            "multiplication": two * three * four,
            "convolution": 2 * two - three + four / 2 + torch.arange(16.0),  # Eq. 7.1
        }
        torch.testing.assert_close(branch(images), expected[fusion])


def test_the_convolution_is_torchs_with_a_bias_of_each_element_or_of_all() -> None:
    for bias, size in (("each", 16), ("one", 1)):
        branch = small(MM, dataclasses.replace(SMALL, fusion_bias=bias)).eval().images
        images, _ = batch()
        assert branch.convolution is not None
        nn.init.normal_(branch.convolution.bias, generator=torch.Generator().manual_seed(0))
        assert branch.convolution.bias.shape == (size,)
        plain = F.conv1d(torch.stack(layers_of(branch, images), dim=1), branch.convolution.weight)[:, 0]
        torch.testing.assert_close(branch(images), plain + branch.convolution.bias)


def test_a_branch_by_layers() -> None:
    """Input norm, FC1 with dropout and no norm, then norms; DSPE's two have the first width and the last."""
    names = dict(small(BOTH, dataclasses.replace(SMALL, dropout=0.5)).images.layers.named_children())
    assert list(names) == ["input_norm", "fc1", "fc2", "fc3", "fc4"]
    parts = {name: [part for part, _ in layer.named_children()] for name, layer in names.items()}
    assert parts["fc1"] == ["fc", "relu", "dropout"]
    assert parts["fc2"] == parts["fc3"] == ["fc", "norm", "relu"] and parts["fc4"] == ["fc", "norm"]
    dspe = small(DSPE, dataclasses.replace(SMALL, dropout=0.5, norm_input=False)).images.layers
    assert {name: [part for part, _ in layer.named_children()] for name, layer in dspe.named_children()} == {
        "fc1": ["fc", "relu", "dropout"],
        "fc2": ["fc", "norm"],
    }
    assert (dspe.get_submodule("fc1.fc").weight.shape, dspe.get_submodule("fc2.fc").weight.shape) == ((32, 9), (16, 32))


# The bias of a layer before a batch norm moves nothing but what the norm takes away: its gradient is rounding, and not tested.
IDLE = tuple(f"fc{number}.fc.bias" for number in (2, 3, 4))


def reached(variant: Variant, losses: tuple[str, ...], frozen: bool = False) -> set[str]:
    """The parameters to which a gradient of these losses goes. frozen : the branches, as in the second stage of training."""
    model, (images, texts) = small(variant), batch()
    with torch.set_grad_enabled(not frozen):
        f, g = model(images, texts)
    loss = torch.zeros(())
    if "matching" in losses:
        loss = loss + matching(f, g, torch.arange(40), TRAINING, 20)
    if "classification" in losses:
        loss = loss + classification(model.classify(f, g), torch.arange(40) % 5, True, "sum")
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient is None or name.endswith(IDLE) or gradient.abs().max() > 1e-5 for name, gradient in gradients.items())
    return {name for name, gradient in gradients.items() if gradient is not None}


@pytest.mark.parametrize(
    "variant",
    [
        MM, MC, BOTH, VISION, DSPE,
        *(dataclasses.replace(BOTH, fusion=fusion) for fusion in ("none", "sum", "multiplication")),
        *(dataclasses.replace(BOTH, head=head) for head in ("fc", "bilinear")),
    ],
)  # fmt: skip
def test_every_parameter_that_a_variant_uses_gets_a_gradient(variant: Variant) -> None:
    model = small(variant)
    everything = {name for name, _ in model.named_parameters()}
    fused = 2 if variant.fusion == "convolution" else 0
    of_branch = 2 + 2 + (variant.layers - 1) * 4 + fused  # input norm, FC1, and layers with a batch norm
    assert len(everything) == of_branch * (1 if variant is VISION else 2) + (model.head is not None)
    assert reached(variant, variant.losses) == everything


def test_parameters_that_a_stages_losses_leave_alone() -> None:
    everything, head = {name for name, _ in small(BOTH).named_parameters()}, {"head.linear.weight"}
    assert reached(BOTH, ("matching",)) == everything - head
    assert reached(BOTH, ("classification",)) == everything
    assert reached(BOTH, ("classification",), frozen=True) == head


def test_modalities_share_nothing_and_vision_alone_sees_no_text() -> None:
    model, (images, texts) = small(BOTH), batch()
    model(images, texts)[0].pow(3).sum().backward()
    assert model.texts is not None
    assert all(parameter.grad is None for parameter in model.texts.parameters())
    alone = small(VISION).eval()
    f, g = alone(images, texts)
    assert alone.texts is None and g is None and alone.classify(f, g).shape == (40, 5)
    torch.testing.assert_close(alone.classify(f, None), f @ alone.head.linear.weight.T)


def test_branches_start_alike_where_their_shapes_agree() -> None:
    start = small(BOTH).state_dict()

    def differ(variant: Variant, texts: int = 8) -> set[str]:
        other = build(variant, 9, texts, 5, 33, SMALL, "he", partial(generator, 1)).state_dict()
        return {name for name, values in other.items() if not (name.startswith("head") or torch.equal(values, start[name]))}

    heads = [dataclasses.replace(BOTH, head=head) for head in ("fc", "bilinear")]
    fusions = [dataclasses.replace(BOTH, fusion=fusion) for fusion in ("none", "sum", "multiplication")]
    for variant in (MM, MC, *heads, *fusions, VISION, DSPE):
        assert not differ(variant), variant
    assert {name.rpartition(".")[0] for name in differ(BOTH, texts=7)} == {"texts.layers.input_norm", "texts.layers.fc1.fc"}
    weights = [values for name, values in start.items() if name.startswith("images.layers.fc") and values.shape == (16, 16)]
    assert len(weights) == 2 and not torch.equal(*weights)  # FC3 and FC4
    assert not torch.equal(small(BOTH, seed=2).state_dict()["head.hashes"], start["head.hashes"])


def test_initial_weights() -> None:
    wide = dataclasses.replace(SMALL, widths=(300, 4, 4, 4))
    for start, expected in (("normal", 0.05), ("he", (2 / 400) ** 0.5)):
        model = build(BOTH, 400, 8, 50, 400, wide, start, partial(generator, 0))
        for weight in (model.images.layers.get_submodule("fc1.fc").weight, model.head.linear.weight):
            assert weight.std().item() == pytest.approx(expected, rel=0.03)
        assert not any(values.any() for name, values in model.named_parameters() if name.endswith("bias"))
    drawn = model.images.convolution.weight.flatten().tolist()
    assert len(set(drawn)) == 3
    again = build(BOTH, 400, 8, 50, 400, dataclasses.replace(wide, fusion_start="mean"), "he", partial(generator, 0))
    assert again.images.convolution.weight.flatten().tolist() == pytest.approx([1 / 3] * 3)
    assert torch.equal(again.head.linear.weight, model.head.linear.weight)  # all else as before


def test_batch_norms_remember_as_much_as_asked() -> None:
    model = small(BOTH, dataclasses.replace(SMALL, norm_momentum=0.25))
    assert {module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm1d)} == {0.25}


@pytest.mark.parametrize("variant", [BOTH, MM, VISION, DSPE, dataclasses.replace(BOTH, dimension=12)])
def test_a_stored_network_is_the_same_when_it_is_loaded(variant: Variant, tmp_path) -> None:
    """Hashes too, and whatever is drawn while it is built again."""
    model, (images, texts) = small(variant).train(), batch()
    model(images + 3, texts)
    runtime.save(model.state_dict(), tmp_path / "model.pt")
    again = restore(runtime.load(tmp_path / "model.pt"), variant, SMALL, "model.pt").eval()
    state = again.state_dict()
    assert all(torch.equal(values, state[name]) for name, values in model.state_dict().items())
    f, g = model.eval()(images, texts)
    assert torch.equal(again(images, texts)[0], f)
    if model.head is not None:
        assert torch.equal(again.classify(f, g), model.classify(f, g))


def test_a_state_without_its_hashes_or_of_another_network_is_refused() -> None:
    state = small(BOTH).state_dict()
    for name in ("head.hashes", "head.signs"):
        with pytest.raises(UserError, match=r"^a/model.pt has no hashes of its compact bilinear pooling, .*: train it again$"):
            restore({key: values for key, values in state.items() if key != name}, BOTH, SMALL, "a/model.pt")
    other = re.escape("a/model.pt is of another network than its settings say (")
    for variant, network in (
        (dataclasses.replace(BOTH, fusion="sum"), SMALL),
        (dataclasses.replace(BOTH, dimension=12), SMALL),
        (MM, SMALL),
        (BOTH, dataclasses.replace(SMALL, widths=(32, 12, 12, 12))),
    ):
        with pytest.raises(UserError, match=other) as refused:
            restore(state, variant, network, "a/model.pt")
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


FIRST, LAST = "images.layers.fc1.fc.weight", "head.linear.weight"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({FIRST: torch.zeros(32)}, rf"of another network than its settings say \({FIRST} has the shape \(32,\)\)"),
        ({FIRST: torch.zeros(32, 0)}, rf"of another network than its settings say \({FIRST} has the shape \(32, 0\)\)"),
        ({FIRST: torch.zeros(32, 9, dtype=torch.int64)}, rf"of another .* \({FIRST} is of torch.int64, not torch.float32\)"),
        ({FIRST: torch.zeros(32, 9, dtype=torch.float64)}, rf"of another .* \({FIRST} is of torch.float64, not torch.float32\)"),
        ({LAST: torch.zeros(5, 0)}, rf"of another .* \({LAST} has the shape \(5, 0\)\)"),
        ({LAST: torch.zeros(0, 33)}, rf"of another .* \({LAST} has the shape \(0, 33\)\)"),
        ({LAST: torch.full((5, 33), torch.nan)}, rf"weights that are not finite \({LAST}\): train it again, at a lower learning rate"),
        ({"texts.layers.fc4.norm.running_var": torch.full((16,), torch.inf)}, r"not finite \(texts.layers.fc4.norm.running_var\)"),
        ({"head.hashes": torch.full((2, 16), 33)}, "hashes that are not 0 to 32, or signs that are not 1 and -1: train it again"),
        ({"head.hashes": torch.full((2, 16), -1)}, "hashes that are not 0 to 32, or signs"),
        ({"head.hashes": torch.zeros(2, 16)}, r"of another .* \(head.hashes is of torch.float32, not torch.int64\)"),
        ({"head.hashes": torch.zeros(2, 15, dtype=torch.int64)}, r"of another .* \(size mismatch for head.hashes"),
        ({"head.signs": torch.zeros(2, 16)}, "hashes that are not 0 to 32, or signs"),
        ({1: torch.zeros(1)}, "holds no weights by their names"),
        ({FIRST: [0.0]}, "holds no weights by their names"),
    ],
)  # fmt: skip
def test_a_state_that_is_damaged_is_one_sentence(changes: dict[Any, Any], says: str) -> None:
    state = small(BOTH).state_dict()
    restore(state, BOTH, SMALL, "model.pt")
    with pytest.raises(UserError, match=says) as refused:
        restore({**state, **changes}, BOTH, SMALL, "a/model.pt")
    assert str(refused.value).startswith("a/model.pt ") and "\n" not in str(refused.value)
