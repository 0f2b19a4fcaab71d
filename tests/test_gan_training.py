"""Losses, the rate, Adam, the pool and pictures of adversarial networks: by hand, against lists and public code, recorded and resumed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from graph_tape import Tape
from torch import Tensor, nn

from stages.core import loop, optimisers
from stages.core.capture import EAGER, Step
from stages.core.seeds import generator
from stages.gan import loss
from stages.gan.images import to_bytes, to_unit
from stages.gan.optimisers import adam, linear
from stages.gan.pool import ImagePool

torch.set_num_threads(1)


def test_losses_by_hand():
    scores = torch.tensor([0.3, -1.2, 2.0]).view(3, 1, 1, 1)
    assert loss.real(scores).item() == pytest.approx((0.49 + 4.84 + 1) / 3) == pytest.approx(2.11)
    assert loss.fake(scores).item() == pytest.approx((0.09 + 1.44 + 4) / 3) == pytest.approx(1.8433333)
    a, b = torch.tensor([[1.0, -2.0], [0.0, 4.0]]), torch.tensor([[0.0, 2.0], [0.5, 4.0]])
    assert loss.l1(a, b).item() == loss.l1(b, a).item() == 5.5 / 4


def public_multiplier(epoch: int, constant: int, decaying: int) -> float:
    """pytorch-CycleGAN's lambda_rule, with epoch_count 1; its scheduler has stepped `epoch` times when that epoch, from 1, begins."""
    return 1.0 - max(0, epoch + 1 - constant) / float(decaying + 1)


def test_the_rate_is_that_of_the_public_code_epoch_by_epoch():
    multipliers = [linear(epoch - 1, 100, 200) for epoch in range(1, 201)]
    assert multipliers == [public_multiplier(epoch, 100, 100) for epoch in range(1, 201)]
    assert multipliers[98] == 1 and multipliers[99] == pytest.approx(0.990, abs=5e-4) and multipliers[199] == 0
    assert np.diff(multipliers[98:]) == pytest.approx(-1 / 101)


def test_the_rate_of_other_lengths():
    assert [linear(i, 2, 4) for i in range(4)] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert [linear(i, 4, 4) for i in range(4)] == [1] * 4
    assert [linear(i, 0, 3) for i in range(3)] == [0.5, 0.25, 0]


def test_two_steps_of_adam_by_hand():
    """With the decay in the gradient, and the rate that `set_rate` sets."""
    layers = [nn.Linear(1, 1, bias=False).double() for _ in range(2)]
    weights, slopes = [1.0, -2.0], [3.0, 0.5]
    for layer, weight in zip(layers, weights, strict=True):
        nn.init.constant_(layer.weight, weight)
    optimiser = adam(layers, 0.01, (0.5, 0.9), 0.25)
    mean, square = [0.0, 0.0], [0.0, 0.0]
    for step, rate in enumerate((0.01, 0.002), 1):
        optimisers.set_rate(optimiser, rate)
        optimisers.update(sum(slope * layer.weight.sum() for slope, layer in zip(slopes, layers, strict=True)), optimiser)
        for i, slope in enumerate(slopes):
            gradient = slope + 0.25 * weights[i]
            mean[i] = 0.5 * mean[i] + 0.5 * gradient
            square[i] = 0.9 * square[i] + 0.1 * gradient**2
            weights[i] -= rate * mean[i] / (1 - 0.5**step) / ((square[i] / (1 - 0.9**step)) ** 0.5 + 1e-8)
    assert [layer.weight.item() for layer in layers] == pytest.approx(weights, rel=1e-9)


def numbered(iteration: int, batch: int) -> Tensor:
    """Images that are each of one value: their number, from 1."""
    return (iteration * batch + torch.arange(batch) + 1.0).view(-1, 1, 1, 1).expand(batch, 3, 2, 2)


def by_list(images: list[float], kept: list[float], size: int, exchanged: list[bool], drawn: list[int]) -> list[float]:
    """CycleGAN's pool, which `kept` is."""
    handed = []
    for image, exchange, slot in zip(images, exchanged, drawn, strict=True):
        if len(kept) < size:
            kept.append(image)
            handed.append(image)
        elif exchange and size:
            handed.append(kept[slot])
            kept[slot] = image
        else:
            handed.append(image)
    return handed


@pytest.mark.parametrize("size", [0, 1, 3, 50])
@pytest.mark.parametrize("batch", [1, 4])
def test_the_pool_is_a_list(size: int, batch: int):
    pool, kept = ImagePool(size, (3, 2, 2), "pool", 7), []
    for iteration in range(60):
        images = numbered(iteration, batch)
        random = generator("pool", 7, iteration)
        exchanged = (torch.rand(batch, generator=random) < 0.5).tolist()
        drawn = torch.randint(max(size, 1), (batch,), generator=random).tolist()
        handed = pool(images, *pool.plan(iteration, batch))
        assert handed.shape == images.shape
        assert handed[:, 0, 0, 0].tolist() == by_list(images[:, 0, 0, 0].tolist(), kept, size, exchanged, drawn)
        assert pool.images[: len(kept), 2, 1, 1].tolist() == kept


def test_every_second_image_is_exchanged_for_any_of_the_kept():
    pool = ImagePool(5, (3, 1, 1), "pool", 0)
    slots, taken = (torch.cat(parts) for parts in zip(*(pool.plan(iteration, 2) for iteration in range(3, 2000)), strict=True))
    assert taken.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert torch.equal(taken, slots < 5)
    assert (torch.bincount(slots[taken], minlength=5) / taken.sum() - 0.2).abs().max() < 0.03
    other = ImagePool(5, (3, 1, 1), "pool", 1)
    assert any(not torch.equal(pool.plan(i, 2)[0], other.plan(i, 2)[0]) for i in range(3, 20))


def test_what_the_pool_hands_out_has_no_gradient_and_does_not_change_later():
    pool = ImagePool(2, (3, 2, 2), "pool", 0)
    images = numbered(0, 2).clone().requires_grad_()
    handed = pool(images, *pool.plan(0, 2))
    assert not handed.requires_grad and torch.equal(handed, images)
    before = handed.clone()
    for iteration in range(1, 20):
        pool(numbered(iteration, 2), *pool.plan(iteration, 2))
    assert torch.equal(handed, before)


class Adversaries:
    """A generator of one layer and a discriminator that learns from a pool of three."""

    def __init__(self, tape: Tape | None = None):
        torch.manual_seed(3)
        self.makes, self.judges = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 2)
        self.adams = [adam([network], 2**-7, (0.5, 0.999)) for network in (self.makes, self.judges)]
        self.pool = ImagePool(3, (3, 4, 4), "pool", 0)
        self.step = Step(self.batch, self.work, self.adams, torch.device("cpu"), graph=tape)

    def batch(self, iteration: int) -> tuple[Tensor, ...]:
        for one in self.adams:
            optimisers.set_rate(one, 2**-7 if iteration < 5 else 2**-8)
        return torch.randn(2, 3, 4, 4, generator=generator("images", iteration)), *self.pool.plan(iteration, 2)

    def work(self, images: Tensor, slots: Tensor, taken: Tensor) -> dict[str, Tensor]:
        made = self.makes(images)
        fooled = loss.real(self.judges(made))
        optimisers.update(fooled, self.adams[0])
        separated = loss.real(self.judges(images)) + loss.fake(self.judges(self.pool(made, slots, taken)))
        optimisers.update(separated, self.adams[1])
        return {"generator": fooled, "discriminator": separated}

    def weights(self) -> list[Tensor]:
        return [*self.makes.parameters(), *self.judges.parameters(), self.pool.images]


def trained(checkpoint: Path, stop_at: int | None = None, tape: Tape | None = None, without: str = "") -> Adversaries:
    model = Adversaries(tape)

    def step(iteration: int) -> loop.Losses:
        if iteration == stop_at:
            raise KeyboardInterrupt
        return model.step(iteration)

    stateful = {"makes": model.makes, "judges": model.judges, "adam 0": model.adams[0], "adam 1": model.adams[1], "pool": model.pool}
    stateful.pop(without, None)
    loop.train(step, lambda done: {}, stateful, loop.Schedule(10, 2, 4), checkpoint, "toy")
    return model


def test_a_recorded_step_has_a_pool(tmp_path: Path):
    tape = Tape()
    written, replayed = trained(tmp_path / "written.pt"), trained(tmp_path / "replayed.pt", tape=tape)
    assert tape.counts["replay"] == 10 - EAGER and written.pool.images.any()
    assert all(map(torch.equal, written.weights(), replayed.weights()))


@pytest.mark.parametrize("without", ["", "pool"])
def test_a_killed_training_ends_in_the_same_bytes_and_does_not_without_the_pool(tmp_path: Path, without: str):
    whole = trained(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut.pt", stop_at=6, without=without)
    resumed = trained(tmp_path / "cut.pt", without=without)
    assert all(map(torch.equal, whole.weights(), resumed.weights())) == (not without)


def test_pictures_come_back_to_the_byte():
    pictures = torch.arange(256 * 3, dtype=torch.int32).remainder(256).to(torch.uint8).view(2, 8, 16, 3)
    images = to_unit(pictures)
    assert images.shape == (2, 3, 8, 16) and images.dtype == torch.float32
    assert (images.min(), images.max()) == (-1, 1) and images[1, 2, 3, 4] == pictures[1, 3, 4, 2] / 127.5 - 1
    assert torch.equal(to_bytes(images), pictures)


def test_pictures_are_rounded_to_the_nearest_byte_and_cut_at_the_ends():
    values = torch.tensor([-1.2, -1, 1 / 127.5 * 0.49 - 1, 1 / 127.5 * 0.51 - 1, 0.0, 1, 3]).view(1, 1, 1, -1).expand(1, 3, 1, 7)
    assert to_bytes(values)[0, 0, :, 0].tolist() == [0, 0, 0, 1, 128, 255, 255]  # 127.5: to the even one
