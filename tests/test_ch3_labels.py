"""Relaxed labels on cases worked out by hand."""

import numpy as np
import pytest

from stages.ch3_edges.labels import agreed, boundaries, map_responses, relaxed, supervision
from stages.ch3_edges.prepare import dilate, resize_edges
from stages.core.errors import UserError


def rows(*lines: str) -> np.ndarray:
    return np.array([[mark == "x" for mark in line] for line in lines])


def test_ground_truth_takes_three_of_five():
    marks = np.zeros((5, 1, 5), bool)
    for pixel in range(5):
        marks[: pixel + 1, 0, pixel] = True  # pixel k has k + 1 annotators
    assert agreed(marks, annotators=3).tolist() == [[False, False, True, True, True]]
    assert agreed(marks, annotators=5).tolist() == [[False] * 4 + [True]]


def test_dilation_grows_to_all_eight_sides():
    marks = np.zeros((7, 7), bool)
    marks[3, 3] = True
    for pixels in (0, 1, 2):
        grown = np.zeros((7, 7), bool)
        grown[3 - pixels : 4 + pixels, 3 - pixels : 4 + pixels] = True
        assert np.array_equal(dilate(marks, pixels), grown)


@pytest.mark.parametrize("annotators", [0, 4])
def test_more_annotators_than_there_are(annotators):
    with pytest.raises(UserError, match=f"annotators is {annotators}, and 3 marked the image"):
        agreed(np.zeros((3, 4, 4), bool), annotators=annotators)


def test_boundaries_of_a_label_map_by_hand():
    labels = np.array([[7, 7, 4], [7, 7, 4], [2, 2, 4]])
    assert np.array_equal(boundaries(labels), rows(".x.", "xx.", ".x."))
    assert not boundaries(np.full((3, 4), 5)).any()


@pytest.mark.parametrize("size", [(321, 481), (400, 400), (240, 240), (120, 90), (33, 700)])
def test_a_line_survives_resizing_wherever_it_is(size):
    """Every row and every column of an image of BSDS500's size, drawn as a line one pixel wide."""
    for axis, length in enumerate((321, 481)):
        for place in range(length):
            line = np.zeros((321, 481) if place % 40 == 0 else ((321, 8) if axis == 0 else (8, 481)), bool)
            np.moveaxis(line, axis, 0)[place] = True
            wanted = size if line.shape == (321, 481) else ((size[0], 8) if axis == 0 else (8, size[1]))
            found = resize_edges(line, wanted)
            assert found.shape == wanted
            assert found.any(axis=axis).all(), (axis, place)


def test_resized_edges_stay_where_they_were():
    edges = np.zeros((40, 60), bool)
    edges[10:30, 20] = edges[10, 20:50] = True
    assert np.array_equal(resize_edges(edges, (40, 60)), edges)
    for size in ((30, 30), (80, 120), (10, 12)):
        found = np.argwhere(resize_edges(edges, size)) + 0.5
        back = found * [40 / size[0], 60 / size[1]] - 0.5
        distance = np.abs(back[:, None] - np.argwhere(edges)).max(axis=-1).min(axis=1)
        assert distance.max() <= max(1, 40 / size[0], 60 / size[1])


def test_map_responses_by_hand():
    edges = np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]])  # mean .25: thresholds .125, .25, .375, .5, .625
    counts = [4, 3, 2, 0, 0]  # .5 is not above .5
    assert map_responses(edges).sum(axis=(1, 2)).tolist() == counts
    assert np.array_equal(map_responses(edges)[2], rows("...", ".xx"))
    assert np.array_equal(map_responses(edges.astype(np.float32) / 4), map_responses(edges))
    assert not map_responses(np.zeros((3, 3))).any()


def test_relaxed_is_the_response_without_the_truth():
    response, truth = rows("xx.", "x..")[None], rows("x.x", "...")
    assert np.array_equal(relaxed(response, truth)[0], rows(".x.", "x.."))


def test_supervision_has_all_three_labels():
    truth = rows("x..x")
    responses = np.stack([rows("xxx."), rows("xx.."), rows("x..."), rows("...."), rows("xxxx")])
    assert supervision(responses, truth)[:, 0].tolist() == [[1, 2, 2, 1], [1, 2, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 2, 2, 1]]
    assert supervision(responses, truth).dtype == np.uint8


def test_supervision_of_a_subset_relaxes_the_others_everywhere():
    truth, responses = rows("x..x"), np.zeros((5, 1, 4), bool)
    late = supervision(responses, truth, supervise=[4, 5])
    assert (late[:3] == 2).all()
    assert late[3:, 0].tolist() == [[1, 0, 0, 1]] * 2
    assert (supervision(responses, truth, supervise=[]) == 2).all()


def test_supervision_refuses_what_does_not_fit():
    truth, responses = np.zeros((4, 4), bool), np.zeros((5, 4, 4), bool)
    with pytest.raises(UserError, match=r"supervise is \[0, 5\]"):
        supervision(responses, truth, supervise=[0, 5])
    with pytest.raises(UserError, match=r"shape \(4, 4, 4\)"):
        supervision(responses[:4], truth)
    with pytest.raises(UserError, match=r"the ground truth \(4, 5\)"):
        supervision(responses, np.zeros((4, 5), bool))


def test_supervision_of_a_batch_is_that_of_its_images():
    rng = np.random.default_rng(0)
    truth, responses = rng.random((3, 4, 6)) < 0.3, rng.random((3, 5, 4, 6)) < 0.5
    assert np.array_equal(supervision(responses, truth, [2, 4]), [supervision(r, t, [2, 4]) for r, t in zip(responses, truth, strict=True)])
