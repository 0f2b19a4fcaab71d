"""Thin-plate splines: outlines, shape contexts and matches against plain twins, the spline against scipy's, clothes put on."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from stages.ch8_swapgan import tps, warp
from stages.ch8_swapgan.viton_settings import Baselines
from stages.ch8_swapgan.warp import LOWER, UPPER
from stages.core.errors import UserError

SETTINGS = Baselines(contour_points=24, position=1.0)


def shirt(top: int = 6, left: int = 8, sleeve: int = 5, side: int = 32) -> NDArray[np.bool_]:
    mask = np.zeros((side, side), bool)
    mask[top : top + 14, left : left + 9] = True
    mask[top + 1 : top + 5, left - sleeve : left + 9 + sleeve] = True
    return mask


def picture(seed: int, side: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def parts(upper: NDArray[np.bool_] | None = None, lower: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    made = np.zeros((32, 32), np.uint8)
    for segment, mask in ((LOWER, lower), (UPPER, upper)):
        if mask is not None:
            made[mask] = segment
    return made


# ---------------------------------------------------------------------------------------------------------------- outlines


def test_an_outline_goes_between_pixels_at_equal_distances() -> None:
    """Of 3 x 2 pixels: straight sides of 2 and 1, and four corners cut by a half."""
    mask = np.zeros((8, 8), bool)
    mask[2:4, 3:6] = True
    points = tps.contour(mask, 400)
    corner = math.sqrt(0.5)
    steps = np.sqrt(np.square(np.diff(points, axis=0, append=points[:1])).sum(1))
    assert steps.sum() == pytest.approx(6 + 4 * corner, abs=0.02)
    assert steps.max() == pytest.approx((6 + 4 * corner) / 400) and steps.min() > 0.7 * steps.max()  # less where it turns
    np.testing.assert_allclose([points.min(0), points.max(0)], [(2.5, 1.5), (5.5, 3.5)])


def test_a_mask_on_the_border_has_an_outline_and_the_longest_is_taken() -> None:
    mask = np.zeros((10, 10), bool)
    mask[:, 0:4] = True
    mask[4, 8] = True
    points = tps.contour(mask, 20)
    np.testing.assert_allclose([points.min(0), points.max(0)], [(-0.5, -0.5), (3.5, 9.5)], atol=0.6)


def test_an_empty_mask_has_none() -> None:
    with pytest.raises(UserError, match="a mask of clothes is empty"):
        tps.contour(np.zeros((8, 8), bool), 10)


# ------------------------------------------------------------------------------------------------- shape contexts and matches


def contexts_by_angles(points: NDArray) -> NDArray:
    n = len(points)
    mean = np.mean([math.dist(a, b) for a, b in itertools.permutations(points, 2)])
    made = np.zeros((n, 60))
    for i, j in itertools.permutations(range(n), 2):
        (x, y), far = points[j] - points[i], math.dist(points[i], points[j]) / mean
        ring = max(0, math.ceil(math.log(far / 0.125, 16) * 5) - 1) if far < 2 else None
        if ring is not None:
            made[i, 12 * ring + int(math.atan2(y, x) % (2 * math.pi) / (math.pi / 6))] += 1 / (n - 1)
    return made


def test_shape_contexts_count_by_rings_and_sectors() -> None:
    points = np.random.default_rng(0).normal(0, 5, (25, 2))
    points[0] = 60.0  # beyond the last ring of most
    made = tps.shape_contexts(points)
    np.testing.assert_allclose(made, contexts_by_angles(points), atol=1e-12)
    assert made.sum(1).min() < 0.9 < made.sum(1).max() <= 1 + 1e-12


def test_they_do_not_see_where_or_how_large_an_outline_is() -> None:
    points = tps.contour(shirt(), 30)
    np.testing.assert_allclose(tps.shape_contexts(points * 4 + [64, -8]), tps.shape_contexts(points))
    assert np.abs(tps.shape_contexts(points * [1, 2]) - tps.shape_contexts(points)).max() > 0.02


def test_the_match_of_least_cost_by_all_permutations() -> None:
    rng = np.random.default_rng(1)
    points, others = rng.normal(0, 4, (6, 2)), rng.normal(0, 4, (6, 2))
    one, other = tps.shape_contexts(points), tps.shape_contexts(others)
    here, there = ((of - of.min(0)) / np.ptp(of, axis=0) for of in (points, others))
    for position in (0.0, 1.5):
        cost = np.zeros((6, 6))
        for i, j in itertools.product(range(6), repeat=2):
            shapes = [(a - b) ** 2 / (a + b) for a, b in zip(one[i], other[j], strict=True) if a + b]
            cost[i, j] = sum(shapes) / 2 + position * np.square(here[i] - there[j]).sum()
        least = min(cost[range(6), order].sum() for order in itertools.permutations(range(6)))
        matched = tps.match(points, others, position)
        assert sorted(matched) == list(range(6)) and cost[range(6), matched].sum() == pytest.approx(least)


def test_an_outline_matches_itself_moved_and_enlarged() -> None:
    points = tps.contour(shirt(), 30)
    shuffled = np.random.default_rng(2).permutation(30)
    np.testing.assert_array_equal(shuffled[tps.match(points, points[shuffled] * 2 + 9, 0.0)], np.arange(30))


def test_matches_that_cross_are_left_out() -> None:
    turned = (np.arange(12) + 5) % 12
    assert sorted(tps.in_order(turned)) == list(range(12))
    crossed = turned.copy()
    crossed[[2, 7]] = crossed[[7, 2]]
    assert sorted(tps.in_order(crossed)) == [i for i in range(12) if i not in (2, 7)]


def test_the_most_that_are_in_order_by_all_subsets() -> None:
    rng = np.random.default_rng(4)

    def round_in_order(values: NDArray) -> bool:
        falls = sum(a > b for a, b in zip(values, np.roll(values, -1), strict=True))
        return falls <= 1

    for _ in range(20):
        matched = rng.permutation(7)
        kept = tps.in_order(matched)
        assert round_in_order(matched[np.sort(kept)])
        larger = itertools.combinations(range(7), len(kept) + 1)
        assert not any(round_in_order(matched[list(subset)]) for subset in larger)


# --------------------------------------------------------------------------------------------------------------- the spline


def control(n: int = 20) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(5)
    start = rng.uniform(0, 64, (n, 2))
    return start, start + rng.normal(0, 3, (n, 2))


def test_control_points_are_met_and_scipy_agrees() -> None:
    start, end = control()
    spline = tps.spline(start, end)
    assert np.abs(spline(start) - end).max() < 1e-5
    at = warp.pixels(64, 64)
    np.testing.assert_allclose(spline(at), RBFInterpolator(start, end, kernel="thin_plate_spline")(at), atol=1e-4)


def test_control_points_of_outlines_that_differ_are_met() -> None:
    """Close ones, whose matches are noisy: more than single precision would bear."""
    here, there = tps.contour(shirt(), 40), tps.contour(shirt(4, 11, 1), 40)
    there = there[tps.match(here, there, 0.0)]
    assert np.abs(tps.spline(here, there)(here) - there).max() < 1e-5


def test_equal_points_change_nothing_and_an_affine_map_is_itself() -> None:
    start, _ = control()
    at = warp.pixels(64, 64)
    np.testing.assert_allclose(tps.spline(start, start)(at), at, atol=1e-6)
    turn = np.array([(0.8, 0.3), (-0.2, 1.1)])
    np.testing.assert_allclose(tps.spline(start, start @ turn + 3)(at), at @ turn + 3, atol=1e-5)


def test_what_says_nothing_of_a_plane_is_refused() -> None:
    start, end = control(5)
    with pytest.raises(UserError, match="has 2 control points, and needs 3"):
        tps.spline(start[:2], end[:2])
    with pytest.raises(UserError, match="the 5 control points of a thin-plate spline lie on a line"):
        tps.spline(np.outer(np.arange(5.0), [1.0, 2.0]) + 7, end)
    with pytest.raises(UserError, match="no solution: two of them are all but the same point"):
        tps.spline(start[[0, 0, 1, 2, 3]], end)


# ------------------------------------------------------------------------------------------------------------------ clothes


def test_a_photo_in_its_own_clothes_stays() -> None:
    worn = parts(shirt(), shirt(19, 8, 0)[:, :] & (np.arange(32) > 19)[:, None])
    made, matched = tps.swap(picture(0), worn, picture(0), worn, SETTINGS)
    np.testing.assert_array_equal(made, picture(0))
    assert matched


def test_clothes_move_with_their_outline() -> None:
    condition, reference = shirt(), shirt(10, 11)  # moved by 3 and 4
    made, matched = tps.swap(picture(0), parts(reference), picture(1), parts(condition), SETTINGS)
    np.testing.assert_array_equal(made[reference], picture(1)[condition])
    np.testing.assert_array_equal(made[~reference], picture(0)[~reference])
    assert matched


def test_each_garment_goes_to_its_own_and_what_is_not_covered_stays() -> None:
    """Long sleeves on short ones; only lower clothes where the condition has no others."""
    bottom = np.zeros((32, 32), bool)
    bottom[21:30, 9:16] = True
    plain = np.zeros((32, 32, 3), np.uint8)
    plain[shirt()], plain[bottom] = (200, 0, 0), (0, 0, 200)
    made, _ = tps.swap(np.full((32, 32, 3), 90, np.uint8), parts(shirt(sleeve=1), bottom), plain, parts(shirt(), bottom), SETTINGS)
    assert (made[bottom] == (0, 0, 200)).all()
    assert (made[shirt(sleeve=1)][:, 0] > 150).mean() > 0.9
    assert (made[26:, 20:] == 90).all()
    lower_only, matched = tps.swap(picture(0), parts(shirt(), bottom), picture(1), parts(None, bottom), SETTINGS)
    np.testing.assert_array_equal(lower_only[shirt()], picture(0)[shirt()])
    assert matched and (lower_only != picture(0)).any()


def test_clothes_that_cannot_be_matched_are_put_on_unbent() -> None:
    made, matched = tps.swap(picture(0), parts(), picture(1), parts(shirt()), SETTINGS)
    assert not matched
    np.testing.assert_array_equal(made, np.where(shirt()[..., None], picture(1), picture(0)))


def test_without_clothes_the_reference_stays() -> None:
    made, matched = tps.swap(picture(0), parts(shirt()), picture(1), parts(), SETTINGS)
    np.testing.assert_array_equal(made, picture(0))
    assert matched


def test_bent_clothes_stay_in_the_hull_of_where_they_go() -> None:
    target, source = shirt(8, 12, 1), shirt(2, 8, 7)
    _, there, matched = tps.put(picture(0), target, picture(1), source, SETTINGS)
    rows, columns = np.nonzero(there)
    assert matched and there[target].mean() > 0.8
    assert rows.min() >= 8 and rows.max() < 22 and columns.min() >= 11 and columns.max() < 22
