"""Thinning of edge maps, against values worked out by hand and a pixel-by-pixel twin."""

import numpy as np
import pytest

from stages.metrics.nms import orientation, suppress, thin_edges, triangle_blur


def ridge(height: int, width: int, column: float, spread: float = 2.0) -> np.ndarray:
    """A vertical ridge of height 1 at `column`."""
    return np.tile(np.exp(-(((np.arange(width) - column) / spread) ** 2)), (height, 1)).astype(np.float32)


def test_triangle_of_an_impulse_by_hand():
    impulse = np.zeros((7, 7), np.float32)
    impulse[3, 3] = 16
    expected = np.zeros((7, 7))
    expected[2:5, 2:5] = np.outer([1, 2, 1], [1, 2, 1])
    assert triangle_blur(impulse, 1) == pytest.approx(expected)
    wide = triangle_blur(np.pad(impulse, 4), 4)  # taps 1 2 3 4 5 4 3 2 1 over 25
    assert wide[7, 3:12] == pytest.approx(16 * 5 / 25 * np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25)


def test_blur_mirrors_at_the_border_and_keeps_a_constant():
    assert triangle_blur(np.full((2, 6, 9), 0.3, np.float32), 4) == pytest.approx(0.3)
    assert triangle_blur(np.array([[4.0, 0, 0, 0]]), 1)[0].tolist() == [3, 1, 0, 0]


@pytest.mark.parametrize(("turns", "across"), [(0, 0), (1, np.pi / 2)])
def test_orientation_is_across_the_edge(turns, across):
    angle = orientation(np.rot90(ridge(40, 40, 20), turns))[10:30, 10:30]
    assert np.abs(np.sin(angle - across)).max() < 0.05


@pytest.mark.parametrize(("sign", "across"), [(1, 3 * np.pi / 4), (-1, np.pi / 4)])
def test_orientation_of_a_diagonal(sign, across):
    y, x = np.mgrid[:60, :60] - 30.0
    angle = orientation(np.exp(-(((x - sign * y) / 3) ** 2)).astype(np.float32))
    on_edge = np.abs(x - sign * y) < 1
    assert angle[on_edge][20:-20] == pytest.approx(across, abs=0.01)


def test_a_ridge_becomes_one_pixel_wide():
    edges = ridge(30, 40, 18)
    thin = thin_edges(edges)
    assert (thin[5:-5] > 0).sum(axis=1).tolist() == [1] * 20
    assert thin[5:-5, 18] == pytest.approx(triangle_blur(edges, 1)[5:-5, 18])
    assert thin.dtype == np.float32


def test_plateau_stays_with_the_multiplier_and_not_without():
    edges = np.zeros((20, 20), np.float32)
    edges[:, 9], edges[:, 10] = 0.5, 0.504  # within a hundredth of each other
    angle = np.zeros(edges.shape)
    assert (suppress(edges, angle, border=0) > 0).any(axis=0).nonzero()[0].tolist() == [9, 10]
    assert (suppress(edges, angle, border=0, multiplier=1) > 0).any(axis=0).nonzero()[0].tolist() == [10]


def test_border_fades_by_fifths():
    faded = suppress(np.ones((30, 30), np.float32), np.zeros((30, 30)))
    assert faded[15, :6] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert faded[15, ::-1][:6] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert faded[1, 2] == pytest.approx(0.2 * 0.4)


def test_suppression_equals_pixel_by_pixel():
    rng = np.random.default_rng(3)
    edges, angle = rng.random((13, 17)).astype(np.float32), rng.random((13, 17)) * np.pi

    def at(y: float, x: float) -> float:
        y, x = min(max(y, 0), 12), min(max(x, 0), 16)
        y0, x0 = min(int(y), 11), min(int(x), 15)
        dy, dx = y - y0, x - x0
        top = edges[y0, x0] * (1 - dx) + edges[y0, x0 + 1] * dx
        return top * (1 - dy) + (edges[y0 + 1, x0] * (1 - dx) + edges[y0 + 1, x0 + 1] * dx) * dy

    expected = np.zeros_like(edges)
    for y, x in np.ndindex(edges.shape):
        sides = [at(y + d * np.sin(angle[y, x]), x + d * np.cos(angle[y, x])) for d in (-2, -1, 1, 2)]
        if edges[y, x] * 1.01 >= max(sides):
            expected[y, x] = edges[y, x] * min(1, min(y, 12 - y) / 5) * min(1, min(x, 16 - x) / 5)
    assert 0 < (expected > 0).sum() < expected.size / 2
    assert suppress(edges, angle, radius=2) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_constant_map_gives_no_warning_and_nothing_new(value):
    with np.errstate(all="raise"):
        thin = thin_edges(np.full((12, 15), value, np.float32))
    assert np.isfinite(thin).all()
    assert thin.max() <= value + 1e-6
