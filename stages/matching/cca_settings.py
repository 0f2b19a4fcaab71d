"""The parameters `matching.cca`: canonical correlation analysis, the baseline of Chapters 5 to 7."""

from typing import Annotated

from stages.core.settings import Count, Len, Positive, refuse_twins, settings


@settings
class Cca:
    """ridges : what the variances of images and of texts are raised by, in shares of their means.

    Of several, the best on the validation part.

    dimensions : of the common space, or as many as the narrower features have.
    """

    ridges: Annotated[list[Positive], Len(1)]
    dimensions: Count

    def __post_init__(self) -> None:
        refuse_twins("ridges", self.ridges)
