"""What a training of Section 8.2 takes: all settings that trained weights depend on. The README says what the thesis leaves open."""

from typing import Annotated, Literal

from stages.core.settings import (
    Count,
    Ge,
    Le,
    Momentum,
    NotNegative,
    NotNegativeCount,
    Positive,
    Schedule,
    settings,
)

Upsampling = Literal["nearest", "deconvolution"]
Downsamplings = Annotated[int, Ge(1), Le(6)]


@settings
class Variant:
    """A row of Table 8.3, or one of ours: which generators there are beside G_I.

    second : whether there is G_II. third : G_III as the U-Net of Section 8.2.2, built like G_I and G_II, or none.
    upsampling : in the place of all networks' (Figure 8.12).
    """

    second: bool = True
    third: Literal["unet", "like-first", "none"] = "unet"
    upsampling: Upsampling | None = None


@settings
class Network:
    """What all variants share (Section 8.2.2).

    width : channels of the first layer of all networks. blocks : residual blocks of G_I and G_II. downsamplings : how often these halve.
    kernel : of their decoder's convolutions. upsampling : nearest neighbours, or transposed convolutions. depth : layers that G_III halves
    by. strided : layers of stride 2 of the discriminator; 3 see 70 x 70 pixels. norm : whether it has instance normalisation.
    std : of the initial weights, N(0, std).
    """

    width: Count
    blocks: Count
    downsamplings: Downsamplings
    kernel: Literal[1, 3]
    upsampling: Upsampling
    depth: Count
    strided: Downsamplings
    norm: bool
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
    """Section 8.2.3, on all data sets.

    mask : lambda of Eq. 8.18. reconstruction : weight of the L1 of what G_I makes to the reference image, of which the thesis has none.
    beta_1, beta_2 : Adam's.
    """

    batch_size: Count
    learning_rate: Positive
    beta_1: Momentum
    beta_2: Momentum
    mask: NotNegative
    reconstruction: NotNegative
