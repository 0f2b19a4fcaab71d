"""What a training of Chapter 3 takes: all settings that trained weights depend on."""

from typing import Annotated, Literal

from stages.ch3_edges import SIDES
from stages.core.settings import Count, Ge, Le, Momentum, NotNegative, Positive, require_multiple, settings

FOLDER = "models/ch3_edges"  # of trained networks: <data set>/<name>-seed<seed>
Side = Annotated[int, Ge(1), Le(SIDES)]


@settings
class Recipe:
    """How long and how fast a network learns; the rate never changes.

    balanced : pixels weigh by HED's balance of each image [31], else by Eq. 3.4's alpha and beta.
    """

    iterations: Count
    learning_rate: Positive
    balanced: bool


@settings
class Variant:
    """What a network is: a row of Tables 2.8, 3.1 and 3.2.

    sides : the side outputs that are supervised. relaxed : the detector whose responses relax their labels (Eq. 3.1, 3.2),
    none for general supervision. dilated : whether the ground truth is (Section 3.4.1). local : Eq. 2.10's fusion.
    recipe : its own, where that is another than its kind's.
    """

    sides: tuple[Side, ...] = tuple(range(1, SIDES + 1))
    relaxed: Literal["canny", "se", "gpb"] | None = None
    dilated: bool = True
    local: bool = False
    recipe: Recipe | None = None


@settings
class Training:
    """Sections 3.4.1 and 2.4.5; the rates of layers are the author's, as multiples of the recipe's.

    batch_size : images. Biases learn at bias_rate times their layer's rate and decay at bias_decay times weight_decay;
    last_block_rate is of VGG-16's fifth block, output_rate of side scores, upsamplings and fusion, local_rate of FCFN's
    fusion, whose weights see one pixel each. log_every, checkpoint_every : iterations.
    """

    batch_size: Count
    alpha: NotNegative
    beta: NotNegative
    momentum: Momentum
    weight_decay: NotNegative
    bias_rate: NotNegative
    bias_decay: NotNegative
    last_block_rate: NotNegative
    output_rate: NotNegative
    local_rate: NotNegative
    log_every: Count
    checkpoint_every: Count

    def __post_init__(self) -> None:
        require_multiple("checkpoint_every", self.checkpoint_every, self.log_every)


def finetuned_name(model: str, start: str) -> str:
    """The name of the variant `model` that is fine-tuned from the pre-trained `start`: rds-se-cea."""
    return f"{model}-{start}"
