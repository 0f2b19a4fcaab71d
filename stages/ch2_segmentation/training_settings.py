"""What a training of Section 2.4.4 takes: all settings that trained weights depend on.

The README says what the thesis leaves open.
"""

from typing import Annotated, Literal

from stages.core.settings import Count, Ge, Momentum, NotNegative, Positive, Schedule, settings

Side = Annotated[int, Ge(16)]  # pixels
Reduction = Literal["mean", "sum"]


@settings
class Variant:
    """What a network is: a row of Table 2.7.

    fusion : of the two branches, `sum` as FCN-8s, or `local`, by a weight for every class and pixel (Eq. 2.7, 2.8).
    relu : local fusions end in one, as printed. score_std, score_bias : deviation of the score layers' initial weights,
    and their biases.
    """

    fusion: Literal["sum", "local"] = "sum"
    relu: bool = True
    score_std: NotNegative = 0
    score_bias: float = 0

    def __post_init__(self) -> None:
        if self.fusion == "local" and self.relu and not (self.score_std or self.score_bias):
            raise ValueError("score_std and score_bias cannot both be 0 with a local fusion's relu: every gradient would be 0")


@settings
class Network:
    """What all networks share.

    size : height and width of the largest image, which local fusions have weights for.
    fc : width of fc6 and fc7 where the weights have none.
    skip_scales : what pool4 and pool3 are multiplied by before they are scored.
    fixed_upsampling : bilinear upsampling stays so.
    """

    size: tuple[Side, Side]
    fc: Count
    skip_scales: tuple[Positive, Positive]
    fixed_upsampling: bool


@settings
class Training(Schedule):
    """Section 2.4.4; the learning rate never changes.

    batch_size can only be 1, for images differ in size. Biases learn at bias_rate times their layer's rate and decay at
    bias_decay times weight_decay; local fusions learn at fusion_rate times the others'.
    mirror : half of the images are turned left to right.
    """

    batch_size: Literal[1]
    learning_rate: Positive
    momentum: Momentum
    weight_decay: NotNegative
    bias_rate: NotNegative
    bias_decay: NotNegative
    fusion_rate: NotNegative
    reduction: Reduction
    mirror: bool
