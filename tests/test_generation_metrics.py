"""How much generated pictures differ: by hand, and what it must be blind to."""

import numpy as np
import pytest

from stages.metrics.generation import gap, spread


def test_by_hand():
    images = np.zeros((4, 1, 2, 3), np.uint8)
    images[:, 0, 0, 0] = [10, 20, 10, 20]  # deviation 5
    images[:, 0, 1, 2] = [0, 0, 0, 200]  # mean 50, squares 3 x 2500 and 22500: deviation sqrt(7500)
    assert spread(images) == pytest.approx((5 + 7500**0.5) / 6)


def test_a_collapsed_generator_has_none_and_numpy_has_all_at_once():
    images = np.random.default_rng(0).integers(0, 256, (9, 5, 7, 3)).astype(np.uint8)
    assert spread(images) == pytest.approx(images.std(axis=0).mean())
    assert spread(np.repeat(images[:1], 9, axis=0)) == 0
    assert spread(images[:1]) == 0  # of one picture nothing is known
    assert spread(255 - images[::-1]) == pytest.approx(spread(images))  # neither order nor which is bright
    assert spread(images // 2 * 2 // 2) < spread(images)


def test_no_pictures():
    with pytest.raises(ValueError, match="there are no pictures"):
        spread(np.zeros((0, 4, 4, 3), np.uint8))


def test_the_gap_of_two_sets_by_hand():
    first, second = np.zeros((2, 1, 1, 3), np.uint8), np.zeros((4, 1, 1, 3), np.uint8)
    first[:, 0, 0, 0] = [100, 200]  # mean 150, of the others 105
    second[:, 0, 0, 0] = [90, 110, 100, 120]
    assert gap(first, second) == gap(second[::-1], first) == pytest.approx(45 / 3 / 127.5)
    assert gap(np.full_like(first, 255), np.zeros_like(second)) == 2
    assert gap(first, first[::-1]) == 0
