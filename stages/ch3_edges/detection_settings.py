"""Settings of what a training does not read itself: preparation of images and labels, detectors, thinning of maps."""

from typing import Annotated

from stages.core.settings import Count, Ge, Gt, Le, Len, Lt, NotNegativeCount, Positive, settings

Pixels = Annotated[int, Ge(16)]


@settings
class Preparation:
    """size : height and width that images are trained at. annotators : how many must have marked a pixel.

    dilation : how far edges are grown, in pixels of the original image, which is before it is resized.
    """

    size: tuple[Pixels, Pixels]
    annotators: Count
    dilation: NotNegativeCount


@settings
class ForestSettings:
    """How a structured forest is trained and asked.

    samples : patches per tree, half of them on an edge. feature_share : of the 7228, drawn for each tree. node_features :
    of a tree's, tried at each node. pairs, components : of the label, what the trees are fitted to. trees_per_patch : asked
    at each position.
    """

    trees: Count
    samples: Count
    feature_share: Annotated[float, Gt(0), Le(1)]
    node_features: Count
    depth: Count
    min_leaf: Count
    pairs: Count
    components: Count
    trees_per_patch: Count


@settings
class Detectors:
    """Table 2.8: Canny's sigma in pixels; the scales at which Structured Edges sees an image, whose maps it averages."""

    canny_sigma: Positive
    se_scales: Annotated[list[Positive], Len(1)]


@settings
class Responses:
    """Of which relaxed labels are made.

    canny_high : Canny's upper threshold, a quantile of the gradient. se_thinned : whether Eq. 3.2 takes thinned maps.
    """

    canny_high: Annotated[float, Gt(0), Lt(1)]
    se_thinned: bool


@settings
class Suppression:
    """The author's settings of stages.metrics.nms.thin_edges, in pixels but for the multiplier."""

    blur: NotNegativeCount
    radius: Count
    border: NotNegativeCount
    multiplier: Positive
