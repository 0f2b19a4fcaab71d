"""The losses of Chapter 3 (Eq. 3.3 to 3.6): summed over pixels, relaxed pixels left out; and HED's own class balance."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.ch3_edges import NEGATIVE, POSITIVE


def pixel_weights(labels: Tensor, alpha: float = 9, beta: float = 1) -> Tensor:
    """Eq. 3.4: alpha where the label is positive, beta where it is negative, 0 elsewhere; float, of the labels' shape."""
    return alpha * (labels == POSITIVE).float() + beta * (labels == NEGATIVE).float()


def balanced_weights(labels: Tensor) -> Tensor:
    """HED's alternative [31]: in each image positives weigh the share of negatives, and negatives the share of positives.

    labels (N, ...), an image each; relaxed pixels count for neither.
    """
    over = tuple(range(1, labels.dim()))
    positive, negative = labels == POSITIVE, labels == NEGATIVE
    positives = positive.sum(over, keepdim=True).float()
    share = positives / (positives + negative.sum(over, keepdim=True)).clamp(min=1)
    return positive * (1 - share) + negative * share


def edge_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The sum over pixels of -weight * log P (label 1) or -weight * log(1 - P) (label 0), P the sigmoid of the logit; a scalar.

    Eq. 3.4 prints the logarithms without the minus that a loss, and Eq. 3.5's derivative, need.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), (labels == POSITIVE).float(), weights, reduction="sum")


def deep_supervision_loss(
    sides: Sequence[Tensor],
    fused: Tensor,
    relaxed: Sequence[Tensor | None],
    truth: Tensor,
    balanced: bool = False,
) -> Tensor:
    """Eq. 3.3, divided by the number of images: the sides against their own labels, the fusion against the truth.

    sides, fused : logits (N, 1, H, W). relaxed : labels of each side, None for one that is not supervised (all None: Eq. 3.6
    and Baseline 1; the truth for all: Baseline 2). truth : labels (N, 1, H, W).
    """
    pairs = [(side, labels) for side, labels in zip(sides, relaxed, strict=True) if labels is not None]
    weigh = balanced_weights if balanced else pixel_weights
    losses = [edge_loss(logits, labels, weigh(labels)) for logits, labels in [*pairs, (fused, truth)]]
    return torch.stack(losses).sum() / len(truth)
