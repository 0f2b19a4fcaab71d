"""The parameters `ch5_rrf`: all that params.yaml may have below that key."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from stages.ch5_rrf.training_settings import Encoders, Length, Loss, Network, Training, Variant
from stages.core import settings as core
from stages.core.settings import Context, Count, Len, Name, Names, Seeds, Use, refuse_twins, settings
from stages.matching.settings import lacking


@settings
class Sets:
    """Data sets by role: ablated, if any is, on which all is tried; compared, on which models.compared are trained; shown: Figure 5.5."""

    ablated: Annotated[Names, Len(0, 1)]  # counts of parameters have one file, whatever the set
    compared: Names
    shown: Annotated[Names, Len(0, 1)]


@settings
class Models:
    """Blocks by role: on the ablated sets with encoders.images, there with encoders.other, and on the compared sets."""

    ablated: Names
    other: Names
    compared: Names


@settings
class Counted:
    """Dimensions of features as the thesis has them, for counts of parameters: of encoders.images, .texts and .other."""

    images: Count
    texts: Count
    other: Count


@settings
class Figures:
    """Figure 5.5. beside : the other set, below sets.shown. models : its columns, models or ensembles. top : how many are shown."""

    beside: Name
    models: Annotated[Names, Len(2)]
    top: Count


@settings
class Chapter(core.Chapter):
    """The whole section.

    variants : in blocks, each of which one stage trains, one after the other. ensembles : of models, their cosines averaged (Eq. 5.11).
    lengths : of trainings, by data set.
    """

    sets: Sets
    encoders: Encoders
    losses: dict[Name, Loss]
    variants: dict[Name, Annotated[dict[Name, Variant], Len(1)]]
    models: Models
    ensembles: dict[Name, Annotated[Names, Len(2)]]
    seeds: Seeds
    counted: Counted
    network: Network
    training: Training
    lengths: dict[Name, Length]
    figures: Figures

    NEEDS: ClassVar = ("matching",)
    THESIS: ClassVar = {  # Sections 5.3.2 and 5.4, the rows of the tables; lengths and initial values it does not have
        "encoders.images": ["resnet152"],
        "encoders.texts": ["hglmm"],
        "encoders.other": ["vgg19"],
        "losses.bi-rank.alpha": [[1, 0.5]],
        "losses.bi-rank.beta": [[2, 1]],
        "losses.bi-rank.learning_rate": [0.1],
        "losses.bi-directional.alpha": [[1, 0]],
        "losses.bi-directional.beta": [[2, 0]],
        "losses.bi-directional.learning_rate": [0.1],
        **{f"variants.steps.rrf-{steps}": [{"loss": "bi-rank", "steps": steps, "fusion": "conv"}] for steps in (1, 2, 3, 4)},
        "variants.steps.baseline.loss": ["bi-rank"],
        "variants.fusions.rrf-3-unfused": [{"loss": "bi-rank", "steps": 3}],
        "variants.fusions.rrf-3-sum": [{"loss": "bi-rank", "steps": 3, "fusion": "sum"}],
        "variants.losses.baseline-bidirectional.loss": ["bi-directional"],
        "variants.losses.rrf-3-bidirectional": [{"loss": "bi-directional", "steps": 3, "fusion": "conv"}],
        "variants.other.rrf-3-vgg19": [{"images": "other", "loss": "bi-rank", "steps": 3, "fusion": "conv"}],
        "ensembles.rrf-1+3": [["rrf-1", "rrf-3"]],
        "ensembles.rrf-1+2+3": [["rrf-1", "rrf-2", "rrf-3"]],
        "ensembles.rrf-1+2+3+4": [["rrf-1", "rrf-2", "rrf-3", "rrf-4"]],
        "network.widths": [[2048, 512, 512, 512]],
        "network.dropout": [0.5],
        "training.batch_size": [1500],
        "training.margin": [0.1],
        "training.negatives": [50],
        "training.momentum": [0.9],
        "training.weight_decay": [0.0005],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        refuse_twins("sets.ablated and sets.compared", [*self.sets.ablated, *self.sets.compared])
        for name in (*self.sets.ablated, *self.sets.compared):
            if name not in self.lengths:
                raise ValueError(f"lengths lacks {name}, which sets has: say how long trainings on it are")
        for role in ("ablated", "other", "compared"):
            self._check_role(role)
        for role, blocks in (("ablated", self.models.ablated), ("compared", self.models.compared)):
            if (names := getattr(self.sets, role)) and not blocks:
                raise ValueError(f"sets.{role} has {names[0]}, and models.{role} is empty: nothing would be trained on it")
        self._check_variants()
        if self.sets.shown:
            self._check_figure()

    def _check_role(self, role: str) -> None:
        refuse_twins(f"models.{role}", getattr(self.models, role))
        wanted = "other" if role == "other" else "images"
        for block in getattr(self.models, role):
            if block not in self.variants:
                raise ValueError(f"models.{role} has {block}, which variants lacks: there are {', '.join(self.variants)}")
            for name, variant in self.variants[block].items():
                if variant.images != wanted:
                    raise ValueError(f"models.{role} has {block}, whose {name} sees by encoders.{variant.images}: here it must be {wanted}")

    def _check_variants(self) -> None:
        names = [name for block in self.variants.values() for name in block]
        refuse_twins("variants", names)
        for ensemble, members in self.ensembles.items():
            refuse_twins(f"ensembles.{ensemble}", members)
            if ensemble in names:
                raise ValueError(f"ensembles has {ensemble}, which is a variant's name: give it another")
            if unknown := [member for member in members if member not in names]:
                raise ValueError(f"ensembles.{ensemble} has {unknown[0]}, which is no variant: there are {', '.join(names)}")
        for block, variants in self.variants.items():
            for name, variant in variants.items():
                if variant.loss not in self.losses:
                    raise ValueError(
                        f"variants.{block}.{name}.loss is {variant.loss}, which losses lacks: there are {', '.join(self.losses)}"
                    )

    def _check_figure(self) -> None:
        (shown,), beside = self.sets.shown, self.figures.beside
        if shown not in self.sets.ablated:
            raise ValueError(f"sets.shown has {shown}, which sets.ablated lacks")
        if beside not in self.sets.compared:
            raise ValueError(f"figures.beside is {beside}, which sets.compared lacks: name one of them, or empty sets.shown")
        for role in ("ablated", "compared"):
            trained = {name for block in getattr(self.models, role) for name in self.variants[block]}
            for model in self.figures.models:
                if lacking := [one for one in self.ensembles.get(model, [model]) if one not in trained]:
                    raise ValueError(f"figures.models shows {model}, and models.{role} trains no {lacking[0]}")

    def used(self) -> Iterator[Use]:
        """The data sets; their encoders are what `matching` uses."""
        for role in ("ablated", "compared"):
            yield from (Use(name, f".sets.{role} has {name}", ("captioned",)) for name in getattr(self.sets, role))

    def conflicts(self, context: Context) -> Iterator[str]:
        """What is seen here and is not among the features that `matching` makes."""
        sets = {"ablated": self.sets.ablated, "compared": self.sets.compared}
        if not any(sets.values()):
            return
        roles = ["images", "texts", *(["other"] if self.sets.ablated else [])]
        yield from lacking(context.sections["matching"], sets, {f"encoders.{role}": getattr(self.encoders, role) for role in roles})
