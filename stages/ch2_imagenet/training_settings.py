"""What a training of Section 2.4.2 reads: what its network is, how wide, and how it is trained."""

from typing import Annotated, Literal

from stages.core.settings import Count, Ge, Momentum, NotNegative, Positive, Schedule, settings

Side = Annotated[int, Ge(32)]  # pixels: the poolings leave something of so many
Mean = Literal["pixel", "channel"]


@settings
class Variant:
    """What a network is beside the plain CNN of Figure 2.9, whose blocks have two convolutions each.

    convolutions : of each of the four blocks, beside conv1, conv6 and the classifier: 2 make 11 layers, 4 make 19.
    residual : each block has a shortcut (Figure 2.11).
    sides : the three side branches are `fused` with the main one (CFN) or `predicting` by themselves (DSN, Figure 2.10);
        or there are `none`.
    """

    convolutions: Count = 2
    residual: bool = False
    sides: Literal["none", "fused", "predicting"] = "none"


@settings
class Network:
    """width : factor on every number of channels; 1 in the thesis, less in the miniature.

    fusion_init : initial fusion weight.
    """

    width: Positive
    fusion_init: float


@settings
class Training(Schedule):
    """Section 2.4.2; lengths in iterations.

    learning_rate is divided by 10 after each of learning_rate_steps; conv6 learns at top_rate times it. side_weight is that
    of each side prediction's loss beside the network's own, in DSN. gpus : over which a batch is split.
    """

    batch_size: Count
    learning_rate: Positive
    learning_rate_steps: list[Count]
    momentum: Momentum
    weight_decay: NotNegative
    top_rate: NotNegative
    side_weight: NotNegative
    gpus: Count
