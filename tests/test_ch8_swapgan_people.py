"""Pose maps, segments, heads and how far poses differ (Section 8.2.1): by hand, and by what must not change."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stages.ch8_swapgan import people
from stages.core.errors import UserError
from stages.datasets import lip

SIZE = 32


def pose(seed: int = 0) -> NDArray[np.float64]:
    """18 key points in a picture of 32 pixels."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(2, 30, (18, 2)), np.ones(18)])


def only(*points: int) -> NDArray[np.float64]:
    """A pose that has these key points alone: on a row, 8 pixels apart from 4."""
    made = np.zeros((18, 3))
    for number, point in enumerate(points):
        made[point] = (4 + 8 * number, 10, 0.5)
    return made


def to_line(points: NDArray[np.float64], limb: tuple[int, int]) -> NDArray[np.float64]:
    """The distance of each pixel's centre from a limb, (S, S), by trying a thousand of its points."""
    (a, b), steps = limb, np.linspace(0, 1, 1001)[:, None]
    line = points[a, :2] + steps * (points[b, :2] - points[a, :2])
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.sqrt((x[..., None] - line[:, 0]) ** 2 + (y[..., None] - line[:, 1]) ** 2).min(-1)


def test_a_limb_is_a_line_of_its_colour_between_its_key_points() -> None:
    drawn = people.pose_map(only(people.NECK, 2), SIZE)  # the neck at (4, 10), the right shoulder at (12, 10)
    red = np.zeros((SIZE, SIZE), bool)
    red[9:12, 4:13] = True  # a pixel's centre is at most 1 from the line
    red[10, [3, 13]] = True  # and from its ends
    assert np.array_equal(drawn, red[..., None] * np.array([255, 0, 0], np.uint8))
    assert people.pose_map(only(people.NOSE, people.RIGHT_EYE), SIZE)[10, 8].tolist() == [85, 0, 255]
    assert people.pose_map(only(12, 13), SIZE)[10, 8].tolist() == [0, 85, 255]


def test_lines_are_as_wide_in_pictures_of_any_size() -> None:
    for size, width in ((32, 3), (64, 3), (128, 5), (256, 9)):  # pixels whose centres are within 1, 1, 2, 4
        points = only(people.NECK, 2) * (size / 32, size / 32, 1)
        assert np.count_nonzero(people.pose_map(points, size)[:, size // 4].any(-1)) == width


def test_there_is_a_colour_for_each_of_seventeen_limbs() -> None:
    assert len(people.LIMBS) == len({tuple(colour) for colour in people.COLOURS}) == 17
    assert {point for limb in people.LIMBS for point in limb} == set(range(people.POINTS))


def test_later_limbs_lie_over_earlier_ones() -> None:
    points = only(people.NECK, 2)
    points[3] = (4, 10, 1)  # the right elbow upon the neck: the upper arm lies upon the shoulder
    assert set(map(tuple, people.pose_map(points, SIZE).reshape(-1, 3))) == {(0, 0, 0), (255, 170, 0)}


@pytest.mark.parametrize("moved", range(18))
def test_a_key_point_that_moves_changes_pixels_near_its_limbs_only(moved: int) -> None:
    before = pose(moved)
    after = before.copy()
    after[moved, :2] = 32 - after[moved, :2]
    changed = (people.pose_map(before, SIZE) != people.pose_map(after, SIZE)).any(-1)
    near = np.zeros((SIZE, SIZE), bool)
    for limb in (limb for limb in people.LIMBS if moved in limb):
        near |= (to_line(before, limb) <= 1.01) | (to_line(after, limb) <= 1.01)
    assert changed.any()
    assert not (changed & ~near).any()


@pytest.mark.parametrize("missing", range(18))
def test_a_point_that_is_missing_draws_no_limb(missing: int) -> None:
    points = pose(missing)
    points[missing, 2] = 0
    limbs = [limb for limb in people.LIMBS if missing not in limb]
    near = np.any([to_line(points, limb) <= 1.01 for limb in limbs], axis=0)
    drawn = people.pose_map(points, SIZE).any(-1)
    assert not (drawn & ~near).any()
    surely = np.any([to_line(points, limb) <= 0.9 for limb in limbs], axis=0)
    assert drawn[surely].all()
    assert not people.pose_map(np.zeros((18, 3)), SIZE).any()


def test_every_class_is_of_one_segment() -> None:
    assert sorted(name for own in people._CLASSES.values() for name in own) == sorted(lip.CLASSES[1:])
    # background; hat, hair; glove; sunglasses; upper-clothes, dress, coat; socks; pants; jumpsuits, scarf; skirt; face; arms; legs; shoes
    wanted = [0, 1, 1, 2, 1, 4, 4, 4, 3, 5, 4, 4, 5, 1, 2, 2, 3, 3, 3, 3]
    assert people.regroup(np.arange(20, dtype=np.uint8).reshape(4, 5)).ravel().tolist() == wanted
    assert people.head_map(np.arange(20, dtype=np.uint8)).nonzero()[0].tolist() == [2, 13]


def test_segments_are_a_channel_each_and_the_mask_is_all_of_them() -> None:
    parts = torch.tensor([[[0, 1], [5, 3]]], dtype=torch.uint8)
    hot = people.one_hot(parts)
    assert (hot.shape, hot.dtype) == ((1, 5, 2, 2), torch.float32)
    assert hot[0, :, 0, 0].tolist() == [0, 0, 0, 0, 0]
    assert hot[0, :, 0, 1].tolist() == [1, 0, 0, 0, 0]
    assert hot[0, :, 1, 0].tolist() == [0, 0, 0, 0, 1]
    assert torch.equal(people.mask(parts), hot.sum(1) == 1)
    assert people.mask(parts.numpy()).tolist() == [[[False, True], [True, True]]]


def test_a_head_is_pasted_by_its_bytes_and_nothing_else_is() -> None:
    images, references = np.full((2, 2, 2, 3), 7, np.uint8), np.full((2, 2, 2, 3), 200, np.uint8)
    heads = np.array([[[0, 1], [0, 0]], [[0, 0], [0, 0]]], np.uint8)
    pasted = people.paste_head(images, references, heads)
    assert pasted.dtype == np.uint8
    assert pasted[0].tolist() == [[[7] * 3, [200] * 3], [[7] * 3, [7] * 3]]
    assert np.array_equal(pasted[1], images[1])


def standing() -> NDArray[np.float64]:
    """Neck at (10, 4), hips at (8, 14) and (12, 14), so a torso of 10, and the right wrist at (2, 10)."""
    points = np.zeros((18, 3))
    for point, at in {people.NECK: (10, 4), people.RIGHT_HIP: (8, 14), people.LEFT_HIP: (12, 14), 4: (2, 10)}.items():
        points[point] = (*at, 1)
    return points


def test_a_pose_that_is_moved_and_enlarged_has_no_deformation() -> None:
    points = pose()
    again = points * (3, 3, 0.5) + (5, -7, 0)
    assert people.deformation(points, again) == pytest.approx(0, abs=1e-12)


def test_deformation_is_the_mean_over_common_points_in_torsos() -> None:
    a, b = standing(), standing()
    b[4, :2] = (8, 18)  # the wrist by (6, 8), so one torso of the four points' sum
    assert people.torso(a) == 10
    assert people.deformation(a, b) == pytest.approx(0.25)
    assert people.deformation(b, a) == pytest.approx(0.25)
    b[7] = (30, 30, 1)  # which a has not
    assert people.deformation(a, b) == pytest.approx(0.25)
    b[4, 2] = 0
    assert people.deformation(a, b) == 0


@pytest.mark.parametrize("missing", [people.NECK, people.RIGHT_HIP, people.LEFT_HIP])
def test_a_pose_without_a_torso_is_compared_to_none(missing: int) -> None:
    points = standing()
    points[missing, 2] = 0
    assert people.torso(points) == 0
    with pytest.raises(UserError, match="a pose without a neck and two hips apart from it has no torso"):
        people.deformation(standing(), points)
