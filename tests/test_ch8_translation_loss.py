"""Eq. 8.1 to 8.11 by hand: generators y = w x + c on images of one pixel."""

import pytest
import torch
from torch import Tensor, nn

from stages.ch8_translation import loss
from stages.ch8_translation.loss import Passed, Weights
from stages.ch8_translation.model import Chain, Translator

ALL = {"cycle": True, "inner": True, "identity": True}


class Affine(nn.Module):
    """y = w x + c."""

    def __init__(self, w: float | Tensor, c: float | Tensor):
        super().__init__()
        self.w, self.c = w, c

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x + self.c


def pixels(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1, 1)


A, B = pixels(1), pixels(-2)
# G: 1 -> 3 -> 0, which H takes to 0 and -1; inner: G^1's 3 by H^2 to 2. H: -2 -> -6 -> -7, which G takes to -13 and 16; inner: -6 to 9.
G, H = ((2.0, 1.0), (-1.0, 3.0)), ((3.0, 0.0), (1.0, -1.0))


def translator(forward=G, backward=H) -> Translator:
    return Translator(Chain(Affine(*one) for one in forward), None if backward is None else Chain(Affine(*one) for one in backward))


def values(images: list[Tensor]) -> list[float]:
    return [image.item() for image in images]


def test_chains_are_eq_8_4_and_8_5_and_cycles_eq_8_7_and_8_8() -> None:
    of_a, of_b = translator().passes(A, B, **ALL)
    assert (values(of_a.steps), values(of_b.steps)) == ([3, 0], [-6, -7])
    assert (of_a.outer.item(), of_b.outer.item()) == (-1, 16)
    assert (values(of_a.inner), values(of_b.inner)) == ([2], [9])
    assert values(of_a.identity) == [6, -2] and values(of_b.identity) == [2, 1]  # G(b), b and H(a), a


def test_an_inner_cycle_of_m_goes_back_by_the_last_m_of_three() -> None:
    # Digits are appended: which generators an image went through can be read.
    forward, backward = [(10.0, float(n)) for n in (1, 2, 3)], [(10.0, float(n)) for n in (4, 5, 6)]
    of_a, of_b = translator(forward, backward).passes(pixels(0), pixels(0), **ALL)
    assert values(of_a.inner) == [16, 1256] and of_a.outer.item() == 123456
    assert values(of_b.inner) == [43, 4523] and of_b.outer.item() == 456123


def test_chains_of_unequal_lengths_have_outer_cycles_by_all_generators() -> None:
    of_a, of_b = translator(G, H[:1]).passes(A, B, cycle=True, inner=False, identity=False)
    assert of_a.outer.item() == 0 and of_b.outer.item() == -(2 * -6 + 1) + 3
    assert not of_a.inner and of_a.identity is None


def test_one_direction_has_no_way_back() -> None:
    (of_a,) = translator(G, None).passes(A, B, cycle=False, inner=False, identity=False)
    assert values(of_a.steps) == [3, 0] and of_a.outer is None


@pytest.mark.parametrize(("weights", "inner", "expected"), [
    (Weights(cycle=10), False, 0.8125 + 10 * 20),  # Eq. 8.6
    (Weights(cycle=10), True, 0.8125 + 10 * (20 + 12)),  # Eq. 8.10
    (Weights(cycle=10, similarity=1), True, 0.8125 + 320 + 9),  # with Eq. 8.11
    (Weights(cycle=10, similarity=0.5, identity=5), True, 0.8125 + 320 + 4.5 + 5 * 9),
    (Weights(cycle=0), False, 0.8125),  # a GAN
    (Weights(cycle=0, similarity=2), True, 0.8125 + 18),
])  # fmt: skip
def test_the_objective_by_hand(weights: Weights, inner: bool, expected: float) -> None:
    asked = {"cycle": bool(weights.cycle), "inner": inner, "identity": bool(weights.identity)}
    passed = translator().passes(A, B, **asked)
    scores = pixels(0.25), pixels(0.5)  # (.25 - 1)^2 + (.5 - 1)^2 = .5625 + .25
    losses = loss.generator_losses(passed, scores, weights)
    assert losses["total"].item() == pytest.approx(expected, rel=1e-12)
    by_hand = {"adversarial": 0.8125, "cycle": 20, "inner": 12, "similarity": 9, "identity": 9}
    there = ["adversarial"] + ["cycle"] * bool(weights.cycle) + ["inner"] * (inner and bool(weights.cycle))
    there += [name for name in ("similarity", "identity") if getattr(weights, name)]
    assert {name: value.item() for name, value in losses.items() if name != "total"} == {name: by_hand[name] for name in there}


def test_vanilla_is_eq_8_2_and_8_3() -> None:
    # G(a) = 3, back by H: 9, 8 from 1; H(b) = -6, back by G: -11, 9 from -2.
    passed = translator(G[:1], H[:1]).passes(A, B, cycle=True, inner=True, identity=False)
    losses = loss.generator_losses(passed, [pixels(1), pixels(3)], Weights(cycle=10))
    assert {name: value.item() for name, value in losses.items()} == {"adversarial": 4, "cycle": 17, "total": 174}


def test_l1_is_a_mean_over_images_channels_and_pixels_and_scores_are_means_over_patches() -> None:
    images, again = torch.zeros(2, 3, 2, 2), torch.arange(24.0).reshape(2, 3, 2, 2)
    passed = [Passed(images, [images], outer=again)]
    assert loss.cycle(passed).item() == 11.5
    assert loss.adversarial([torch.tensor([[0.3, -1.2, 2.0]])]).item() == pytest.approx(2.11)


def test_the_discriminator_minimises_eq_8_1() -> None:
    scores = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
    assert loss.discriminator_loss(scores, scores).item() == pytest.approx(2.11 + 1.8433333333, rel=1e-9)
    # D(x) = u x on b = 2 and G(a) = 3: d/du of (2u - 1)^2 + (3u)^2 at u = .5 is 4 (2u - 1) + 18 u = 9.
    u = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    loss.discriminator_loss(u * pixels(2), u * pixels(3)).backward()
    assert u.grad.item() == 9


def test_gradients_of_vanilla_by_hand() -> None:
    # G(x) = w x + c of a = 1 with D_B(x) = x / 2, H(x) = 3 x, lambda = 10, w = 2, c = 1:
    # (G/2 - 1)^2 + 10 |3 G - 1| + 10 |G(H(b)) - b| with G = w + c.
    w, c = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (2.0, 1.0))
    passed = translator([(w, c)], H[:1]).passes(A, B, cycle=True, inner=False, identity=False)
    loss.generator_losses(passed, [passed[0].steps[-1] / 2, pixels(1)], Weights(cycle=10))["total"].backward()
    # d(G/2 - 1)^2 = (G/2 - 1) dG = .5 dG; 10 * 3 dG; G(H(b)) - b = -6 w + c + 2 = -9: 10 (6 dw - dc).
    assert (w.grad.item(), c.grad.item()) == (0.5 + 30 + 60, 0.5 + 30 - 10)


@pytest.mark.parametrize("inner", [False, True])
def test_gradients_are_those_of_differences(inner: bool) -> None:
    def total(*parameters: Tensor) -> Tensor:
        pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
        passed = translator(pairs[:2], pairs[2:]).passes(A, B, cycle=True, inner=inner, identity=True)
        scores = [0.5 * passed[0].steps[-1] + 0.25, passed[1].steps[-1] + 7.5]
        return loss.generator_losses(passed, scores, Weights(cycle=10, similarity=1, identity=5))["total"]

    parameters = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for one in (*G, *H) for value in one]
    assert torch.autograd.gradcheck(total, parameters)


def test_nest_of_the_outer_cycles_alone_is_long() -> None:
    scores = pixels(0.25), pixels(0.5)
    nested = translator().passes(A, B, cycle=True, inner=True, identity=False)
    outer = [Passed(one.images, one.steps, one.outer) for one in nested]
    long = translator().passes(A, B, cycle=True, inner=False, identity=False)
    made = [loss.generator_losses(passed, scores, Weights(cycle=10)) for passed in (outer, long)]
    assert made[0] == made[1] and "inner" in loss.generator_losses(nested, scores, Weights(cycle=10))
