"""Canny's responses and graded map: hand-made steps, and scikit-image's own detector at single thresholds."""

import numpy as np
import pytest
from skimage.color import rgb2gray
from skimage.feature import canny

from stages.ch3_edges.canny import LEVELS, LOW, responses, strength, thresholds


def test_canny_finds_a_step_at_every_scale_and_noise_at_the_finest_only():
    image = np.full((96, 96, 3), 60, np.uint8)
    image[:, 48:] = 200
    steps = responses(image)
    assert steps.shape == (5, 96, 96)
    for found in steps:
        assert set(found[20:76].nonzero()[1]) <= {47, 48}
        assert found[20:76].any(axis=1).all()
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    amounts = responses(noise).mean(axis=(1, 2))
    assert (np.diff(amounts) < 0).all()
    assert amounts[0] > 5 * amounts[-1]


def test_canny_thresholds_follow_the_contrast():
    """They are shares of the image's own gradients, so a fainter image has the same edges."""
    image = np.random.default_rng(1).random((40, 40))
    assert np.array_equal(responses(image, sigmas=[2]), responses(image * 0.25, sigmas=[2]))
    assert responses(image, sigmas=[2], high=0.95).sum() < responses(image, sigmas=[2]).sum()


def test_canny_of_a_plain_image_is_empty():
    assert not responses(np.full((40, 50, 3), 128, np.uint8)).any()


@pytest.mark.parametrize("sigma", [1, 2.5])
def test_each_level_of_the_graded_map_is_canny_with_that_threshold(sigma):
    image = np.random.default_rng(2).integers(0, 255, (60, 70, 3), dtype=np.uint8)
    image[:, 30:] //= 3
    found = np.rint(LEVELS * strength(image, sigma))
    for level in (1, 5, 20, 40, 60, 90):
        upper = thresholds(sigma)[level - 1]
        expected = canny(rgb2gray(image), sigma, low_threshold=LOW * upper, high_threshold=upper, mode="nearest")
        assert np.array_equal(found >= level, expected)


def test_a_full_step_reaches_the_highest_level():
    image = np.zeros((50, 50, 3), np.uint8)
    image[:, 25:] = 255
    found = strength(image, 2)
    assert found.max() == pytest.approx(1)
    assert set(np.argwhere(found)[:, 1]) <= {24, 25}
    assert strength(image // 5, 2).max() == pytest.approx(np.sqrt(0.2), abs=1 / LEVELS)  # levels are the root of the contrast
    assert not strength(np.full((30, 30, 3), 9, np.uint8), 2).any()
