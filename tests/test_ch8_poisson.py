"""Poisson blending: what it leaves alone, its maximum principle, a twin by plain iteration; boxes and bytes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.ch8_swapgan import poisson, warp
from stages.ch8_swapgan.warp import LOWER, UPPER
from stages.core.errors import UserError

RANDOM = np.random.default_rng(3)
TARGET, SOURCE = (RANDOM.integers(0, 256, (12, 14, 3)).astype(np.float64) for _ in range(2))
INNER = np.zeros((12, 14), bool)
INNER[3:9, 2:11] = INNER[5, 11:13] = True
BORDER = np.zeros((12, 14), bool)  # a corner, and apart from it a stretch of the lower border
BORDER[:5, :4] = BORDER[10:, 6:12] = True


def relaxed(target: NDArray, source: NDArray, mask: NDArray[np.bool_], rounds: int = 3000) -> NDArray:
    """The same by Gauss-Seidel, pixel after pixel."""
    made = target.copy()
    for _ in range(rounds):
        for y, x in zip(*np.nonzero(mask), strict=True):
            around = [(y + a, x + b) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))]
            around = [one for one in around if 0 <= one[0] < mask.shape[0] and 0 <= one[1] < mask.shape[1]]
            made[y, x] = sum(made[one] + source[y, x] - source[one] for one in around) / len(around)
    return made


@pytest.mark.parametrize("mask", [INNER, BORDER])
def test_it_solves_its_equations(mask: NDArray[np.bool_]) -> None:
    made = poisson.blend(TARGET, SOURCE, mask)
    np.testing.assert_array_equal(made[~mask], TARGET[~mask])
    matrix, right = poisson.equations(TARGET, SOURCE, mask)
    assert np.abs(matrix @ made[mask] - right).max() < 1e-10


def test_it_equals_relaxation() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1:4, 1:4] = mask[4, 2] = True  # to the border
    target, source = TARGET[:5, :6], SOURCE[:5, :6]
    np.testing.assert_allclose(poisson.blend(target, source, mask), relaxed(target, source, mask, 300), atol=1e-9)


def test_one_pixel_by_hand() -> None:
    """Four neighbours of the target, 10, 20, 30, 40, and a source that is 8 above each of its own: 25 + 8."""
    target, source, mask = np.zeros((3, 3, 3)), np.full((3, 3, 3), 50.0), np.zeros((3, 3), bool)
    target[[0, 1, 1, 2], [1, 0, 2, 1]] = [[10], [20], [30], [40]]
    source[1, 1], mask[1, 1] = 58, True
    np.testing.assert_allclose(poisson.blend(target, source, mask)[1, 1], 33)


@pytest.mark.parametrize("mask", [INNER, BORDER])
def test_the_target_blended_into_itself_is_the_target(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_allclose(poisson.blend(TARGET, TARGET, mask), TARGET, atol=1e-9)


@pytest.mark.parametrize("mask", [INNER, BORDER])
def test_a_constant_source_leaves_nothing_beyond_what_is_around(mask: NDArray[np.bool_]) -> None:
    """The maximum principle, of every channel."""
    made, around = poisson.blend(TARGET, np.full_like(TARGET, 77), mask)[mask], TARGET[~mask]
    assert (made.min(0) >= around.min(0) - 1e-9).all() and (made.max(0) <= around.max(0) + 1e-9).all()
    assert np.ptp(made) > 1


def test_what_is_added_to_the_source_changes_nothing() -> None:
    brighter = SOURCE + np.array([5, -60, 1000])
    np.testing.assert_allclose(poisson.blend(TARGET, brighter, INNER), poisson.blend(TARGET, SOURCE, INNER), atol=1e-9)


def test_channels_do_not_mix() -> None:
    other = SOURCE.copy()
    other[..., 1] = 0
    made, before = poisson.blend(TARGET, other, INNER), poisson.blend(TARGET, SOURCE, INNER)
    np.testing.assert_array_equal(made[..., [0, 2]], before[..., [0, 2]])
    assert np.abs(made - before)[..., 1].max() > 1


def test_a_mask_of_everything_is_refused() -> None:
    with pytest.raises(UserError, match="cover the whole picture"):
        poisson.blend(TARGET, SOURCE, np.ones((12, 14), bool))


def picture(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def parts(*boxes: tuple[int, int, int, int, int]) -> NDArray[np.uint8]:
    made = np.zeros((16, 16), np.uint8)
    for segment, top, bottom, left, right in boxes:
        made[top:bottom, left:right] = segment
    return made


def test_without_clothes_the_reference_stays() -> None:
    worn, bare = parts((UPPER, 4, 9, 3, 8)), parts((1, 4, 9, 3, 8), (2, 9, 12, 3, 8), (3, 12, 14, 3, 8))
    np.testing.assert_array_equal(poisson.swap(picture(0), worn, picture(1), bare), picture(0))


def test_a_photo_in_its_own_clothes_stays() -> None:
    worn = parts((UPPER, 0, 9, 3, 8), (LOWER, 9, 16, 4, 8))  # to two borders
    np.testing.assert_array_equal(poisson.swap(picture(0), worn, picture(0), worn), picture(0))


def test_clothes_go_into_the_box_of_the_reference_s() -> None:
    """Half as large a box, and elsewhere: nothing outside it changes."""
    reference, condition = parts((UPPER, 2, 5, 3, 6), (LOWER, 5, 8, 3, 7)), parts((UPPER, 4, 10, 1, 9), (LOWER, 10, 16, 1, 9))
    changed = (poisson.swap(picture(0), reference, picture(1), condition) != picture(0)).any(-1)
    assert changed[2:8, 3:7].mean() > 0.9
    changed[2:8, 3:7] = False
    assert not changed.any()


def test_where_the_reference_has_no_clothes_they_stay_where_they_are() -> None:
    worn = parts((LOWER, 4, 9, 3, 8))
    changed = (poisson.swap(picture(0), parts(), picture(1), worn) != picture(0)).any(-1)
    assert changed[4:9, 3:8].mean() > 0.9 and not changed[worn == 0].any()


def test_boxes_map_edges_to_edges() -> None:
    target, source = np.zeros((16, 16), bool), np.zeros((16, 16), bool)
    target[2:4, 5:9], source[3:11, 1:3] = True, True
    to = warp.boxes(target, source)
    edges = to(np.array([(4.5, 1.5), (8.5, 3.5), (6.5, 2.5)]))
    np.testing.assert_allclose(edges, [(0.5, 2.5), (2.5, 10.5), (1.5, 6.5)])
    same = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(warp.boxes(source, source)(same), same)


def test_halves_become_the_byte_above_whatever_a_solver_missed_them_by() -> None:
    values = np.array([0.5, 0.5 - 1e-9, 0.5 + 1e-9, 127.49, -3, 254.5 - 1e-10, 300])
    assert warp.to_bytes(values).tolist() == [1, 1, 1, 127, 0, 255, 255]


def test_reading_at_pixels_is_reading_pixels() -> None:
    at = warp.pixels(16, 16)
    np.testing.assert_array_equal(warp.read(picture(4), at).reshape(16, 16, 3), picture(4))
    between = warp.read(picture(4), np.array([(2.5, 3.0), (-4.0, 0.0)]))
    np.testing.assert_allclose(between, [picture(4)[3, 2:4].astype(float).mean(0), picture(4)[0, 0]])
    mask = picture(4)[..., 0] > 128
    np.testing.assert_array_equal(warp.read_mask(mask, at).reshape(16, 16), mask)
    assert not warp.read_mask(np.ones((16, 16), bool), np.array([(-1.0, 3.0), (3.0, 16.0)])).any()
