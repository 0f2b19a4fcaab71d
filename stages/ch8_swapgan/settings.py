"""The parameters `ch8_swapgan`: all that params.yaml may have below that key."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from stages.ch8_swapgan.figure_settings import Figures
from stages.ch8_swapgan.score_settings import Score
from stages.ch8_swapgan.scorer_settings import Scorer
from stages.ch8_swapgan.selection_settings import Selection
from stages.ch8_swapgan.training_settings import Length, Network, Training, Variant
from stages.ch8_swapgan.viton_settings import Baselines, Viton
from stages.core import settings as core
from stages.core.settings import Context, Ge, Len, Name, Names, Seeds, Use, refuse_twins, settings

RESERVED = ("poisson", "tps", "viton", "copy", "real", "truth")  # what results have beside the networks
One = Annotated[Names, Len(0, 1)]


@settings
class Sets:
    """Data sets by role. swapped : on which networks are trained. Of these

    flat : those of generated figures, whose clothes lie flat in pictures of their own, as VITON takes them; they are
    scored by the classifier of their own categories. worn : all others, scored by Inception-v3.
    counted : the one whose name the counts of parameters are made under. shown : the one that figures show, a flat one.
    """

    swapped: Names
    flat: Names
    worn: Names
    counted: One
    shown: One

    ENCODERS: ClassVar = {"flat": "categories", "worn": "inception_v3"}
    OF: ClassVar = {"flat": "swapped", "worn": "swapped", "counted": "swapped", "shown": "flat"}


@settings
class Models:
    """compared : the rows of Table 8.3. ours : what has no row."""

    compared: Names
    ours: Names


@settings
class Chapter(core.Chapter):
    """The whole section. size : of photos, pixels. lengths : of trainings, by data set."""

    sets: Sets
    variants: dict[Name, Variant]
    models: Models
    seeds: Seeds
    size: Annotated[int, Ge(16)]
    selection: Selection
    network: Network
    training: Training
    lengths: dict[Name, Length]
    scorer: Scorer
    score: Score
    baselines: Baselines
    viton: Viton
    figures: Figures

    THESIS: ClassVar = {  # Sections 8.2.1 to 8.2.5; 100 epochs of 3,000 pairs
        "variants.full": [{}],
        "variants.i-iii": [{"second": False}],
        "variants.i-ii": [{"third": "none"}],
        "size": [128],
        "selection.pairs": [3000],
        "selection.test": [1372],
        "selection.conditions": [25],
        "network.kernel": [1],
        "network.upsampling": ["nearest"],
        "network.depth": [8],
        "network.strided": [3],
        "training.batch_size": [8],
        "training.learning_rate": [0.0002],
        "training.beta_1": [0.5],
        "training.beta_2": [0.999],
        "training.mask": [5],
        "training.reconstruction": [0],
        "lengths.deepfashion_inshop.iterations": [37_500],
        "lengths.deepfashion_inshop.constant": [18_750],
        "score.encoder": ["inception_v3"],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        self._check_sets()
        self._check_models()
        chosen, pairs = self.selection, self.selection.test * self.selection.conditions
        if chosen.conditions >= chosen.test:
            raise ValueError(f"selection.conditions is {chosen.conditions}, and selection.test {chosen.test}: none is its own, so lower it")
        if self.training.batch_size > chosen.pairs:
            raise ValueError(f"training.batch_size is {self.training.batch_size}, and selection.pairs {chosen.pairs}: lower the first")
        if self.score.splits > pairs:
            raise ValueError(f"score.splits is {self.score.splits}, and there are {pairs} test pairs: lower it")
        multiple = 2**self.network.downsamplings
        if self.size % multiple or self.size < 2 * multiple:
            raise ValueError(
                f"network.downsamplings is {self.network.downsamplings}, for which size has to be a multiple of {multiple} from "
                f"{2 * multiple}, and it is {self.size}: lower the one, or change the other"
            )
        if self.size < (least := 3 * 2**self.network.strided):
            raise ValueError(
                f"network.strided is {self.network.strided}, for which the discriminator needs {least} pixels a side, and size is "
                f"{self.size}: lower the one, or raise the other"
            )
        if self.size >> self.scorer.layers < 2:  # of one pixel a map's normalised value is 0, whatever the photo
            raise ValueError(
                f"scorer.layers is {self.scorer.layers}, which halve photos of size {self.size} to less than 2 pixels a side: lower it"
            )

    def _check_sets(self) -> None:
        sets = self.sets
        refuse_twins("sets.swapped", sets.swapped)
        for name in sets.swapped:
            if (sets.flat + sets.worn).count(name) != 1:
                raise ValueError(f"sets.swapped has {name}, which must be in one of sets.flat and sets.worn")
            if name not in self.lengths:
                raise ValueError(f"lengths lacks {name}, which sets.swapped has: say how long trainings on it are")
        for role, encoder in sets.ENCODERS.items():
            if (names := getattr(sets, role)) and self.score.encoder != encoder:
                raise ValueError(f"score.encoder is {self.score.encoder}, and sets.{role} has {names[0]}, which {encoder} has to score")
        for role, of in sets.OF.items():
            if absent := [name for name in getattr(sets, role) if name not in getattr(sets, of)]:
                raise ValueError(f"sets.{role} has {absent[0]}, which sets.{of} lacks")

    def _check_models(self) -> None:
        models = self.models
        refuse_twins("models", trained := models.compared + models.ours)
        for role in ("compared", "ours"):
            for name in getattr(models, role):
                if name not in self.variants:
                    raise ValueError(f"models.{role} has {name}, which variants lacks: there are {', '.join(self.variants)}")
                if name in RESERVED:
                    raise ValueError(f"models.{role} has {name}, as results call something that is no network of this section")
        if self.sets.swapped and not models.compared:
            raise ValueError(f"sets.swapped has {self.sets.swapped[0]}, and models.compared is empty: nothing would be trained on it")
        figures = self.figures
        if self.sets.shown:
            for key, names in {"model": [figures.model], "upsamplings": figures.upsamplings, "ablations": figures.ablations}.items():
                if absent := [name for name in names if name not in trained]:
                    raise ValueError(f"figures.{key} has {absent[0]}, which models lacks: train it, or show another")
            if absent := [name for name in figures.compared if name not in (*trained, *RESERVED)]:
                raise ValueError(f"figures.compared has {absent[0]}, which is no model and no baseline: show another")

    def conflicts(self, context: Context) -> Iterator[str]:
        """Flat clothes, of generated figures alone."""
        if context.origin == "official":
            for name in self.sets.flat:
                yield f"sets.flat has {name}, and data.origin is official: photos of people have no flat clothes, so put it in sets.worn"

    def used(self) -> Iterator[Use]:
        """The data sets, and the network that photos are scored by."""
        yield from (Use(name, f".sets.swapped has {name}", ("people",)) for name in self.sets.swapped)
        if self.sets.swapped and self.score.encoder != "categories":
            yield Use(self.score.encoder, f".score.encoder is {self.score.encoder}", ("encoder",))
