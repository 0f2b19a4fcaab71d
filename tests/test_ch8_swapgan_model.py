"""SwapGAN's networks: counts, public layers as a twin, which losses reach which of them, and what is refused."""

import pytest
import torch
from torch import Tensor, nn

from stages.ch8_swapgan import loss
from stages.ch8_swapgan.loss import Weights
from stages.ch8_swapgan.model import PersonGenerator, SwapGAN, build, count_parameters, discriminator
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.seeds import generator

torch.set_num_threads(1)
SMALL = Network(4, 1, 2, 3, "nearest", 3, 1, norm=True, std=0.2)
THESIS = Network(64, 6, 3, 1, "nearest", 8, 3, norm=True, std=0.02)


def draws(name: str) -> torch.Generator:
    return generator("test", name)


def random(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_parameters_at_the_thesis_s_sizes() -> None:
    with torch.device("meta"):
        model = build(Variant(), THESIS, lambda _: torch.Generator())
        judge = discriminator(THESIS, lambda _: torch.Generator())
        wide = PersonGenerator(6, kernel=3)
    counts = [count_parameters(one) for one in (model.first, model.second, model.third, judge, wide)]
    assert counts == [30_144_451, 30_150_723, 54_405_505, 2_767_809, 32_208_835]
    assert sum(counts[:4]) == 117_468_488


@pytest.mark.parametrize(("variant", "there"), [
    (Variant(), {"first", "second", "third"}),
    (Variant(second=False), {"first", "third"}),
    (Variant(third="none"), {"first", "second"}),
    (Variant(second=False, third="none"), {"first"}),
    (Variant(third="like-first"), {"first", "second", "third"}),
    (Variant(upsampling="deconvolution"), {"first", "second", "third"}),
])  # fmt: skip
def test_variants_have_their_generators_and_start_alike(variant: Variant, there: set[str]) -> None:
    model, full = (build(one, SMALL, draws).state_dict() for one in (variant, Variant()))
    assert {name.split(".")[0] for name in model} == there
    shared = [name for name in model if name in full]
    assert all(torch.equal(model[name], full[name]) for name in shared if name.startswith("first")) or variant.upsampling
    if variant.third == "like-first":
        assert not [name for name in shared if name.startswith("third")]
    elif not variant.upsampling:
        assert len(shared) == len(model) and all(torch.equal(model[name], full[name]) for name in shared)


def plain(model: PersonGenerator, image: Tensor) -> Tensor:
    """A generator of two downsamplings and one block of PyTorch's own functions, by its weights."""
    f, weights = nn.functional, list(model.parameters())

    def convolved(maps: Tensor, around: int, mode: str = "reflect", **options: int) -> Tensor:
        return f.conv2d(f.pad(maps, (around,) * 4, mode=mode), weights.pop(0), weights.pop(0), **options)

    def active(maps: Tensor) -> Tensor:
        return f.relu(f.instance_norm(maps))

    outer = active(convolved(image, 3))
    inner = active(convolved(outer, 1, "constant", stride=2))
    maps = active(convolved(inner, 1, "constant", stride=2))
    maps = maps + f.instance_norm(convolved(active(convolved(maps, 1)), 1))
    for beside in (inner, outer):
        wide = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
        maps = active(convolved(torch.cat([wide, beside], 1), model.up[0].layers[1].kernel_size[0] // 2))
    maps = convolved(maps, 0)
    assert not weights
    return maps.tanh()


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_generator_is_its_layers_of_pytorch(kernel: int) -> None:
    model, image = PersonGenerator(6, 4, 1, kernel, 2).double(), random(2, 6, 16, 24).double()
    for parameter in model.parameters():
        parameter.data = random(*parameter.shape).double()
    made = model(image)
    assert made.shape == (2, 3, 16, 24)
    torch.testing.assert_close(made, plain(model, image))


@pytest.mark.parametrize(("kernel", "constant"), [(1, True), (3, False)])
def test_a_kernel_of_1_mixes_no_pixels_of_the_decoder_s_last_maps(kernel: int, constant: bool) -> None:
    """What is no part of the encoder's map beside is constant on cells of 2 x 2."""
    up = PersonGenerator(6, 4, 1, kernel, 2).up[-1]
    made = up.layers[:2](torch.cat([up.enlarge(random(1, 8, 8, 8)), torch.zeros(1, 4, 16, 16)], 1))
    cells = made.unfold(2, 2, 2).unfold(3, 2, 2)
    assert bool((cells == cells[..., :1, :1]).all()) is constant


def parts(variant: Variant, weights: Weights) -> tuple[SwapGAN, nn.Module, loss.Losses]:
    """A step's networks and losses on random pictures, without a step."""
    model, judge = build(variant, SMALL, draws), discriminator(SMALL, draws)
    image, condition, pose = random(3, 6, 3, 16, 16).unbind(0)
    mask = (image[:, :1] > 0).float()
    made = model(condition, pose, (random(6, 5, 16, 16) > 0).float())
    again = None if made.returned is None else judge(torch.cat([image, made.returned], 1))
    scores = judge(torch.cat([made.swapped, condition], 1)), again
    return model, judge, loss.generator_losses(made, scores, image, (mask, 1 - mask), weights)


def reached(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.grad is not None and parameter.grad.any()}


@pytest.mark.parametrize("variant", [Variant(), Variant(third="like-first"), Variant(upsampling="deconvolution")])
def test_every_parameter_of_all_generators_gets_a_gradient(variant: Variant) -> None:
    model, _, losses = parts(variant, Weights(5))
    losses["total"].backward()
    assert reached(model) == {name for name, _ in model.named_parameters()}


def test_which_losses_reach_which_networks() -> None:
    expected = {"first": {"first"}, "second": {"first", "second"}, "mask": {"first", "second", "third"}}
    for name, networks in expected.items():
        model, judge, losses = parts(Variant(), Weights(5))
        losses[name].backward()
        assert {key.split(".")[0] for key in reached(model)} == networks
        assert bool(reached(judge)) is (name != "mask")


@pytest.mark.parametrize(("height", "width"), [(18, 16), (16, 18), (4, 16), (17, 17)])
def test_sides_that_cannot_be_halved_are_one_sentence(height: int, width: int) -> None:
    with pytest.raises(
        UserError, match=rf"{width} x {height} pixels, and a generator halves sides 2 times: multiples of 4 are needed, from 8"
    ):
        PersonGenerator(6, 4, 1, 3, 2)(torch.zeros(1, 6, height, width))
    PersonGenerator(6, 4, 1, 3, 2)(torch.zeros(1, 6, 8, 12))


@pytest.mark.parametrize("depth", [1, 2, 5, 8])
def test_g_iii_may_be_of_any_depth(depth: int) -> None:
    """8 layers down of 128 pixels end at 1, 1: by "same" padding nothing has to be refused."""
    model = build(Variant(second=False), Network(2, 1, 2, 3, "nearest", depth, 1, norm=True, std=0.2), draws)
    mask = model.third(random(2, 3, 32, 32))
    assert mask.shape == (2, 1, 32, 32) and mask.min() >= 0 and mask.max() <= 1
