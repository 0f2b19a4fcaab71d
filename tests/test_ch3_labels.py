"""Relaxed labels on cases worked out by hand."""

import numpy as np
import pytest

from stages.ch3_edges.labels import canny_responses, ground_truth, map_responses, relaxed, supervision
from stages.core.errors import UserError


def rows(*lines: str) -> np.ndarray:
    return np.array([[mark == "x" for mark in line] for line in lines])


def test_ground_truth_takes_three_of_five():
    marks = np.zeros((5, 1, 5), bool)
    for pixel in range(5):
        marks[: pixel + 1, 0, pixel] = True  # pixel k has k + 1 annotators
    assert ground_truth(marks, annotators=3, dilation=0).tolist() == [[False, False, True, True, True]]
    assert ground_truth(marks, annotators=5, dilation=0).tolist() == [[False] * 4 + [True]]


def test_agreement_is_counted_before_the_dilation():
    marks = np.zeros((3, 1, 5), bool)
    marks[[0, 1, 2], 0, [1, 2, 3]] = True  # three neighbours, one annotator each: dilated first, they would agree on the middle
    assert not ground_truth(marks, annotators=3, dilation=1).any()


def test_dilation_grows_to_all_eight_sides():
    marks = np.zeros((3, 7, 7), bool)
    marks[:, 3, 3] = True
    for pixels in (0, 1, 2):
        grown = np.zeros((7, 7), bool)
        grown[3 - pixels : 4 + pixels, 3 - pixels : 4 + pixels] = True
        assert np.array_equal(ground_truth(marks, dilation=pixels), grown)


@pytest.mark.parametrize("annotators", [0, 4])
def test_more_annotators_than_there_are(annotators):
    with pytest.raises(UserError, match=f"annotators is {annotators}, and 3 marked the image"):
        ground_truth(np.zeros((3, 4, 4), bool), annotators=annotators)


def test_map_responses_by_hand():
    edges = np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]])  # mean .25: thresholds .125, .25, .375, .5, .625
    counts = [4, 3, 2, 0, 0]  # .5 is not above .5
    assert map_responses(edges).sum(axis=(1, 2)).tolist() == counts
    assert np.array_equal(map_responses(edges)[2], rows("...", ".xx"))
    assert np.array_equal(map_responses(edges.astype(np.float32) / 4), map_responses(edges))
    assert not map_responses(np.zeros((3, 3))).any()


def test_canny_finds_a_step_at_every_scale_and_noise_at_the_finest_only():
    image = np.full((96, 96, 3), 60, np.uint8)
    image[:, 48:] = 200
    steps = canny_responses(image)
    assert steps.shape == (5, 96, 96)
    for found in steps:
        assert set(found[20:76].nonzero()[1]) <= {47, 48}
        assert found[20:76].any(axis=1).all()
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    amounts = canny_responses(noise).mean(axis=(1, 2))
    assert (np.diff(amounts) < 0).all()
    assert amounts[0] > 5 * amounts[-1]


def test_canny_thresholds_follow_the_contrast():
    """They are shares of the image's own gradients, so a fainter image has the same edges."""
    image = np.random.default_rng(1).random((40, 40))
    assert np.array_equal(canny_responses(image, sigmas=[2]), canny_responses(image * 0.25, sigmas=[2]))
    assert canny_responses(image, sigmas=[2], high=0.95).sum() < canny_responses(image, sigmas=[2]).sum()


def test_canny_of_a_plain_image_is_empty():
    assert not canny_responses(np.full((40, 50, 3), 128, np.uint8)).any()


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
