"""Measures of classification by one label or several (Section 7.4.1): accuracy, average precision, decisions, confusions.

`stages.metrics.classification` has the errors that Chapter 2 counts. scikit-learn is the tests' twin; what trains goes without it.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def accuracy_percent(scores: NDArray, classes: NDArray[np.int64]) -> float:
    """Share of examples whose highest score is their class's, in percent; of equal scores the first counts.

    scores : (N, C). classes : (N,).
    """
    return 100 * float(np.mean(scores.argmax(axis=1) == classes))


def average_precisions(scores: NDArray, labels: Bools) -> Floats:
    """Of each class the average precision, (C,): not interpolated, as scikit-learn has it; NaN of a class that no example is of.

    The mean, over a class's examples, of the precision among all that score as high or higher: ties count together, so that a
    constant scorer scores the class's share. scores, labels : (N, C).
    """
    return np.array([_average_precision(*column) for column in zip(scores.T, labels.T, strict=True)])


def _average_precision(scores: NDArray, positive: Bools) -> float:
    if not positive.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(positive[order])
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of each run of equal scores
    return float(np.diff(right[last], prepend=0) @ (right[last] / (last + 1))) / int(right[-1])


def mean_average_precision(scores: NDArray, labels: Bools) -> float:
    """The mean over the classes that some example is of, in percent. scores, labels : (N, C), a label at least."""
    return 100 * float(np.nanmean(average_precisions(scores, labels)))


def probabilities(logits: NDArray, single: bool) -> Floats:
    """p of each class (Eq. 7.10 of one label, Eq. 7.12 of several), float64: in float32 those of large logits would tie at 1."""
    logits = logits.astype(np.float64)
    if single:
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)
    return np.exp(-np.logaddexp(0, -logits))  # without overflow


def mean_by_image(values: NDArray, image_of: NDArray[np.int64], images: int) -> Floats:
    """The mean of the rows of each image, (images, C). values : (M, C). image_of : (M,), of which image each row is."""
    sums = np.zeros((images, values.shape[1]))
    np.add.at(sums, image_of, values)
    return sums / np.bincount(image_of, minlength=images)[:, None]


def decisions(labels: Bools, chosen: Bools) -> dict[str, float]:
    """label_precision, the share of chosen labels that are right, and label_recall, that of right labels that are chosen, in percent.

    Over all examples and classes at once (micro); one of nothing is left out. labels, chosen : (N, C).
    """
    right = np.count_nonzero(labels & chosen)
    counts = {"label_precision": np.count_nonzero(chosen), "label_recall": np.count_nonzero(labels)}
    return {name: 100 * right / count for name, count in counts.items() if count}


def confusion(chosen: NDArray[np.int64], classes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """How many examples of each class, by rows, were taken for each, by columns, (count, count). chosen, classes : (N,)."""
    return np.bincount(classes * count + chosen, minlength=count * count).reshape(count, count)
