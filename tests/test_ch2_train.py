"""Training of Section 2.4.1: the solver's rules by hand, the augmentation by brute force, one batch learned by heart."""

import dataclasses

import composed
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages.ch2_fusion import data
from stages.ch2_fusion.model import build
from stages.ch2_fusion.train import error_percent, optimizer_for
from stages.core import loop
from stages.core.seeds import generator, seed_for
from stages.datasets.contrast import contrast_statistics

torch.set_num_threads(1)
CHAPTER = composed.section("ch2_fusion", {}, "real")  # the author's solver, at the thesis's length
VARIANTS, TRAINING = CHAPTER.variants, CHAPTER.training
SMALL = dataclasses.replace(CHAPTER.network, width=0.125, dropout=0.0, conv_std=0.15)


def test_the_solver_is_the_authors():
    values = (TRAINING.iterations, TRAINING.batch_size, TRAINING.learning_rate, TRAINING.learning_rate_steps)
    assert values == (120_000, 100, 0.1, (40_000, 80_000))
    assert (TRAINING.momentum, TRAINING.weight_decay) == (0.9, 1e-4)
    assert (TRAINING.bias_rate, TRAINING.bias_decay, TRAINING.fusion_rate) == (2, 0, 0.1)


def test_two_steps_of_the_solver_by_hand():
    """v <- 0.9 v + (gradient + decay w), w <- w - rate v; biases at twice the rate without decay, the fusion at a tenth."""
    model = build(VARIANTS["cfn-a"], 10, SMALL, torch.Generator().manual_seed(0))
    optimizer = optimizer_for(model, TRAINING)
    chosen = {"block1.0.weight": (1, 1), "block1.0.bias": (2, 0), "fusion.weight": (0.1, 1), "fusion.bias": (0.2, 0)}
    parameters = dict(model.named_parameters())
    expected = {name: parameters[name].detach().clone() for name in chosen}
    velocity = {name: torch.zeros_like(value) for name, value in expected.items()}
    for step in range(2):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.5 + step)
        for name, (rate, decay) in chosen.items():
            velocity[name] = 0.9 * velocity[name] + (0.5 + step) + 1e-4 * decay * expected[name]
            expected[name] = expected[name] - 0.1 * rate * velocity[name]
        optimizer.step()
    for name, value in expected.items():
        torch.testing.assert_close(parameters[name].detach(), value, msg=name)


def test_an_epoch_shows_every_image_once_and_each_epoch_has_its_own_order():
    rows_of = loop.batches(43, 10, ("x", 0), torch.device("cpu"))
    first, second = (torch.cat([rows_of(epoch * 4 + i) for i in range(4)]) for epoch in (0, 1))
    assert len(first.unique()) == len(second.unique()) == 40
    assert not torch.equal(first, second)
    assert not torch.equal(first, torch.cat([loop.batches(43, 10, ("x", 1), torch.device("cpu"))(i) for i in range(4)]))


def test_seeds_depend_on_every_word_and_on_nothing_else():
    assert seed_for("a", 1) == seed_for("a", 1)
    assert len({seed_for("a", 1), seed_for("a", 2), seed_for("b", 1), seed_for("a1"), seed_for("a", "1")}) == 5
    assert 0 <= seed_for("a") < 2**63
    before = torch.get_rng_state()
    generator("a").initial_seed()
    assert torch.equal(before, torch.get_rng_state())


def test_augmentation_is_a_crop_of_the_padded_image_or_its_mirror():
    count = 400
    images = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = data.shifted(images, *data.draw_views(count, torch.Generator().manual_seed(1), images.device))
    padded = F.pad(images, (4, 4, 4, 4))
    shifts, mirrors = [], 0
    for image, result in zip(padded, found, strict=True):
        matches = [
            (dy, dx, mirrored)
            for dy in range(9)
            for dx in range(9)
            for mirrored in (False, True)
            if torch.equal(result, image[:, dy : dy + 32, dx : dx + 32].flip(2) if mirrored else image[:, dy : dy + 32, dx : dx + 32])
        ]
        assert len(matches) == 1
        shifts.append(matches[0][:2])
        mirrors += matches[0][2]
    assert {dy for dy, _ in shifts} == {dx for _, dx in shifts} == set(range(9))
    assert abs(mirrors - count / 2) < 4 * np.sqrt(count) / 2


def test_contrast_normalisation_by_hand():
    image = np.array([0, 0, 10, 30], np.uint8).reshape(1, 1, 2, 2)
    mean, divisor = contrast_statistics(image, 55)
    norm = np.sqrt(100 + 100 + 0 + 400)
    assert mean[0] == 10 and divisor[0] == pytest.approx(norm / 55)
    assert np.linalg.norm((image - mean[0]) / divisor[0]) == pytest.approx(55)


def test_contrast_normalisation_ignores_light_and_contrast():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 80, (1, 3, 32, 32), dtype=np.uint8)
    results = []
    for changed in (image, image * 2 + 50):
        mean, divisor = contrast_statistics(changed, 55)
        results.append((changed - mean[0]) / divisor[0])
    np.testing.assert_allclose(results[0], results[1], atol=1e-4)
    mean, divisor = contrast_statistics(np.full((1, 3, 32, 32), 7, np.uint8), 55)
    assert (mean[0], divisor[0]) == (7, 1)


def test_error_percent_by_hand():
    scores = torch.tensor([[1.0, 2.0], [3.0, 1.0], [0.0, 5.0], [2.0, 2.0]])
    assert error_percent(scores, torch.tensor([1, 1, 1, 0])) == 25.0  # of equal scores the first counts


@pytest.mark.parametrize("name", VARIANTS)
def test_one_batch_is_learned_by_heart(name):
    torch.manual_seed(0)
    images, labels = F.interpolate(torch.randn(10, 3, 4, 4), scale_factor=8), torch.arange(10)
    model = build(VARIANTS[name], 10, SMALL, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    for _ in range(60):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert error_percent(model(images), labels) == 0
