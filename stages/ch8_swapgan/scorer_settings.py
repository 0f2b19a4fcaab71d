"""What the training of Section 8.2's scorer takes: a parser and a classifier of categories, both of real photos only."""

from stages.core.settings import Count, NotNegativeCount, Positive, Schedule, settings


@settings
class Scorer(Schedule):
    """One of each for all models and seeds, so that what these differ by is their own.

    width, depth : the parser's, a U-Net: channels of its first layer, and layers that halve. filters, layers : the same of the classifier.
    seed : of both networks' first weights and of the photos' order.
    """

    width: Count
    depth: Count
    filters: Count
    layers: Count
    batch_size: Count
    learning_rate: Positive
    seed: NotNegativeCount
