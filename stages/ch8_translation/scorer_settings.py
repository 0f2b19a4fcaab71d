"""What the training of the scorer takes: FCN-8s on real photos, which labels the generated ones (Section 8.1.4)."""

from typing import Annotated, Literal

from stages.core.settings import Count, Ge, Momentum, Name, NotNegative, NotNegativeCount, Positive, Schedule, settings

Optimiser = Literal["sgd", "adam"]


@settings
class Scorer(Schedule):
    """One network for all models and seeds, so that what these differ by is their own.

    size : side of the photos that it sees, in pixels; generated ones are enlarged to it. weights : VGG-16's, that it starts from.
    fc : width of fc6 and fc7, where these weights have none. skip_scales : what pool4 and pool3 are multiplied by before they are scored.
    optimiser : sgd with this momentum as Section 2.4.4's, or adam, whose beta_1 is the momentum. weight_decay : L2, of either.
    seed : of the photos' order and of dropout.
    """

    size: Annotated[int, Ge(16)]
    weights: Name
    fc: Count
    skip_scales: tuple[Positive, Positive]
    optimiser: Optimiser
    batch_size: Count
    learning_rate: Positive
    momentum: Momentum
    weight_decay: NotNegative
    seed: NotNegativeCount
