"""What the methods take that SwapGAN is compared to: the splines, and VITON's training (Section 8.2.4)."""

from typing import Annotated

from stages.core.settings import Count, Ge, Momentum, NotNegative, NotNegativeCount, Positive, Schedule, settings


@settings
class Baselines:
    """The splines of TPS and VITON.

    contour_points : control points, on an outline of clothes. position : weight of where a point lies, beside its shape context.
    """

    contour_points: Annotated[int, Ge(4)]
    position: NotNegative


@settings
class Viton(Schedule):
    """Two U-Nets, of the coarse picture and of the weights it is refined by.

    width : channels of their first layers. depth : layers down, and as many up, of the first; refine_depth : of the second.
    constant : iterations at the full rate, which then falls in a line to 0. reach : half a side of the square that a key point's map has,
    as a share of the picture's; VITON's squares are of 11 pixels of 256. blur : halvings of the body's shape, which leave of it no outline
    of clothes; VITON's is of 16 pixels then.
    """

    width: Count
    depth: Count
    refine_depth: Count
    batch_size: Count
    learning_rate: Positive
    beta_1: Momentum
    beta_2: Momentum
    std: Positive
    constant: NotNegativeCount
    reach: Positive
    blur: NotNegativeCount
