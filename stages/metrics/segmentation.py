"""Measures of segmentation (Sections 2.4.4 and 8.1.4), all from one table of counts: which class's pixels were called what."""

import numpy as np


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int, ignore: int = 255) -> np.ndarray:
    """How many pixels of each class (row) were called each class (column), int64 (C, C); sums of it are those of more images.

    truth, predicted : integers of one shape, 0 to classes - 1. Where the truth is `ignore` nothing counts. ValueError: other shapes or
    values.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has the shape {truth.shape} and predicted {predicted.shape}: they have to be of the same")
    counted = truth != ignore
    rows, columns = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    for name, values in (("truth", rows), ("predicted", columns)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"{name} goes from {values.min()} to {values.max()}: there are the classes 0 to {classes - 1}")
    return np.bincount(rows * classes + columns, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def iou(confusion: np.ndarray) -> np.ndarray:
    """Eq. 2.14, TP / (TP + FP + FN) of every class, float64 (C,); NaN for a class that is in neither truth nor predictions."""
    hits = np.diagonal(confusion).astype(float)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def mean_iou(confusion: np.ndarray) -> float:
    """The mean of `iou` over the classes that occur; NaN where none does."""
    found = iou(confusion)
    occurring = found[~np.isnan(found)]
    return float(occurring.mean()) if len(occurring) else float("nan")


def pixel_accuracy(confusion: np.ndarray) -> float:
    """The share of pixels that were called what they are; NaN where there are none."""
    total = confusion.sum()
    return float(np.diagonal(confusion).sum() / total) if total else float("nan")


def class_accuracy(confusion: np.ndarray) -> float:
    """The mean, over the classes that are in the truth, of the share of a class's pixels that were called it; NaN where there are none.

    A class that is said and is nowhere counts here nothing, and in `mean_iou` as 0.
    """
    totals = confusion.sum(axis=1)
    shares = np.diagonal(confusion)[totals > 0] / totals[totals > 0]
    return float(shares.mean()) if len(shares) else float("nan")
