"""IoU and accuracies: by hand, against torchmetrics, and what must not change them."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from stages.encoders.vision import import_torchvision
from stages.metrics.segmentation import class_accuracy, confusion_matrix, iou, mean_iou, pixel_accuracy

TRUTH = np.array([[0, 0, 1, 255], [0, 1, 1, 255]], np.uint8)
PREDICTED = np.array([[0, 1, 1, 0], [0, 1, 3, 2]], np.uint8)


def random_maps(seed: int, classes: int, shape: tuple[int, ...] = (3, 20, 30)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, shape)
    predicted = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, classes, shape))
    truth[rng.random(shape) < 0.1] = 255
    return truth.astype(np.uint8), predicted.astype(np.uint8)


def test_by_hand():
    confusion = confusion_matrix(TRUTH, PREDICTED, 5)
    assert confusion.dtype == np.int64
    assert confusion.tolist() == [[2, 1, 0, 0, 0], [0, 2, 0, 1, 0], [0] * 5, [0] * 5, [0] * 5]
    found = iou(confusion)  # class 3 was said and is nowhere; 2 was said where nothing counts; 4 never
    np.testing.assert_allclose(found, [2 / 3, 2 / 4, np.nan, 0, np.nan])
    assert mean_iou(confusion) == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)
    assert pixel_accuracy(confusion) == pytest.approx(4 / 6)
    assert class_accuracy(confusion) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_the_three_measures_of_section_8_1_4_by_hand():
    """Seven pixels of three classes, a fourth that occurs nowhere, and one pixel of no class: absent classes count in no mean."""
    truth = np.array([0, 0, 0, 1, 1, 2, 2, 255])
    confusion = confusion_matrix(truth, np.array([0, 0, 1, 0, 1, 1, 2, 3]), 4)
    found = pixel_accuracy(confusion), class_accuracy(confusion), mean_iou(confusion)
    assert found == pytest.approx((4 / 7, (2 / 3 + 1 / 2 + 1 / 2) / 3, (2 / 4 + 1 / 4 + 1 / 2) / 3))
    assert np.round(found, 3).tolist() == [0.571, 0.556, 0.417]


@pytest.mark.parametrize(("classes", "seed"), [(2, 0), (21, 1), (21, 2), (5, 3)])
def test_torchmetrics_says_the_same(classes, seed):
    import_torchvision()  # which torchmetrics imports, and which may need help
    from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassJaccardIndex

    truth, predicted = random_maps(seed, classes)
    confusion = confusion_matrix(truth, predicted, classes)
    pair = torch.from_numpy(predicted).long(), torch.from_numpy(truth).long()
    options = {"num_classes": classes, "ignore_index": 255}
    assert np.array_equal(confusion, MulticlassConfusionMatrix(**options)(*pair))
    np.testing.assert_allclose(iou(confusion), MulticlassJaccardIndex(average=None, **options)(*pair), rtol=1e-6)
    assert mean_iou(confusion) == pytest.approx(MulticlassJaccardIndex(average="macro", **options)(*pair).item(), rel=1e-6)
    assert pixel_accuracy(confusion) == pytest.approx(MulticlassAccuracy(average="micro", **options)(*pair).item(), rel=1e-6)
    by_class = MulticlassAccuracy(average="macro", **options)(*pair).item()
    assert set(np.unique(truth)) == {*range(classes), 255}  # torchmetrics counts a class that is said and is nowhere as 0
    assert class_accuracy(confusion) == pytest.approx(by_class, rel=1e-6)


def test_scikit_learn_leaves_out_what_is_nowhere_too():
    truth, predicted = random_maps(7, 5)
    truth[truth == 3] = 255
    kept = truth != 255
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = balanced_accuracy_score(truth[kept], predicted[kept])
    assert class_accuracy(confusion_matrix(truth, predicted, 5)) == pytest.approx(expected)


def test_a_brute_force_twin():
    truth, predicted = random_maps(4, 4)
    found = iou(confusion_matrix(truth, predicted, 4))
    for label in range(4):
        is_, said = (truth == label), (predicted == label) & (truth != 255)
        assert found[label] == pytest.approx((is_ & said).sum() / (is_ | said).sum())


def test_what_changes_nothing():
    truth, predicted = random_maps(5, 6)
    whole = confusion_matrix(truth, predicted, 6)
    assert np.array_equal(whole, sum(confusion_matrix(*pair, 6) for pair in zip(truth, predicted, strict=True)))  # images apart
    order = np.random.default_rng(0).permutation(truth.size)
    assert np.array_equal(whole, confusion_matrix(truth.ravel()[order], predicted.ravel()[order], 6))
    other = predicted.copy()
    other[truth == 255] = 5
    assert np.array_equal(whole, confusion_matrix(truth, other, 6))  # what is said where nothing counts
    renamed = np.array([3, 1, 0, 5, 2, 4])
    names = np.append(renamed, np.full(250, 255)).astype(np.uint8)
    np.testing.assert_allclose(iou(confusion_matrix(names[truth], names[predicted], 6))[renamed], iou(whole))
    np.testing.assert_allclose(iou(whole.T), iou(whole))  # of two maps, either may be the truth
    assert mean_iou(7 * whole) == pytest.approx(mean_iou(whole))


def test_the_truth_scores_1_and_nothing_at_all_scores_nan():
    truth, _ = random_maps(6, 4)
    perfect = confusion_matrix(truth, np.where(truth == 255, 0, truth), 4)
    assert (mean_iou(perfect), pixel_accuracy(perfect), class_accuracy(perfect)) == (1, 1, 1)
    empty = confusion_matrix(np.full((2, 2), 255), np.zeros((2, 2), int), 4)
    assert np.isnan([mean_iou(empty), pixel_accuracy(empty), class_accuracy(empty)]).all()


def test_wrong_maps():
    with pytest.raises(ValueError, match=r"truth has the shape \(2, 4\) and predicted \(2, 3\)"):
        confusion_matrix(TRUTH, PREDICTED[:, :3], 5)
    with pytest.raises(ValueError, match="predicted goes from 0 to 3: there are the classes 0 to 2"):
        confusion_matrix(TRUTH, PREDICTED, 3)
    with pytest.raises(ValueError, match="truth goes from 0 to 255"):
        confusion_matrix(TRUTH, PREDICTED, 5, ignore=254)
