"""The bi-rank loss of Section 5.3.3 with this chapter's weights; hinges and negatives are `stages.matching.ranking`'s."""

from torch import Tensor
from torch.nn import functional as F

from stages.ch5_rrf.training_settings import Loss, Training
from stages.matching.ranking import bi_rank


def weights_of(loss: Loss, training: Training) -> tuple[float, float, float, float]:
    """Of the hinges from image to text, within texts, from text to image, within images.

    As Eq. 5.8 to 5.10 are printed, {1, .5, 2, 1} gives 2, 1, 1, .5, and {1, 0, 2, 0}, "the original bi-directional loss", one
    direction only: 2, 0, 0, 0. The author's layer has 1, .5, 2, 1 and 1, 0, 2, 0.
    """
    (alpha_1, alpha_2), (beta_1, beta_2) = loss.alpha, loss.beta
    if training.products == "author":
        return alpha_1, alpha_2, beta_1, beta_2
    return beta_1 * alpha_1, beta_1 * alpha_2, beta_2 * alpha_1, beta_2 * alpha_2


def objective(images: Tensor, texts: Tensor, ids: Tensor, loss: Loss, training: Training) -> Tensor:
    """The loss of a batch of pairs, a scalar. images, texts : embeddings (n, d) as the network has them. ids : (n,), each pair's image."""
    return bi_rank(
        F.normalize(images.float()),
        F.normalize(texts.float()),
        ids,
        weights=weights_of(loss, training),
        margin=training.margin,
        k=training.negatives,
        normalise=training.normalise,
        mining=training.mining,
    )
