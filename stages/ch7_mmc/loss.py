"""The losses of Chapter 7 (Eq. 7.4, 7.9 to 7.13); hinges and negatives are `stages.matching.ranking`'s."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from stages.ch7_mmc.training_settings import Training
from stages.matching.ranking import bi_rank


def matching(images: Tensor, texts: Tensor, ids: Tensor, training: Training, negatives: int) -> Tensor:
    """Eq. 7.4 of a batch of pairs, a scalar: from image to text, and alpha times from text to image, each against its hardest negatives.

    images, texts : fused embeddings (n, d) of any length, for the distance is the cosine's (Eq. 7.3). ids : (n,), each pair's image.
    """
    return bi_rank(
        F.normalize(images.float()),
        F.normalize(texts.float()),
        ids,
        weights=(1, 0, training.alpha, 0),
        margin=training.margin,
        k=negatives,
        normalise=training.normalise,
    )


def classification(logits: Tensor, labels: Tensor, single: bool, classes: Literal["sum", "mean"]) -> Tensor:
    """The mean over the pairs, a scalar. logits : a of Eq. 7.8, (n, C).

    single : softmax cross-entropy (Eq. 7.9, 7.10) of labels int64 (n,); else sigmoid cross-entropy (Eq. 7.11, 7.12) of labels float
    (n, C), 0 or 1, its terms summed over the classes, as printed, or their mean.
    """
    if single:
        return F.cross_entropy(logits.float(), labels)
    loss = F.binary_cross_entropy_with_logits(logits.float(), labels)
    return loss * logits.shape[1] if classes == "sum" else loss


def total(matching: Tensor, classification: Tensor, beta: float) -> Tensor:
    """Eq. 7.13."""
    return matching + beta * classification
