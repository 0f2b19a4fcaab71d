"""The parameters `ch8_translation`: all that params.yaml may have below that key."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from stages.ch8_translation.figure_settings import Figures
from stages.ch8_translation.scorer_settings import Scorer
from stages.ch8_translation.training_settings import Length, Network, Side, Training, Variant
from stages.core import settings as core
from stages.core.settings import Len, Name, Names, Seeds, Use, refuse_twins, settings

RESERVED = ("oracle", "oracle-small", "copy", "constant")  # what results have beside the networks
One = Annotated[Names, Len(0, 1)]


@settings
class Sets:
    """Data sets by role. translated : on which networks are trained. Of these

    scored : those with label maps, of which photos are scored, and drawn : all others. controlled : the scored one on which models.ours are
    trained too. figure_8_3 to figure_8_6 : the one of which that figure is drawn; the first two show scores.
    """

    translated: Names
    scored: Names
    drawn: Names
    controlled: One
    figure_8_3: One
    figure_8_4: One
    figure_8_5: One
    figure_8_6: One

    OF: ClassVar = {"controlled": "scored", "figure_8_3": "scored", "figure_8_4": "scored", "figure_8_5": "drawn", "figure_8_6": "drawn"}


@settings
class Models:
    """compared : the rows of Table 8.1. ours : what isolates their differences, on sets.controlled."""

    compared: Names
    ours: Names


@settings
class Chapter(core.Chapter):
    """The whole section. size : of pictures, pixels. lengths : of trainings, by data set."""

    sets: Sets
    variants: dict[Name, Variant]
    models: Models
    seeds: Seeds
    size: Side
    network: Network
    training: Training
    lengths: dict[Name, Length]
    scorer: Scorer
    figures: Figures

    THESIS: ClassVar = {  # Sections 8.1.2 to 8.1.5; 200 epochs
        "variants.gan": [{"cycle": 0}],
        "variants.vanilla": [{}],
        "variants.long": [{"forward": 2, "backward": 2}],
        "variants.nest.forward": [2],
        "variants.nest.backward": [2],
        "variants.nest.inner": [True],
        "size": [256],
        "network.upsampling": ["deconvolution"],
        "training.batch_size": [1],
        "training.learning_rate": [0.0002],
        "training.weight_decay": [0.0005],
        "training.cycle": [10],
        "training.identity": [0],
        "lengths.facades.iterations": [80_000],
        "lengths.cityscapes.iterations": [595_000],
        "lengths.sbir_chairs.iterations": [40_000],
        "lengths.sbir_shoes.iterations": [60_800],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        self._check_sets()
        self._check_models()
        for name in self.sets.translated:
            if name not in self.lengths:
                raise ValueError(f"lengths lacks {name}, which sets.translated has: say how long trainings on it are")
        if self.sets.scored and self.size > self.scorer.size:
            raise ValueError(
                f"size is {self.size}, and scorer.size {self.scorer.size}: generated photos are enlarged to be scored, so raise the latter"
            )
        if self.size < (least := 3 * 2**self.network.strided):
            raise ValueError(
                f"network.strided is {self.network.strided}, for which a discriminator needs {least} pixels a side, and size is "
                f"{self.size}: lower the one, or raise the other"
            )

    def _check_sets(self) -> None:
        sets = self.sets
        refuse_twins("sets.translated", sets.translated)
        for name in sets.translated:
            if (sets.scored + sets.drawn).count(name) != 1:
                raise ValueError(f"sets.translated has {name}, which must be in one of sets.scored and sets.drawn")
        for role, of in {"scored": "translated", "drawn": "translated", **sets.OF}.items():
            if absent := [name for name in getattr(sets, role) if name not in getattr(sets, of)]:
                raise ValueError(f"sets.{role} has {absent[0]}, which sets.{of} lacks")

    def _check_models(self) -> None:
        models = self.models
        refuse_twins("models", models.compared + models.ours)
        for role in ("compared", "ours"):
            for name in getattr(models, role):
                if name not in self.variants:
                    raise ValueError(f"models.{role} has {name}, which variants lacks: there are {', '.join(self.variants)}")
                if name in RESERVED:
                    raise ValueError(f"models.{role} has {name}, as results call something that is no network")
        for role, of in (("translated", "compared"), ("controlled", "ours")):
            if (names := getattr(self.sets, role)) and not getattr(models, of):
                raise ValueError(f"sets.{role} has {names[0]}, and models.{of} is empty: nothing would be trained on it")
        for name in self.figures.compared:
            if name not in models.compared:
                raise ValueError(f"figures.compared has {name}, which models.compared lacks: train it, or show another")
            if self.variants[name].directions != "both":
                raise ValueError(f"figures.compared has {name}, which translates forward only: show another")
        refuse_twins("figures.compared", self.figures.compared)

    def used(self) -> Iterator[Use]:
        """The data sets, and the weights that the scorer starts from."""
        yield from (Use(name, f".sets.scored has {name}", ("labelled",)) for name in self.sets.scored)
        yield from (Use(name, f".sets.drawn has {name}", ("translated",)) for name in self.sets.drawn)
        if self.sets.scored:
            yield Use(self.scorer.weights, f".scorer.weights is {self.scorer.weights}", ("vgg16",))
