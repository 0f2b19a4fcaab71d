"""Hardest negatives of a batch and sums of hinges: the losses of Eq. 5.8 to 5.10 (bi-rank), 6.2, 6.4, 6.5, 7.3, 7.4.

Everywhere s is the product of unit vectors, a similarity; the thesis's s of Eq. 5.7 is the distance 1 - s, and in a
difference the 1 drops out. The thesis says that negatives are the "most dissimilar": the author's layer takes the most
similar, and so does this.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.core.errors import UserError
from stages.core.layers.linear import gram, product

Normalise = Literal["constant", "active", "sum"]
Mining = Literal["violators", "hardest"]


def check_negatives(k: int, batch_size: int, image_of: NDArray[np.int64], key: str) -> None:
    """Refuse more negatives than a batch is sure to have: it may hold all captions of an image. On the host.

    image_of : (pairs,) the image of each pair that batches are drawn from. key : what k is called in the parameters.
    """
    most = int(np.bincount(image_of).max())
    if k > (left := max(0, batch_size - most)):
        raise UserError(
            f"{key} is {k}, and of a batch of {batch_size} pairs {left} are sure to be of other images, for an image "
            f"has up to {most} captions: lower {key} or raise the batch size"
        )


def hardest(scores: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k negatives of each row that score highest: their scores (n, k), differentiable, and columns (n, k).

    scores : (n, n), row and column of a pair at the same place. ids : (n,), its image: captions of one image are never
    each other's negatives. Where a row has fewer than k (`check_negatives` refuses that before), the rest score -inf.
    """
    own = ids[:, None] == ids[None, :]
    columns = scores.detach().masked_fill(own, float("-inf")).topk(k, dim=1).indices
    # Gathered from the scores themselves, so that no gradient goes back through the mask of n x n.
    return scores.gather(1, columns).masked_fill(own.gather(1, columns), float("-inf")), columns


def bi_rank(
    images: Tensor,
    texts: Tensor,
    ids: Tensor,
    *,
    weights: Sequence[float],
    margin: float,
    k: int,
    normalise: Normalise = "constant",
    mining: Mining = "violators",
) -> Tensor:
    """The bi-rank loss of a batch, Eq. 5.8 to 5.10, a scalar; never waits for the device.

    Parameters
    ----------
    images, texts : (n, d), unit vectors; pair i is row i of both. ids : (n,), which image a pair's is.
    weights : of the hinges from image to text, within the texts, from text to image, within the images. The author's
        layer has (1, .5, 2, 1); Eq. 5.8 to 5.10, as printed with {1, .5, 2, 1}, (2, 1, 1, .5). With (a, 0, b, 0) it is
        the bi-directional loss.
    margin : m. k : N of the thesis, how many negatives.
    normalise : constant, the sum over n k, however few violate the margin, the author's (Eq. 5.10's N, averaged over
        the batch); active, each direction's sum over the number of its negatives that count; sum, as Eq. 6.2 and 7.4
        are printed.
    mining : whose hinge within a modality counts: violators, of those of the k that violate the margin across
        modalities, the author's; hardest, of all k.
    """
    if images.dtype in (torch.bfloat16, torch.float16):  # 3 digits: negatives would tie, and a margin of .1 is 25 steps
        images, texts = images.float(), texts.float()
    i2t, i2t_within, t2i, t2i_within = weights
    with torch.autocast(images.device.type, enabled=False):
        scores = product(images, texts.t())
        by_image = _hinges(scores, texts if i2t_within else None, ids, (i2t, i2t_within), margin, k, mining)
        by_text = _hinges(scores.t(), images if t2i_within else None, ids, (t2i, t2i_within), margin, k, mining)
    if normalise == "active":
        return sum((total / active.sum().clamp(min=1) for total, active in (by_image, by_text)), scores.new_zeros(()))
    total = by_image[0] + by_text[0]
    return total / (len(images) * k) if normalise == "constant" else total


def _hinges(
    scores: Tensor,
    others: Tensor | None,
    ids: Tensor,
    weights: tuple[float, float],
    margin: float,
    k: int,
    mining: Mining,
) -> tuple[Tensor, Tensor]:
    """Eq. 5.8 or 5.9 summed over the anchors, the rows of `scores`, and which of their k negatives count, bool (n, k).

    others : (n, d), what the columns are of, for the hinge within them; None: without it.
    """
    bound = scores.diagonal()[:, None] - margin  # what no negative should reach
    negatives, columns = hardest(scores, ids, k)
    active = negatives > (bound if mining == "violators" else float("-inf"))
    total = weights[0] * (negatives - bound).relu().sum()
    if others is not None:
        within = gram(others).gather(1, columns)
        total = total + weights[1] * ((within - bound).relu() * active).sum()
    return total, active
