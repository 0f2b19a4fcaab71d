"""Measures of classification: values by hand, scikit-learn as a twin, what chance comes to, ties."""

import warnings

import numpy as np
import pytest
from sklearn import metrics as twin

from stages.metrics import labels
from stages.metrics.classification import error_percent


def drawn(examples: int = 300, classes: int = 7, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Scores, of so many levels, and labels that have something to do with them."""
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(examples, classes)).astype(np.float32)
    right = scores + 1.5 * rng.normal(size=scores.shape) > 1
    return (scores if levels is None else np.round(scores * levels / 4)), right


def test_accuracy_by_hand() -> None:
    scores = np.array([[1, 3, 2], [5, 5, 0], [0, 0, 1], [9, 0, 0]], np.float32)
    classes = np.array([1, 0, 1, 2])
    assert labels.accuracy_percent(scores, classes) == 50  # the tie goes to the first
    assert labels.accuracy_percent(scores, classes) == 100 - error_percent(scores, classes)


def test_average_precision_by_hand() -> None:
    """The example of scikit-learn's own documentation, .83; with ties; of a class without an example."""
    scores = np.array([[0.1, 1, 0], [0.4, 1, 0], [0.35, 0, 0], [0.8, 0, 0]])
    right = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]], bool)
    found = labels.average_precisions(scores, right)
    assert found[0] == pytest.approx((1 / 1 + 2 / 3) / 2)  # 4th, then 3rd in order: precisions 1 and 2 of 3
    assert found[1] == pytest.approx((1 / 2 + 2 / 4) / 2)  # two tied, one right; then all four
    assert np.isnan(found[2])
    assert labels.mean_average_precision(scores, right) == pytest.approx(100 * (5 / 6 + 1 / 2) / 2)


@pytest.mark.parametrize("levels", [None, 9, 2])
def test_average_precision_is_scikit_learns(levels: int | None) -> None:
    scores, right = drawn(levels=levels)
    np.testing.assert_allclose(labels.average_precisions(scores, right), twin.average_precision_score(right, scores, average=None))


@pytest.mark.parametrize("levels", [None, 9])
def test_average_precision_by_its_definition(levels: int | None) -> None:
    """Brute force: the mean, over right examples, of the share of right ones among those that score no less."""
    scores, right = drawn(60, 3, levels)
    for column, own, value in zip(scores.T, right.T, labels.average_precisions(scores, right), strict=True):
        assert value == pytest.approx(np.mean([own[column >= score].mean() for score in column[own]]))


def test_chance() -> None:
    """A constant scorer's average precision is the share of the class; of random scores it is that in the mean, the accuracy 1 in C."""
    rng = np.random.default_rng(0)
    _, right = drawn(5000, 4)
    np.testing.assert_allclose(labels.average_precisions(np.zeros(right.shape), right), right.mean(axis=0))
    random = rng.normal(size=right.shape)
    np.testing.assert_allclose(labels.average_precisions(random, right), right.mean(axis=0), atol=0.03)
    assert labels.accuracy_percent(random, rng.integers(4, size=5000)) == pytest.approx(25, abs=2)


def test_probabilities() -> None:
    logits = np.array([[0, np.log(3)], [1000, -1000]], np.float32)
    np.testing.assert_allclose(labels.probabilities(logits, single=True), [[0.25, 0.75], [1, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(labels.probabilities(logits, single=False), [[0.5, 0.75], [1, 0]])
    assert labels.probabilities(np.zeros((1, 1), np.float32), single=False) == 0.5  # exactly, which is not above .5
    large = labels.probabilities(np.array([[20, 21]], np.float32), single=False)
    assert large[0, 0] < large[0, 1] < 1  # in float32 both are 1


def test_mean_by_image() -> None:
    values = np.array([[1, 0], [3, 2], [7, 7]], np.float32)
    np.testing.assert_array_equal(labels.mean_by_image(values, np.array([1, 1, 0]), 2), [[7, 7], [2, 1]])


def test_decisions() -> None:
    right = np.array([[1, 1, 0], [0, 1, 0]], bool)
    chosen = np.array([[1, 0, 1], [0, 0, 0]], bool)
    assert labels.decisions(right, chosen) == {"label_precision": 50, "label_recall": pytest.approx(100 / 3)}
    assert labels.decisions(right, np.zeros_like(right)) == {"label_recall": 0}  # of no labels no share is right
    scores, right = drawn()
    expected = [100 * score(right, scores > 0, average="micro") for score in (twin.precision_score, twin.recall_score)]
    assert list(labels.decisions(right, scores > 0).values()) == pytest.approx(expected)


def test_confusion() -> None:
    chosen, classes = np.array([0, 2, 2, 1]), np.array([0, 0, 2, 2])
    np.testing.assert_array_equal(labels.confusion(chosen, classes, 4), twin.confusion_matrix(classes, chosen, labels=range(4)))
    assert labels.confusion(chosen, classes, 4)[0].tolist() == [1, 0, 1, 0]
