"""What the choice of photos takes (Section 8.2.3)."""

from stages.core.settings import Count, NotNegativeCount, Share, settings


@settings
class Selection:
    """At most so many pairs of photos to train on, test photos, and conditions of each of these.

    seed : of what is drawn. least_share : of a photo's pixels that are upper clothes, and that are lower ones.
    """

    pairs: Count
    test: Count
    conditions: Count
    seed: NotNegativeCount
    least_share: Share
