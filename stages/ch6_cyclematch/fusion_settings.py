"""The parameters of late fusion, of what is evaluated by it, and of the figures: no training reads them."""

from typing import Annotated, Literal

from stages.core.settings import Count, Ge, Len, Name, Names, Positive, refuse_twins, settings

Score = Literal["visual", "textual", "latent"]  # Eq. 6.7
NoArea = Literal["average", "limit"]


@settings
class Inference:
    """What ranks: scores of Eq. 6.7, averaged (Eq. 6.8) or weighed by query (Eq. 6.9 to 6.11). One score is itself."""

    scores: Annotated[list[Score], Len(1)]
    fusion: Literal["average", "adaptive"] = "average"

    def __post_init__(self) -> None:
        refuse_twins("scores", self.scores)


@settings
class Fusion:
    """no_area : how a query is fused of which a score is positive for no item, so that Eq. 6.10 divides by 0.

    average : all its scores weigh the same. limit : those without area share the whole weight, which is Eq. 6.10 as areas go to 0.
    """

    no_area: NoArea


@settings
class Bootstrap:
    """models : `<model>:<inference>` of which it is measured how far a recall varies with the test images. resamplings : of them.

    split : images of each disjoint test set that they are cut into besides, where they make two of these.
    """

    models: Names
    resamplings: Annotated[int, Ge(2)]
    split: Count

    def __post_init__(self) -> None:
        refuse_twins("models", self.models)


@settings
class Figures:
    """model : whose embeddings and scores are shown. beside : the set that Figure 6.8 shows below sets.pictured.

    pairs : drawn for Figures 6.4 and 6.6. perplexity, iterations : of t-SNE. top : items retrieved in Figure 6.8.
    """

    beside: Name
    model: Name
    pairs: Count
    perplexity: Positive
    iterations: Annotated[int, Ge(300)]  # of which the first 250 exaggerate distances
    top: Count

    def __post_init__(self) -> None:
        if self.perplexity >= 2 * self.pairs:
            raise ValueError(f"perplexity is {self.perplexity:g}, and a map has {2 * self.pairs} points, two of each pair: lower it")
