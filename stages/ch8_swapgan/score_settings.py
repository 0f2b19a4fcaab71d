"""Which network Inception Scores are of, and over how many splits."""

from typing import Literal

from stages.core.settings import Count, settings

Encoder = Literal["categories", "inception_v3"]


@settings
class Score:
    """encoder : whose answers the Inception Score is of: the scorer's classifier of the set's own categories, or Inception-v3, trained on
    ImageNet. splits : of the test pairs, shuffled alike for all; the score is the mean over these."""

    encoder: Encoder
    splits: Count
