"""Eq. 2.9: the softmax loss of every labelled pixel."""

from typing import get_args

from torch import Tensor
from torch.nn import functional as F

from stages.ch2_segmentation.training_settings import Reduction
from stages.core.errors import UserError
from stages.datasets.segmented import IGNORE


def segmentation_loss(logits: Tensor, labels: Tensor, reduction: Reduction = "mean") -> Tensor:
    """-log of the softmax of a pixel's class, where its label is not IGNORE: summed (Eq. 2.9), or divided by these pixels; a scalar.

    logits (N, K, H, W), labels (N, H, W), integers. Of an image without any labelled pixel the loss is 0.
    """
    if reduction not in get_args(Reduction):
        raise UserError(f"the reduction of the loss is {reduction!r}: it is one of {', '.join(get_args(Reduction))}")
    labels = labels.long()
    total = F.cross_entropy(logits if logits.dtype.itemsize >= 4 else logits.float(), labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1) if reduction == "mean" else total
