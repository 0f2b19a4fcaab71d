"""The losses of Chapter 3 (Eq. 3.3 to 3.6): summed over pixels, relaxed pixels left out; and HED's own class balance."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.ch3_edges import NEGATIVE, POSITIVE

Weigh = Callable[[Tensor], Tensor]


def pixel_weights(labels: Tensor, alpha: float = 9, beta: float = 1) -> Tensor:
    """Eq. 3.4: alpha where the label is positive, beta where it is negative, 0 elsewhere; float, of the labels' shape."""
    return alpha * (labels == POSITIVE).float() + beta * (labels == NEGATIVE).float()


def balanced_weights(labels: Tensor) -> Tensor:
    """HED's alternative [31], beta of Eq. 2.11: positives weigh the share of negatives in their map, and negatives that of positives.

    labels (..., H, W), a map each; relaxed pixels count for neither.
    """
    positive, negative = labels == POSITIVE, labels == NEGATIVE
    positives = positive.sum((-2, -1), keepdim=True).float()
    share = positives / (positives + negative.sum((-2, -1), keepdim=True)).clamp(min=1)
    return positive * (1 - share) + negative * share


def edge_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The sum over pixels of -weight * log P (label 1) or -weight * log(1 - P) (label 0), P the sigmoid of the logit; a scalar.

    Eq. 3.4 prints the logarithms without the minus that a loss, and Eq. 3.5's derivative, need.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), (labels == POSITIVE).float(), weights, reduction="sum")


def deep_supervision_loss(sides: Tensor, fused: Tensor, side_labels: Tensor, truth: Tensor, weigh: Weigh = pixel_weights) -> Tensor:
    """Eq. 3.3, divided by the number of images: the sides against their own labels, the fusion against the truth; a scalar.

    sides : logits (N, 5, H, W). fused : logits (N, 1, H, W). side_labels : (N, 5, H, W), all relaxed for a side that is not
    supervised (for all sides: Eq. 3.6 and Baseline 1; the truth for all: Baseline 2). truth : labels (N, 1, H, W).
    """
    logits, labels = torch.cat([sides, fused], dim=1), torch.cat([side_labels, truth], dim=1)
    return edge_loss(logits, labels, weigh(labels)) / len(truth)
