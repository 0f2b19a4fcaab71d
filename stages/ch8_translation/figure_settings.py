"""The parameters of the figures: no training and no evaluation reads them."""

from typing import Annotated

from stages.core.settings import Count, Len, Name, Names, settings


@settings
class Figures:
    """Figures 8.3 to 8.6: a column for each network of `compared`, under its name in `titles` where it has one; `images` rows."""

    compared: Annotated[Names, Len(1)]
    titles: dict[Name, Name]
    images: Count
