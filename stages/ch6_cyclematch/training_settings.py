"""What a training of Chapter 6 takes: all settings that trained weights depend on. The README says what the thesis leaves open."""

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
    Positive,
    Schedule,
    refuse_twins,
    require_multiple,
    settings,
)

Term = Literal["i2t-dual", "i2t-rec", "i2t-lat", "t2i-dual", "t2i-rec", "t2i-lat", "latent"]


@settings
class Encoders:
    """Whose features are seen: of images and of texts, and the others that Table 6.6 compares with these.

    other : of images. mean, fisher, rnn : of texts, the mean of word vectors, the Fisher vector and the RNN, which may be `texts` again.
    """

    images: Name
    other: Name
    texts: Name
    mean: Name
    fisher: Name
    rnn: Name


@settings
class Variant:
    """A row of Table 6.2 or 6.6.

    terms : of the loss, whose sum it is trained by (`loss.TERMS`). images, texts : which of the encoders it sees by.
    """

    terms: tuple[Term, ...]
    images: Literal["images", "other"] = "images"
    texts: Literal["texts", "mean", "fisher", "rnn"] = "texts"

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("terms is empty, and a network is trained by the sum of its terms: name one at least, such as i2t-dual")
        refuse_twins("terms", list(self.terms))


@settings
class Network:
    """What all networks share (Section 6.4.1, Network details; the rest is Chapter 5's).

    widths : of FC1 to FC3. dropout : ratio, after FC1. norm_input : whether a batch norm comes before FC1.
    norm_momentum : share of a batch in the running statistics of batch norms; .001 is Caffe's.
    std : of the initial weights where they start as `normal`. latent : FC3's output, after its ReLU or before it.
    """

    widths: tuple[Count, Count, Count]
    dropout: Annotated[float, Ge(0), Lt(1)]
    norm_input: bool
    norm_momentum: Annotated[float, Gt(0), Le(1)]
    std: Positive
    latent: Literal["after", "before"]


@settings
class Training:
    """Section 6.4.1, Training details; the rest is Chapter 5's author's solver.

    batch_size : pairs of an image and one of its captions. margin : m. alpha : of each term's second hinge. negatives : K, the hardest of
    a batch. normalise : as `ranking.bi_rank` has it. bias_rate : of biases, which do not decay, as a multiple of the rate.
    start : of the weights, N(0, Network.std) or He's.
    """

    batch_size: Annotated[int, Gt(1)]
    margin: Positive
    alpha: NotNegative
    negatives: Count
    normalise: Literal["constant", "active", "sum"]
    momentum: Momentum
    weight_decay: NotNegative
    bias_rate: NotNegative
    learning_rate: Positive
    start: Literal["normal", "he"]

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
