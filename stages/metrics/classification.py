"""Measures of classification, from class scores."""

import numpy as np


def error_percent(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose highest score is not their label's, in percent; of equal scores the first counts.

    scores : (N, C). labels : integers (N,).
    """
    return 100 * float(np.mean(scores.argmax(axis=1) != labels))


def top_error_percent(best: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of examples whose label is not among the k classes with the highest scores, in percent.

    best : (N, >= k), the classes of each example by falling score. labels : integers (N,).
    """
    return 100 * float(np.mean(~(best[:, :k] == labels[:, None]).any(axis=1)))
