"""The chapter's section of params.yaml."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from stages.ch2_segmentation.training_settings import Network, Training, Variant
from stages.core import settings as core
from stages.core.settings import Count, Len, Name, Names, Seeds, Use, refuse_twins, settings


@settings
class Sets:
    """Data sets by role: networks are trained and judged on `train`; Figure 2.14 is of the one in `shown`, if any."""

    train: Names
    shown: Annotated[Names, Len(0, 1)]


@settings
class Figures:
    """Figure 2.14: the two networks that it compares, on the images where the second gains most; titles, where not their names."""

    compared: Annotated[Names, Len(2, 2)]
    titles: dict[Name, Name]
    images: Count


@settings
class Chapter(core.Chapter):
    sets: Sets
    variants: dict[Name, Variant]
    models: Names
    weights: Name
    seeds: Seeds
    network: Network
    training: Training
    figures: Figures

    THESIS: ClassVar = {  # Section 2.4.4
        "training.iterations": [100_000],
        "training.batch_size": [1],
        "training.learning_rate": [0.0001],
        "training.momentum": [0.9],
        "training.weight_decay": [0.0001],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        refuse_twins("models", self.models)
        refuse_twins("sets.train", self.sets.train)
        if unknown := [model for model in self.models if model not in self.variants]:
            raise ValueError(f"models has {unknown[0]}, which variants lacks: there are {', '.join(self.variants)}")
        if self.sets.train and not self.models:
            raise ValueError(f"sets.train has {self.sets.train[0]}, and models is empty: nothing would be trained on it")
        for name in self.sets.shown:
            if name not in self.sets.train:
                raise ValueError(f"sets.shown has {name}, which sets.train lacks")
            if absent := [model for model in self.figures.compared if model not in self.models]:
                raise ValueError(f"figures.compared has {absent[0]}, which models lacks: train it, or empty sets.shown")

    def used(self) -> Iterator[Use]:
        for name in self.sets.train:
            yield Use(name, f".sets.train has {name}", ("segmented",))
        if self.sets.train:
            yield Use(self.weights, f".weights is {self.weights}", ("vgg16",))
