"""What a training of Chapter 7 takes: all settings that trained weights depend on. The README says what the thesis leaves open."""

import itertools
from typing import Annotated, Literal

from stages.core.settings import (
    Count,
    Ge,
    Gt,
    Le,
    Lt,
    Momentum,
    Name,
    Names,
    NotNegative,
    NotNegativeCount,
    Positive,
    Schedule,
    refuse_twins,
    require_multiple,
    settings,
)

MOST_DIMENSIONS = 262144  # 512 x 512: a sketch of more would be longer than what it stands for
Dimension = Annotated[int, Ge(1), Le(MOST_DIMENSIONS)]
BatchSize = Annotated[int, Gt(1)]  # a batch norm has no deviation of one
Loss = Literal["matching", "classification"]
Fusion = Literal["none", "sum", "multiplication", "convolution"]
Head = Literal["fc", "bilinear", "compact"]


@settings
class Encoders:
    """Whose features are seen: of images, of texts, and the other of images, which Table 7.9 compares with the first."""

    images: Name
    texts: Name
    other: Name


@settings
class Variant:
    """A row of Tables 7.2 to 7.9, or a point of a sweep.

    losses : of Eq. 7.13. MM-Net has matching, MC-Net classification, MMC-Net both. sees : what is classified by, both modalities or vision
    alone. fusion : of FC2 to FC4; none is FC4. head : what the classes are predicted from. images : which encoder of images.
    layers : 4, or DSPE's 2. stages : Algorithm 3's three, or all losses from the start, one.
    batch_size, beta, dimension : in the place of the data set's.
    """

    losses: tuple[Loss, ...]
    sees: Literal["both", "vision"] = "both"
    fusion: Fusion = "convolution"
    head: Head = "compact"
    images: Literal["images", "other"] = "images"
    layers: Literal[2, 4] = 4
    stages: Literal["three", "one"] = "three"
    batch_size: BatchSize | None = None
    beta: NotNegative | None = None
    dimension: Dimension | None = None

    def __post_init__(self) -> None:
        if not self.losses or len(set(self.losses)) != len(self.losses):
            raise ValueError("losses names one twice, or none: a network is trained by matching, by classification or by both")
        if self.sees == "vision" and "matching" in self.losses:
            raise ValueError("sees is vision, and matching compares images with texts: leave matching out of losses, or see both")
        if self.sees == "vision" and self.head != "fc":
            raise ValueError(f"sees is vision, and a head {self.head} multiplies images with texts: the head is fc")
        if self.layers == 2 and ("classification" in self.losses or self.fusion != "none"):
            raise ValueError("layers is 2, as DSPE has it, which has no classes and one layer to match by: losses matching, fusion none")
        if self.dimension is not None and (self.head != "compact" or "classification" not in self.losses):
            raise ValueError(f"dimension is {self.dimension}, and no compact head has it: leave it out")
        if self.beta is not None and len(self.losses) == 1:
            raise ValueError(f"beta is {self.beta}, and weighs classification beside matching: leave it out, or give both losses")


@settings
class Network:
    """What all networks share (Section 7.2).

    widths : of FC1 to FC4; DSPE has the first and the last. dropout : ratio, after FC1. norm_input : whether a batch norm comes before FC1.
    norm_momentum : share of a batch in the running statistics of batch norms; .001 is Caffe's.
    last_relu : whether a ReLU follows FC4 too. std : of the initial weights where they start as `normal`.
    fusion_bias : of the convolution, `each` of the elements its own (Eq. 7.1), or `one` (Section 7.4.5's "three parameters" and Chapter 5).
    fusion_start : the convolution's weights, `drawn` as all others, or the `mean` of the layers.
    root_floor : added below the root of the signed square root, whose gradient is infinite at 0.
    """

    widths: tuple[Count, Count, Count, Count]
    dropout: Annotated[float, Ge(0), Lt(1)]
    norm_input: bool
    norm_momentum: Annotated[float, Gt(0), Le(1)]
    last_relu: bool
    std: Positive
    fusion_bias: Literal["each", "one"]
    fusion_start: Literal["drawn", "mean"]
    root_floor: Positive

    def __post_init__(self) -> None:
        if len(set(self.widths[1:])) > 1:
            raise ValueError(f"widths: FC2 to FC4 are fused, so {self.widths[1]}, {self.widths[2]} and {self.widths[3]} must be equal")


@settings
class Training:
    """Section 7.4.1, Implementation details.

    margin, alpha : m and alpha of Eq. 7.4. normalise : the matching loss: constant, by negatives x pairs; active; or sum, as printed.
    classes : the sigmoid loss of a pair (Eq. 7.11) is the sum of its classes' or their mean. start : of the weights.
    bias_rate : multiple of the rate at which biases learn, without decay.
    """

    margin: Positive
    alpha: NotNegative
    normalise: Literal["constant", "active", "sum"]
    classes: Literal["sum", "mean"]
    momentum: Momentum
    weight_decay: NotNegative
    bias_rate: Positive
    start: Literal["normal", "he"]


@settings
class PerSet:
    """What the chapter has by data set. negatives : K of Eq. 7.4. beta : of Eq. 7.13. dimension : D of the compact head."""

    batch_size: BatchSize
    negatives: Count
    beta: NotNegative
    dimension: Dimension


@settings
class Labels:
    """How a set whose images have no labels gets some, of its captions: these tell the text's label, so classes are then no test of it.

    words : of each class; an image has the class if one of its captions has one of them, in small letters, as a whole word.
    least : classes in fewer training images are left out.
    """

    words: dict[Name, Names]
    least: Count

    def __post_init__(self) -> None:
        for name, words in self.words.items():
            refuse_twins(f"words.{name}", words)
            if not words:
                raise ValueError(f"words.{name} is empty, and no image would have the class: name a word, or leave the class out")
            if odd := [word for word in words if not word.isalpha() or word != word.lower()]:
                raise ValueError(
                    f"words.{name} has {odd[0]!r}, and captions are looked through by whole words in small letters: write it so"
                )


@settings
class Stage:
    """One of Algorithm 3: its steps, its first rate, and after which of its own steps that is divided by 10."""

    iterations: Count
    learning_rate: Positive
    learning_rate_steps: tuple[NotNegativeCount, ...] = ()

    def __post_init__(self) -> None:
        steps = self.learning_rate_steps
        if any(later <= step for step, later in itertools.pairwise(steps)):
            raise ValueError(
                f"learning_rate_steps are {', '.join(map(str, steps))}, and the rate falls at one after the other: let them ascend"
            )
        if steps and steps[-1] >= self.iterations:
            raise ValueError(f"learning_rate_steps has {steps[-1]}, and the stage ends at {self.iterations}: lower it, or leave it out")


@settings
class Length:
    """Of the trainings on a data set: Algorithm 3's stages, and how often the curve, the validation part and checkpoints come.

    A network without the loss of a stage leaves the stage out; one of stages `one` takes all steps at once, by the first's rate, which
    falls after the same share of them as in the first.
    """

    first: Stage
    second: Stage
    third: Stage
    log_every: Count
    validate_every: Count
    checkpoint_every: Count

    def __post_init__(self) -> None:
        require_multiple("checkpoint_every", self.checkpoint_every, self.log_every)
        require_multiple("validate_every", self.validate_every, self.log_every)
        # A point of the curve has the losses of one stage: where a stage ends, one ends too.
        require_multiple("first.iterations", self.first.iterations, self.log_every)
        require_multiple("second.iterations", self.second.iterations, self.log_every)
        rates = [self.first.learning_rate, self.second.learning_rate, self.third.learning_rate]
        if not rates[0] > rates[1] > rates[2]:
            raise ValueError(f"the stages' learning rates are {rates}, and Algorithm 3 has each below the one before")

    def schedule(self, iterations: int) -> Schedule:
        return Schedule(iterations, self.log_every, self.checkpoint_every)
