"""The terms of Section 6.3's loss, whose sum trains a network; hinges and negatives are `stages.matching.ranking`'s."""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional as F

from stages.ch6_cyclematch.model import Passes
from stages.ch6_cyclematch.training_settings import Term, Training
from stages.matching.ranking import bi_rank

# What each term matches, of image features v, text features t and a network's passes: embeddings (n, d), and what they should be next to.
# v and t are data, to which no gradient goes; of a latent pair both are learnt.
TERMS: dict[Term, Callable[[Tensor, Tensor, Passes], tuple[Tensor, Tensor]]] = {
    "i2t-dual": lambda v, t, passes: (passes.i2t.target, t),  # Eq. 6.2
    "i2t-rec": lambda v, t, passes: (passes.i2t2i.target, v),  # type: ignore[union-attr] # Eq. 6.4
    "i2t-lat": lambda v, t, passes: (passes.i2t.latent, passes.i2t2i.latent),  # type: ignore[union-attr] # Eq. 6.5
    "t2i-dual": lambda v, t, passes: (passes.t2i.target, v),
    "t2i-rec": lambda v, t, passes: (passes.t2i2t.target, t),  # type: ignore[union-attr]
    "t2i-lat": lambda v, t, passes: (passes.t2i.latent, passes.t2i2t.latent),  # type: ignore[union-attr]
    "latent": lambda v, t, passes: (passes.i2t.latent, passes.t2i.latent),  # LatentMatch's alone (Table 6.1)
}


def objective(terms: Sequence[Term], images: Tensor, texts: Tensor, passes: Passes, ids: Tensor, training: Training) -> Tensor:
    """The loss of a batch of pairs, a scalar: the sum of the terms, of weight 1 (Eq. 6.6).

    images, texts : features (n, D), (n, E). ids : (n,), each pair's image; pairs of one image are negatives of each other in no space.
    """
    pairs = [TERMS[term](images, texts, passes) for term in terms]
    return sum((matching(*pair, ids, training) for pair in pairs), images.new_zeros(()))


def matching(embeddings: Tensor, targets: Tensor, ids: Tensor, training: Training) -> Tensor:
    """One term (Eq. 6.2, 6.4, 6.5): the hinges of each embedding against other pairs' targets, and alpha times those of each target
    against other pairs' embeddings, each against its hardest K of the batch in this term's own space."""
    return bi_rank(
        F.normalize(embeddings.float()),
        F.normalize(targets.float()),
        ids,
        weights=(1, 0, training.alpha, 0),
        margin=training.margin,
        k=training.negatives,
        normalise=training.normalise,
    )
