"""The matcher of edge pixels against a dense assignment solver, and thinning against scikit-image's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment

from stages.metrics import correspondence


def dense_assignment(predicted: np.ndarray, truth: np.ndarray, radius: float, outlier_cost: int) -> tuple[float, int]:
    """Least cost, and number of matches, with a dummy for every pixel on both sides: every arc written down."""
    a, b = np.argwhere(predicted), np.argwhere(truth)
    distance = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).reshape(len(a), len(b))
    never = 1e9
    cost = np.full((len(a) + len(b),) * 2, never)
    cost[: len(a), : len(b)] = np.where(distance <= radius, np.rint(100 * distance), never)
    cost[np.arange(len(a)), len(b) + np.arange(len(a))] = outlier_cost / 2
    cost[len(a) + np.arange(len(b)), np.arange(len(b))] = outlier_cost / 2
    cost[len(a) :, len(b) :] = 0
    rows, columns = linear_sum_assignment(cost)
    return cost[rows, columns].sum(), int(((rows < len(a)) & (columns < len(b))).sum())


def match(maps: np.ndarray, truth: np.ndarray, radius: float, outlier_cost: int, salt: int = 0) -> tuple[np.ndarray, np.ndarray]:
    matched = np.zeros_like(maps)
    return correspondence.match_series(maps, truth, radius, outlier_cost, salt, matched), matched


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 1.5, 2.3, 4.337]), st.sampled_from([300, 700, 43373]))
def test_matches_are_the_optimum(seed: int, radius: float, outlier_cost: int) -> None:
    """Also where the outlier cost is so low that it pays to leave pixels unmatched."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 13, 2)
    truth = rng.random((height, width)) < rng.random() * 0.7
    maps = rng.random((6, height, width)) < rng.random((6, 1, 1)) * 0.7
    counts, matched = match(maps, truth, radius, outlier_cost)
    for map_, count, pixels in zip(maps, counts, matched, strict=True):
        cost, number = dense_assignment(map_, truth, radius, outlier_cost)
        assert pixels.sum() == count and not (pixels & ~map_).any()
        if outlier_cost > 1000:
            assert count == number
        # Were all other predicted pixels not there, the least cost would be the same, plus that of leaving them unmatched.
        alone, _ = dense_assignment(pixels, truth, radius, outlier_cost)
        assert alone + (map_.sum() - count) * outlier_cost / 2 == cost
        # Nor does it matter which maps came before.
        assert np.array_equal(match(map_[None], truth, radius, outlier_cost)[1][0], pixels)


def test_matches_are_the_optimum_on_long_lines() -> None:
    """Chains of many pixels that must all move, which small maps do not have."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        truth = np.zeros((12, 150), bool)
        truth[5, : rng.integers(100, 150)] = True
        truth[rng.integers(0, 12, 20), rng.integers(0, 150, 20)] = True
        maps = np.stack([np.roll(truth, shift, axis=(0, 1)) | (rng.random(truth.shape) < 0.02) for shift in ((0, 3), (1, -2), (4, 0))])
        counts, matched = match(maps, truth, 4.337, 43373)
        for map_, count, pixels in zip(maps, counts, matched, strict=True):
            cost, number = dense_assignment(map_, truth, 4.337, 43373)
            alone, _ = dense_assignment(pixels, truth, 4.337, 43373)
            assert count == number
            assert alone + (map_.sum() - count) * 43373 / 2 == cost


def test_the_nearer_of_two_predictions_is_matched() -> None:
    truth, maps = np.zeros((9, 9), bool), np.zeros((1, 9, 9), bool)
    truth[4, 4] = maps[0, 4, 2] = maps[0, 5, 4] = True
    counts, matched = match(maps, truth, 3, 30000)
    assert counts.tolist() == [1]
    assert np.argwhere(matched[0]).tolist() == [[5, 4]]


def test_the_radius_is_inclusive_and_round() -> None:
    truth, maps = np.zeros((11, 11), bool), np.zeros((1, 11, 11), bool)
    truth[5, 5] = maps[0, 5, 8] = True
    assert match(maps, truth, 3, 30000)[0] == [1]
    assert match(maps, truth, 2.99, 30000)[0] == [0]
    maps[:] = False
    maps[0, 7, 8] = True  # 3.61 away, within a square of 3
    assert match(maps, truth, 3, 30000)[0] == [0]


def test_thinning_is_scikit_images() -> None:
    from skimage.morphology import thin

    rng = np.random.default_rng(0)
    for smooth in 30 * [0, 0.5, 1, 2, 4]:
        values = rng.random(rng.integers(1, 60, 2))
        mask = gaussian_filter(values, smooth) > rng.uniform(0.3, 0.7)
        assert np.array_equal(correspondence.thin(mask), thin(mask))
