"""Eq. 8.12 and 8.14 to 8.19 by hand: generators y = w (x_1 + ... + x_C) + c on images of one pixel."""

import pytest
import torch
from torch import Tensor, nn

from stages.ch8_swapgan import loss
from stages.ch8_swapgan.loss import Made, Weights
from stages.ch8_swapgan.model import SwapGAN

X_R, X_C, P_R, S_C = 1.0, -2.0, 0.5, 3.0
# G_I(-2, .5) = 2 * -1.5 + 1 = -2; G_II(-2, 3) = -1 * 1 + 3 = 2; G_III: .5 x + 1 of -2 is 0, of 2 is 2.
G_I, G_II, G_III = (2.0, 1.0), (-1.0, 3.0), (0.5, 1.0)
MASKS = 0.25, 1.0  # M_r, M_c: |0 - .25| + |2 - 1| = 1.25
PARTS = {"first": (-2.25 - 1) ** 2, "second": (1.25 - 1) ** 2, "mask": 1.25, "reconstruction": 3.0}


class Affine(nn.Module):
    """y = w x + c of the sum of all channels."""

    def __init__(self, w: float | Tensor, c: float | Tensor):
        super().__init__()
        self.w, self.c = w, c

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x.sum(1, keepdim=True) + self.c


class Judge(nn.Module):
    """D(reference, condition) = u reference + v condition: the order of a pair can be seen."""

    def __init__(self, u: float | Tensor, v: float | Tensor):
        super().__init__()
        self.u, self.v = u, v

    def forward(self, reference: Tensor, condition: Tensor) -> Tensor:
        return self.u * reference + self.v * condition


def pixel(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def made_by(*generators) -> Made:
    parts = [None if one is None else Affine(*one) for one in generators]
    return SwapGAN(*parts)(pixel(X_C), pixel(P_R), pixel(S_C))


def losses_of(made: Made, judge: Judge, weights: Weights) -> loss.Losses:
    again = None if made.returned is None else judge(pixel(X_R), made.returned)
    masks = pixel(MASKS[0]), pixel(MASKS[1])
    return loss.generator_losses(made, (judge(made.swapped, pixel(X_C)), again), pixel(X_R), masks, weights)


def test_generators_follow_each_other_as_eq_8_12_and_8_15_have_it() -> None:
    made = made_by(G_I, G_II, G_III)
    assert [value.item() for value in vars(made).values()] == [-2, 2, 0, 2]
    alone = made_by(G_I, None, G_III)
    assert (alone.swapped.item(), alone.mask_swapped.item(), alone.returned, alone.mask_returned) == (-2, 0, None, None)
    without = made_by(G_I, G_II, None)
    assert (without.returned.item(), without.mask_swapped, without.mask_returned) == (2, None, None)


# D(X_GI, X_c) = 1 * -2 + .125 * -2 = -2.25, D(X_r, X_GII) = 1 + .125 * 2 = 1.25.
@pytest.mark.parametrize(("generators", "weights", "parts"), [
    ((G_I, G_II, G_III), Weights(mask=5), {"first": 1, "second": 1, "mask": 5}),  # Eq. 8.18
    ((G_I, G_II, G_III), Weights(mask=5, reconstruction=10), {"first": 1, "second": 1, "mask": 5, "reconstruction": 10}),
    ((G_I, G_II, None), Weights(mask=5), {"first": 1, "second": 1}),
    ((G_I, None, None), Weights(mask=5), {"first": 1}),
])  # fmt: skip
def test_the_objective_by_hand(generators: tuple, weights: Weights, parts: dict[str, float]) -> None:
    losses = losses_of(made_by(*generators), Judge(1.0, 0.125), weights)
    assert {name: value.item() for name, value in losses.items() if name != "total"} == {name: PARTS[name] for name in parts}
    assert losses["total"].item() == pytest.approx(sum(weight * PARTS[name] for name, weight in parts.items()), rel=1e-12)


def test_without_g_ii_the_masks_loss_is_the_reference_s_alone() -> None:
    losses = losses_of(made_by(G_I, None, G_III), Judge(1.0, 0.125), Weights(mask=5))
    assert losses["mask"].item() == 0.25 and losses["total"].item() == pytest.approx(PARTS["first"] + 5 * 0.25, rel=1e-12)


def test_the_discriminator_minimises_eq_8_19() -> None:
    # 2.11 and 1.8433 of (s - 1)^2 and s^2, means of three scores; both fakes weigh as much as the real pair.
    scores = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
    other = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert loss.discriminator_loss(scores, [scores]).item() == pytest.approx(2.11 + 1.8433333333, rel=1e-9)
    assert loss.discriminator_loss(scores, [scores, other]).item() == pytest.approx(2.11 + 1.8433333333 + 2.5, rel=1e-9)
    # D = u a + v b of a real pair (1, -2) and of fakes (-2, -2) and (1, 2), at u = .75 and v = -.25.
    u, v = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.75, -0.25))
    judge = Judge(u, v)
    loss.discriminator_loss(judge(pixel(1), pixel(-2)), [judge(pixel(-2), pixel(-2)), judge(pixel(1), pixel(2))]).backward()
    # Scores 1.25, -1, .25: 2 (.25) (1, -2) + 2 (-1) (-2, -2) + 2 (.25) (1, 2) = (.5 + 4 + .5, -1 + 4 + 1).
    assert (u.grad.item(), v.grad.item()) == (5, 4)


def test_norms_are_means_over_images_and_pixels() -> None:
    masks, zeros = torch.arange(24.0).reshape(2, 1, 3, 4) / 24, torch.zeros(2, 1, 3, 4)
    made = Made(torch.arange(48.0).reshape(2, 3, 2, 4), zeros, masks, 1 - masks)
    assert loss.mask_consistency(made, zeros, zeros).item() == pytest.approx(1)
    assert loss.mask_consistency(made, masks, zeros).item() == pytest.approx(12.5 / 24)
    losses = loss.generator_losses(made, (zeros, zeros), torch.zeros(2, 3, 2, 4), (zeros, zeros), Weights(5, 1))
    assert losses["reconstruction"].item() == 23.5


def test_gradients_by_hand() -> None:
    """Of D(a, b) = a + b / 8, lambda = 5: (X_GI - 1.25)^2 + (X_GII / 8)^2 + 5 (|X_GI / 2 + 1 - M_r| + |X_GII / 2 + 1 - M_c|)."""
    w, c, w2, c2, w3, c3 = parameters()
    losses_of(made_by((w, c), (w2, c2), (w3, c3)), Judge(1.0, 0.125), Weights(mask=5))["total"].backward()
    # X_GI = -1.5 w + c = -2, X_GII = w2 (X_GI + 3) + c2 = 2: dX_GII = -dX_GI. The signs: 0 - .25 < 0, 2 - 1 > 0.
    by_second = 2 * 0.25 / 8 + 5 * 0.5
    by_first = 2 * -3.25 - 5 * 0.5 - by_second  # through X_GII too
    assert (w.grad.item(), c.grad.item()) == pytest.approx((-1.5 * by_first, by_first), rel=1e-12)
    assert (w2.grad.item(), c2.grad.item()) == pytest.approx((by_second, by_second), rel=1e-12)
    assert (w3.grad.item(), c3.grad.item()) == pytest.approx((5 * (2 + 2), 0), rel=1e-12)


def parameters() -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64, requires_grad=True) for one in (G_I, G_II, G_III) for value in one]


def test_gradients_are_those_of_differences() -> None:
    def total(w: Tensor, c: Tensor, w2: Tensor, c2: Tensor, w3: Tensor, c3: Tensor) -> Tensor:
        made = made_by((w, c), (w2, c2), (w3, c3))
        return losses_of(made, Judge(0.5, 0.25), Weights(mask=5, reconstruction=10))["total"]

    assert torch.autograd.gradcheck(total, parameters())
