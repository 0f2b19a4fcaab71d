"""What a training of Section 8.1 takes: all settings that trained weights depend on. The README says what the thesis leaves open."""

from typing import Annotated, Literal

from stages.core.settings import (
    Count,
    Ge,
    Momentum,
    MultipleOf,
    NotNegative,
    NotNegativeCount,
    Positive,
    Schedule,
    settings,
)

Side = Annotated[int, Ge(16), MultipleOf(4)]  # pixels; generators halve twice
Directions = Literal["both", "forward"]


@settings
class Variant:
    """A row of Table 8.1, or one of ours.

    forward, backward : generators of the chain from A to B, M of Eq. 8.4, and of that back, N of Eq. 8.5; none shares weights.
    directions : both, or the forward chain and its discriminator alone. cycle : weight of cycle consistency, lambda of Eq. 8.3, in the
    place of all networks'; 0 is a GAN. inner : whether inner cycles are consistent too (Eq. 8.9). similarity : weight of Eq. 8.11.
    blocks, width : residual blocks of a generator, and channels of its first layer, in the place of all networks'.
    """

    forward: Count = 1
    backward: Count = 1
    directions: Directions = "both"
    cycle: NotNegative | None = None
    inner: bool = False
    similarity: NotNegative = 0
    blocks: Count | None = None
    width: Count | None = None

    def __post_init__(self) -> None:
        if self.inner and self.forward != self.backward:
            raise ValueError(
                f"inner is true, and the chains have {self.forward} and {self.backward} generators: an inner cycle of m generators goes "
                "back by the last m (Eq. 8.8), so both need as many"
            )
        if self.directions == "forward" and (self.backward != 1 or self.inner or self.similarity or self.cycle != 0):
            raise ValueError("directions is forward, and a cycle has both: cycle and similarity are 0, inner is false, backward is 1")


@settings
class Network:
    """What all networks share: CycleGAN's generator of residual blocks, and a discriminator of patches (Section 8.1.2).

    width : channels of the first layer of either. blocks : residual blocks of a generator. strided : layers of stride 2 of a discriminator;
    3 see 70 x 70 pixels. upsampling : transposed convolutions, or nearest neighbours and a convolution.
    std : of the initial weights, N(0, std).
    """

    width: Count
    blocks: Count
    strided: Count
    upsampling: Literal["deconvolution", "nearest"]
    std: Positive


@settings
class Length(Schedule):
    """Of trainings on one data set. constant : iterations at the full rate, which then falls in a line to 0 at the end."""

    constant: NotNegativeCount

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.constant > self.iterations:
            raise ValueError(f"constant is {self.constant}, and iterations {self.iterations}: the rate would never fall; at most as many")


@settings
class Training:
    """Sections 8.1.2 and 8.1.3, on all data sets.

    cycle : lambda of Eq. 8.3. identity : weight of CycleGAN's identity loss, of which the thesis has none. pool : generated images kept
    for the discriminators, as CycleGAN does; 0: none. discriminator_weight : what its loss is multiplied by. beta_1, beta_2 : Adam's.
    """

    batch_size: Count
    learning_rate: Positive
    beta_1: Momentum
    beta_2: Momentum
    weight_decay: NotNegative
    cycle: NotNegative
    identity: NotNegative
    pool: NotNegativeCount
    discriminator_weight: Positive
