"""The parameters of the figures: no training and no evaluation reads them."""

from collections.abc import Mapping
from typing import Annotated

from stages.ch7_mmc.training_settings import Variant
from stages.core.settings import Count, Ge, Len, Name, Names, Positive, refuse_twins, settings


@settings
class Figures:
    """Which networks are shown, and how many things.

    model : the MMC-Net of Figures 7.3 and 7.9 to 7.11, which stands in both sweeps with the data set's beta and dimension.
    retrieving, classifying, learning : the networks of Figures 7.7, 7.8 and 7.12. What is shown in 7.7 and 7.8 gains most from the first to
    the last; of 7.12 it is counted how often the last is above the first.
    images : of Figure 7.3, with all their texts; null: all. perplexity, iterations : of t-SNE. top : items retrieved in Figure 7.7.
    predictions : classes in Figure 7.8.
    """

    model: Name
    retrieving: Annotated[Names, Len(2)]
    classifying: Annotated[Names, Len(2)]
    learning: Annotated[Names, Len(2)]
    images: Count | None
    perplexity: Positive
    iterations: Annotated[int, Ge(300)]  # of which the first 250 exaggerate distances
    top: Count
    predictions: Count

    def check(self, variants: Mapping[str, Variant]) -> None:
        """A ValueError where a figure is to show a network that is none of these, or that lacks what is shown. variants : by name."""
        shown = {
            "model": ([self.model], {"matching", "classification"}),
            "retrieving": (self.retrieving, {"matching"}),
            "classifying": (self.classifying, {"classification"}),
            "learning": (self.learning, {"classification"}),
        }
        for key, (names, losses) in shown.items():
            refuse_twins(f"figures.{key}", names)  # which would be compared with itself
            for name in names:
                if name not in variants:
                    raise ValueError(f"figures.{key} has {name}, and no variant is called so: name some of {', '.join(variants)}")
                if lacking := sorted(losses - set(variants[name].losses)):
                    raise ValueError(f"figures.{key} has {name}, which is not trained by {lacking[0]}: name one that is")
