"""The chapter's section of params.yaml."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from stages.ch2_fusion.training_settings import Network, Training, Variant
from stages.core import settings as core
from stages.core.settings import Context, Count, Len, Name, Names, Positive, Seeds, Use, refuse_twins, settings


@settings
class Sets:
    """Data sets by role: trained on as they are, trained on with augmentation too, and drawn, if any is."""

    plain: Names
    augmented: Names
    shown: Annotated[Names, Len(0, 1)]


@settings
class Models:
    """Networks by the role of the sets that they are trained on."""

    plain: Names
    augmented: Names


@settings
class Figures:
    """Networks of Figure 2.7, of which those are drawn that are trained; of Figure 2.1; of Figure 2.8a."""

    curves: Annotated[Names, Len(1, 4)]
    activations: Annotated[Names, Len(1)]
    weights: Name


@settings
class Chapter(core.Chapter):
    sets: Sets
    variants: dict[Name, Variant]
    models: Models
    seeds: Seeds
    counted: Annotated[dict[Name, Count], Len(1)]
    contrast_scale: Positive
    network: Network
    training: Training
    figures: Figures

    THESIS: ClassVar = {  # Section 2.4.1 and Table 2.1
        "network.width": [1],
        "network.dropout": [0.5],
        "training.iterations": [120_000],
        "training.batch_size": [100],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        for role in ("plain", "augmented"):
            self._check_role(role, getattr(self.sets, role), getattr(self.models, role))
        for role, names in (("augmented", self.sets.augmented), ("shown", self.sets.shown)):
            if absent := [name for name in names if name not in self.sets.plain]:
                raise ValueError(f"sets.{role} has {absent[0]}, which sets.plain lacks")
        if unknown := [name for name in self.figures.curves if name not in self.variants]:
            raise ValueError(f"figures.curves has {unknown[0]}, which variants lacks")
        if self.sets.shown:
            self._check_figures()

    def _check_role(self, role: str, names: list[str], models: list[str]) -> None:
        refuse_twins(f"sets.{role}", names)
        refuse_twins(f"models.{role}", models)
        if unknown := [model for model in models if model not in self.variants]:
            known = ", ".join(self.variants)
            raise ValueError(f"models.{role} has {unknown[0]}, which variants lacks: there are {known}")
        if names and not models:
            raise ValueError(f"sets.{role} has {names[0]}, and models.{role} is empty: nothing would be trained on it")

    def _check_figures(self) -> None:
        if uncounted := [name for name in self.sets.shown if name not in self.counted]:
            raise ValueError(f"counted lacks {uncounted[0]}, which sets.shown has: say how many classes it has")
        for key, names in (("activations", self.figures.activations), ("weights", [self.figures.weights])):
            if untrained := [model for model in names if model not in self.models.plain]:
                raise ValueError(f"figures.{key} shows {untrained[0]}, which models.plain does not train")
        if not self.variants[self.figures.weights].weighted:
            raise ValueError(f"figures.weights shows {self.figures.weights}, whose fusion has no weights")

    def used(self) -> Iterator[Use]:
        yield from (Use(name, f".sets.plain has {name}", ("arrays",)) for name in self.sets.plain)

    def conflicts(self, context: Context) -> Iterator[str]:
        if context.origin != "generated":
            return
        for name in self.sets.plain:
            images = context.miniatures.get(name, {}).get("train", self.training.batch_size)
            if self.training.batch_size > images:
                size = f"{images} images (workflow/sources.yaml)"
                yield f"training.batch_size is larger than the generated {name}, which has {size}"
