"""What a training of Chapter 5 takes: all settings that trained weights depend on. The README says what the thesis leaves open."""

from typing import Annotated, Literal

from stages.core.settings import (
    Count,
    Ge,
    Gt,
    Le,
    Lt,
    Momentum,
    Name,
    NotNegative,
    NotNegativeCount,
    Positive,
    Schedule,
    require_multiple,
    settings,
)


@settings
class Loss:
    """Eq. 5.8 to 5.10, and what suits a network that is trained by it.

    alpha, beta : alpha_1, alpha_2 and beta_1, beta_2 (Section 5.4). learning_rate : the first.
    start : of the weights, N(0, Network.std), the author's, or He's.
    """

    alpha: tuple[NotNegative, NotNegative]
    beta: tuple[NotNegative, NotNegative]
    learning_rate: Positive
    start: Literal["normal", "he"]


@settings
class Encoders:
    """Whose features are seen: of images, of texts, and the other of images, which the text compares with the first."""

    images: Name
    texts: Name
    other: Name


@settings
class Variant:
    """A row of Tables 5.1 to 5.3.

    loss : the name of what it is trained by. images : which of the encoders of images it sees by.
    steps : T, so that FC3 is applied T+1 times with an identity connection; `plain`: the baseline, once and without one.
    fusion : of the T+1 side outputs; `none` goes on with the last.
    """

    loss: Name
    images: Literal["images", "other"] = "images"
    steps: NotNegativeCount | Literal["plain"] = "plain"
    fusion: Literal["none", "sum", "conv"] = "none"

    def __post_init__(self) -> None:
        if self.steps == "plain" and self.fusion != "none":
            raise ValueError(f"fusion is {self.fusion}, and a plain network has one output only: set steps, or fusion to none")


@settings
class Network:
    """What all networks share (Section 5.3.2).

    widths : of FC1 to FC4. dropout : ratio, after FC1. norm_input : whether a batch norm comes before FC1 (author's).
    norm_momentum : share of a batch in the running statistics of batch norms; .001 is Caffe's.
    norm_fusion : whether a batch norm over its single channel, and a ReLU, follow the convolutional fusion (author's).
    std : of the initial weights where they start as `normal`.
    fusion_start : the convolution's weights, `drawn` as all others (author's), or the `mean` of the side outputs.
    """

    widths: tuple[Count, Count, Count, Count]
    dropout: Annotated[float, Ge(0), Lt(1)]
    norm_input: bool
    norm_momentum: Annotated[float, Gt(0), Le(1)]
    norm_fusion: bool
    std: Positive
    fusion_start: Literal["drawn", "mean"]

    def __post_init__(self) -> None:
        if self.widths[1] != self.widths[2]:
            raise ValueError(f"widths: FC3 adds its input to its output, so {self.widths[1]} and {self.widths[2]} must be equal")


@settings
class Training:
    """Section 5.4, Implementation details; the rest is the author's solver.

    batch_size : pairs of an image and one of its captions. margin : m. negatives : N of the thesis, hardest ones of a batch.
    products : what weighs the loss's four terms; `author`: alpha_1, alpha_2 of image to text, beta_1, beta_2 of text to image;
    `printed`: products of a beta and an alpha, as in Eq. 5.8 to 5.10.
    normalise, mining : as `ranking.bi_rank` has them. bias_rate : of biases, which do not decay, as a multiple of the rate.
    """

    batch_size: Annotated[int, Gt(1)]
    margin: Positive
    negatives: Count
    products: Literal["author", "printed"]
    normalise: Literal["constant", "active", "sum"]
    mining: Literal["violators", "hardest"]
    momentum: Momentum
    weight_decay: NotNegative
    bias_rate: NotNegative

    def __post_init__(self) -> None:
        if self.negatives >= self.batch_size:
            raise ValueError(f"negatives is {self.negatives}, and a batch of {self.batch_size} has fewer texts of other images: lower it")


@settings
class Length(Schedule):
    """How long one data set's trainings are. The rate is divided by 10 after each of learning_rate_steps.

    validate_every : how often the curve holds the mean recall on the validation part.
    """

    learning_rate_steps: tuple[Count, ...]
    validate_every: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        require_multiple("validate_every", self.validate_every, self.log_every)
