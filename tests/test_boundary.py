"""The boundary benchmark: counts and scores against hand-worked numbers."""

import json
import math

import numpy as np
import pytest

from stages.metrics.boundary import evaluate, even_thresholds, summarize

RADIUS = 0.0075 * math.hypot(300, 400)  # 3.75 pixels


def blank() -> np.ndarray:
    return np.zeros((300, 400))


def line(column: int, value: float = 1.0) -> np.ndarray:
    """A vertical line."""
    values = blank()
    values[50:250, column] = value
    return values


# Counts


def scores_at_half(prediction: np.ndarray, *truths: np.ndarray, **options: float) -> list[int]:
    return evaluate(prediction, np.stack(truths) > 0, np.array([0.5]), **options)[0].tolist()


def test_identical_maps_score_one() -> None:
    truth = line(100) + line(300)
    counts = evaluate(truth, truth[None] > 0, even_thresholds(99))
    assert counts.tolist() == 99 * [[400, 400, 400, 400]]
    found = summarize(even_thresholds(99), counts[None])
    assert (found["ods"]["f"], found["ods"]["recall"], found["ods"]["precision"], found["ois"]["f"]) == (1, 1, 1, 1)


def test_shifts_within_and_beyond_the_tolerance() -> None:
    assert scores_at_half(line(100), line(103)) == [200, 200, 200, 200]
    assert scores_at_half(line(100), line(104)) == [0, 200, 0, 200]
    assert scores_at_half(line(100), line(104), max_dist=0.011) == [200, 200, 200, 200]


def test_two_predictions_for_one_true_pixel() -> None:
    prediction, truth = blank(), blank()
    truth[10, 10] = prediction[10, 8] = prediction[10, 12] = 1
    assert scores_at_half(prediction, truth) == [1, 1, 1, 2]


def test_recall_is_summed_and_precision_united_over_annotators() -> None:
    prediction = line(100) + line(200) + line(300)
    assert scores_at_half(prediction, line(100), line(101) + line(200), line(399)) == [600, 800, 400, 600]


def test_a_thick_line_is_thinned_unless_told_otherwise() -> None:
    thick = line(99) + line(100) + line(101)
    _, _, count_p, sum_p = scores_at_half(thick, line(100))
    assert 198 <= count_p == sum_p <= 200
    assert scores_at_half(thick, line(100), thin=False) == [200, 200, 200, 600]


def test_thresholds_are_inclusive_and_every_row_is_that_of_its_own_threshold() -> None:
    levels = [13, 51, 51 + 102, 254]  # 51 / 255 is the threshold 0.2, 153 / 255 is 0.6
    prediction = sum(line(column, level / 255) for column, level in zip((50, 150, 250, 350), levels, strict=True))
    thresholds = even_thresholds(99)
    counts = evaluate(prediction, line(150)[None] > 0, thresholds)
    for row, threshold in zip(counts, thresholds, strict=True):
        hundredths = round(100 * threshold)
        assert row[3] == 200 * sum(100 * level >= 255 * hundredths for level in levels)
        assert row[[0, 2]].tolist() == 2 * [200 if hundredths <= 20 else 0]
        assert row.tolist() == evaluate(prediction, line(150)[None] > 0, np.array([threshold]))[0].tolist()


def test_thresholds_are_matlabs() -> None:
    # Where NumPy's linspace, which divides before it multiplies, gives the same digits; at 20 it does not (and 170 / 255 decides).
    for number in (1, 2, 3, 5, 9, 33):
        assert np.array_equal(even_thresholds(number), np.linspace(1 / (number + 1), 1 - 1 / (number + 1), number))
    assert even_thresholds(20)[13] < 170 / 255 < np.linspace(1 / 21, 1 - 1 / 21, 20)[13]
    assert even_thresholds(5).tolist() == [1 / 6, 0.33333333333333337, 0.5, 2 / 3, 0.8333333333333334]
    # 85 of 255 is 2/6, and stays below it, as in the original; 170 of 255 is 4/6, and does not.
    prediction = line(50, 85 / 255) + line(150, 170 / 255)
    assert evaluate(prediction, line(150)[None] > 0, even_thresholds(5))[:, 3].tolist() == [400, 200, 200, 200, 0]


@pytest.mark.parametrize("number", [99, 33])
@pytest.mark.parametrize("largest", [255, 65535])
def test_the_last_digit_of_a_threshold_decides_of_no_value_of_a_map(number: int, largest: int) -> None:
    whole = np.arange(largest + 1)
    for place, threshold in enumerate(even_thresholds(number), 1):
        assert np.array_equal(whole / largest >= threshold, whole * (number + 1) >= place * largest)


def test_thresholds_are_called_by_their_fractions() -> None:
    found = summarize(even_thresholds(99), np.ones((1, 99, 4), np.int64))
    assert [point["threshold"] for point in found["curve"]] == [hundredths / 100 for hundredths in range(1, 100)]


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_constant_map_scores_zero(value: float) -> None:
    counts = evaluate(np.full((300, 400), value), line(100)[None] > 0, even_thresholds(9))
    assert counts.tolist() == 9 * [[0, 200, 0, 0]]
    found = summarize(even_thresholds(9), counts[None])
    assert (found["ods"]["f"], found["ois"]["f"], found["ap"], found["r50"]) == (0, 0, 0, 0)
    assert "NaN" not in json.dumps(found)


def test_predictions_below_every_threshold_score_zero() -> None:
    assert evaluate(line(100, 0.05), line(100)[None] > 0, even_thresholds(9)).tolist() == 9 * [[0, 200, 0, 0]]


# Scores


def test_scores_by_hand() -> None:
    thresholds = np.array([0.25, 0.5, 0.75])
    counts = np.array([[[8, 10, 8, 16], [6, 10, 6, 8], [2, 10, 2, 2]], [[9, 10, 8, 24], [4, 10, 4, 12], [2, 10, 2, 2]]])
    found = summarize(thresholds, counts)
    recall, precision = [17 / 20, 10 / 20, 4 / 20], [16 / 40, 10 / 20, 4 / 4]
    assert [point["recall"] for point in found["curve"]] == recall
    assert [point["precision"] for point in found["curve"]] == precision
    assert [point["threshold"] for point in found["curve"]] == [0.25, 0.5, 0.75]
    assert [point["f"] for point in found["curve"]] == pytest.approx([2 * 17 * 16 / (17 * 40 + 16 * 20), 0.5, 1 / 3])
    # ODS: every point of the line from one threshold to the next, in 99 steps.
    points = []
    for a, b in ((0, 1), (1, 2)):
        for step in range(100):
            t = step / 99
            r, p = (v[a] + t * (v[b] - v[a]) for v in (recall, precision))
            points.append((2 * r * p / (r + p), thresholds[a] + t * 0.25, r, p))
    f, threshold, r, p = max(points)
    assert found["ods"] == pytest.approx({"f": f, "threshold": threshold, "recall": r, "precision": p})
    assert f > 0.5441  # better than at any of the three thresholds
    # OIS: the first image is best at its second threshold (2/3, against .62 and 1/3), the other at its first (.47, against .36 and 1/3).
    assert found["ois"] == pytest.approx({"recall": 15 / 20, "precision": 14 / 32, "f": 2 * 0.75 * 0.4375 / 1.1875})
    # AP: precision falls linearly from 1 at recall .2 to .5 at .5, and to .4 at .85; elsewhere 0. Recall .50 is one of them, once.
    falling = sum(1 - 0.5 * k / 30 for k in range(31)) + sum(0.5 - 0.1 * k / 35 for k in range(1, 36))
    assert found["ap"] == pytest.approx(falling / 100)
    assert found["r50"] == pytest.approx(0.5)
    assert found["images"] == 2


def test_recall_at_half_precision_lies_between_thresholds_or_at_the_ends() -> None:
    def r50(*rows: list[int]) -> float:
        return summarize(even_thresholds(len(rows)), np.array([rows]))["r50"]

    assert r50([8, 10, 4, 10], [4, 10, 6, 10]) == pytest.approx(0.6)
    assert r50([8, 10, 7, 10], [4, 10, 9, 10]) == pytest.approx(0.8)  # never as low as .5: at the lowest precision
    assert r50([8, 10, 1, 10], [4, 10, 2, 10]) == 0  # never as high
    assert r50([8, 10, 5, 10]) == pytest.approx(0.8)


def test_one_threshold_and_repeated_recalls() -> None:
    found = summarize(np.array([0.5]), np.array([[[5, 10, 5, 10]]]))
    assert found["ods"] == {"threshold": 0.5, "recall": 0.5, "precision": 0.5, "f": 0.5}
    assert found["ap"] == 0  # a point has no area
    # Of thresholds with the same recall the lowest counts.
    found = summarize(even_thresholds(3), np.array([[[10, 10, 5, 10], [10, 10, 9, 10], [0, 10, 1, 1]]]))
    assert found["ap"] == pytest.approx(sum(1 - 0.5 * k / 100 for k in range(101)) / 100)
