"""What a training of Section 2.4.1 takes: all settings that trained weights depend on.

The README says what the thesis leaves open.
"""

from typing import Annotated, Literal

from stages.core.settings import (
    Count,
    Ge,
    Gt,
    Le,
    Lt,
    Momentum,
    NotNegative,
    Positive,
    Schedule,
    require_multiple,
    settings,
)


@settings
class Variant:
    """What a network is: a row of Table 2.2 or 2.3.

    base : CNN-A or CNN-B of Table 2.1.
    fusion : of its three branches (Figure 2.5): `sum`, `conv` (a weight for each branch), `local` (a weight for each
    branch and element, Eq. 2.3); `none` is the plain CNN, which has one branch only.
    late : each branch predicts, and the predictions are fused (EPLF, Figure 2.4a); else the features are (EFLP).
    """

    base: Literal["a", "b"]
    fusion: Literal["none", "sum", "conv", "local"] = "none"
    late: bool = False

    def __post_init__(self) -> None:
        if self.late and self.fusion == "none":
            raise ValueError("late fuses the branches' predictions, and with fusion none there is one branch only")

    @property
    def weighted(self) -> bool:
        """Whether its fusion has weights."""
        return self.fusion in ("conv", "local")


@settings
class Network:
    """What all networks share.

    width : factor on every number of channels; 1 in the thesis, less in the miniature.
    dropout : ratio, Table 2.1.
    side_after_dropout : side branches leave after the pooling layer's dropout (author's code), else before it.
    side_kernel_cifar100_b : size of the side branches' convolution in B networks for 100 classes; 3 (author's code) or
    1 (Table 2.2).
    conv_std, fc_std : deviations of the initial weights. fusion_init : initial fusion weight; biases start at 0.
    """

    width: Positive
    dropout: Annotated[float, Ge(0), Lt(1)]
    side_after_dropout: bool
    side_kernel_cifar100_b: Literal[1, 3]
    conv_std: Positive
    fc_std: Positive
    fusion_init: float


@settings
class Training(Schedule):
    """Section 2.4.1; lengths in iterations, rates as in Caffe's solver.

    batch_size : of the 50,000 training images.
    learning_rate is divided by 10 after each of learning_rate_steps. Biases learn at bias_rate times it and decay at
    bias_decay times weight_decay; the fusion layer's rates are fusion_rate times those of other layers.
    test_every : how often the curve holds the test error.
    """

    batch_size: Annotated[int, Gt(0), Le(50_000)]
    learning_rate: Positive
    learning_rate_steps: tuple[Count, ...]
    momentum: Momentum
    weight_decay: NotNegative
    bias_rate: NotNegative
    bias_decay: NotNegative
    fusion_rate: NotNegative
    test_every: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        require_multiple("test_every", self.test_every, self.log_every)
