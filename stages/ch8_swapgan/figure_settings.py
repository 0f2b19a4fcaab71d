"""The parameters of the figures: no training and no evaluation reads them."""

from typing import Annotated

from stages.core.settings import Count, Len, Name, Names, settings


@settings
class Figures:
    """Of the figures of Section 8.2.

    model : whose images Figures 8.9, 8.14 and 8.18 show. upsamplings : the models of Figure 8.12, a column each; ablations : of
    Figure 8.16, the first without Generator II and the second without Generator III; compared : models and baselines of Figure 8.15.
    titles : of what has another in a figure than its name. images : how many pairs a figure shows, where the thesis has no number.
    side : references, and conditions, of Figure 8.14.
    """

    model: Name
    upsamplings: Annotated[Names, Len(1)]
    ablations: Annotated[Names, Len(2)]
    compared: Annotated[Names, Len(1)]
    titles: dict[Name, Name]
    images: Count
    side: Count
