"""How ImageNet is brought to one size: apart from what trainings read, so that nothing else prepares it anew."""

from typing import Annotated

from stages.core.settings import Ge, Gt, Le, Share, settings


@settings
class Preparation:
    """size : pixels a side of what is stored. quality : of JPEG.

    max_skipped : the share of a part's pictures that may be unreadable.
    """

    size: Annotated[int, Ge(32)]
    quality: Annotated[int, Gt(0), Le(100)]
    max_skipped: Share
