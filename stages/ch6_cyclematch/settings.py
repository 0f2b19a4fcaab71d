"""The parameters `ch6_cyclematch`: all that params.yaml may have below that key."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from stages.ch6_cyclematch.fusion_settings import Bootstrap, Figures, Fusion, Inference
from stages.ch6_cyclematch.training_settings import Encoders, Length, Network, Training, Variant
from stages.core import settings as core
from stages.core.settings import Context, Count, Len, Name, Names, Seeds, Use, refuse_twins, settings
from stages.matching.settings import lacking

SIX = ["i2t-dual", "i2t-rec", "i2t-lat", "t2i-dual", "t2i-rec", "t2i-lat"]  # Eq. 6.6


@settings
class Sets:
    """Data sets by role: compared, on which all is trained; shown, if any is: Figures 6.4 to 6.7; pictured, if any is: Figure 6.8."""

    compared: Names
    shown: Annotated[Names, Len(0, 1)]
    pictured: Annotated[Names, Len(0, 1)]


@settings
class Models:
    """Blocks by role: compared, which see by encoders.images and .texts (Table 6.2); others by an encoder of images or of texts that their
    role names (Table 6.6)."""

    compared: Names
    other: Names
    mean: Names
    fisher: Names
    rnn: Names

    SEE: ClassVar = {  # encoders of images and of texts
        "compared": ("images", "texts"),
        "other": ("other", "texts"),
        "mean": ("images", "mean"),
        "fisher": ("images", "fisher"),
        "rnn": ("images", "rnn"),
    }

    def blocks(self) -> list[str]:
        return [block for role in self.SEE for block in getattr(self, role)]


@settings
class Counted:
    """Dimensions of features as the thesis has them, for counts of parameters: of each of the encoders."""

    images: Count
    other: Count
    texts: Count
    mean: Count
    fisher: Count
    rnn: Count


@settings
class Chapter(core.Chapter):
    """The whole section.

    variants : in blocks, each of which one stage trains, one after the other. lengths : of trainings, by data set.
    inferences : ways to rank by a network's scores, which evaluation tries with every network that has these.
    also : a name under which a network's numbers stand too, and the network: Table 6.6's row of the RNN is Table 6.2's full model where
    that sees by the RNN.
    """

    sets: Sets
    encoders: Encoders
    variants: dict[Name, Annotated[dict[Name, Variant], Len(1)]]
    models: Models
    also: tuple[tuple[Name, Name], ...]
    seeds: Seeds
    counted: Counted
    network: Network
    training: Training
    lengths: dict[Name, Length]
    inferences: dict[Name, Inference]
    fusion: Fusion
    bootstrap: Bootstrap
    figures: Figures

    NEEDS: ClassVar = ("matching",)
    THESIS: ClassVar = {  # Sections 6.3 and 6.4.1, Tables 6.1 and 6.3; initial values it does not have
        "encoders.images": ["resnet152"],
        "encoders.other": ["vgg19"],
        "encoders.texts": ["rnn"],
        "encoders.mean": ["mean"],
        "encoders.fisher": ["hglmm"],
        "encoders.rnn": ["rnn"],
        "variants.embeddings.latent-match": [{"terms": ["latent"]}],
        "variants.embeddings.dual-match": [{"terms": ["i2t-dual", "t2i-dual"]}],
        "variants.embeddings.cycle-no-latent": [{"terms": ["i2t-dual", "i2t-rec", "t2i-dual", "t2i-rec"]}],
        # With a dual mapping of the other direction, without which a score is of features that its mapping never saw, and as printed.
        "variants.embeddings.cycle-i2t2i": [{"terms": ["i2t-dual", "i2t-rec", "i2t-lat", *more]} for more in (["t2i-dual"], [])],
        "variants.embeddings.cycle-t2i2t": [{"terms": [*more, "t2i-dual", "t2i-rec", "t2i-lat"]} for more in (["i2t-dual"], [])],
        "variants.embeddings.cycle": [{"terms": SIX}],
        "variants.other.cycle-vgg19": [{"terms": SIX, "images": "other"}],
        "variants.mean.cycle-word2vec": [{"terms": SIX, "texts": "mean"}],
        "variants.fisher.cycle-hglmm": [{"terms": SIX, "texts": "fisher"}],
        "variants.rnn.cycle-rnn": [{"terms": SIX, "texts": "rnn"}],
        "also": [[["cycle-rnn", "cycle"]]],
        "network.widths": [[2048, 512, 512]],
        "training.batch_size": [500],
        "training.margin": [0.1],
        "training.alpha": [2],
        "training.negatives": [50],
        "training.momentum": [0.9],
        "training.weight_decay": [0.0005],
        "training.learning_rate": [0.1],
        "lengths.flickr30k.iterations": [17820],  # 60 epochs
        "lengths.mscoco.iterations": [49620],
        "inferences.visual": [{"scores": ["visual"]}],
        "inferences.latent": [{"scores": ["latent"]}],
        "inferences.average": [{"scores": ["visual", "textual"]}],
        "inferences.adaptive": [{"scores": ["visual", "textual"], "fusion": "adaptive"}],
        "inferences.average-three": [{"scores": ["visual", "textual", "latent"]}],
        "inferences.adaptive-three": [{"scores": ["visual", "textual", "latent"], "fusion": "adaptive"}],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        refuse_twins("sets.compared", self.sets.compared)
        refuse_twins("variants", [name for block in self.variants.values() for name in block])
        refuse_twins("models", self.models.blocks())
        for name in self.sets.compared:
            if name not in self.lengths:
                raise ValueError(f"lengths lacks {name}, which sets has: say how long trainings on it are")
            if not self.models.compared:
                raise ValueError(f"sets.compared has {name}, and models.compared is empty: nothing would be trained on it")
        for role in Models.SEE:
            self._check_role(role)
        for name, network in self.also:
            if name in self._trained() or network not in self._trained():
                raise ValueError(f"also has {name} for {network}, which must be one that models trains, and {name} none of these")
        self._check_bootstrap()
        self._check_figures()

    def _check_role(self, role: str) -> None:
        for block in getattr(self.models, role):
            if block not in self.variants:
                raise ValueError(f"models.{role} has {block}, which variants lacks: there are {', '.join(self.variants)}")
            for name, variant in self.variants[block].items():
                by, right = (variant.images, variant.texts), Models.SEE[role]
                if by != right:
                    seen = f"encoders.{by[0]} and encoders.{by[1]}: networks by encoders.{right[0]} and encoders.{right[1]} belong there"
                    raise ValueError(f"models.{role} has {block}, whose {name} sees by {seen}")

    def _trained(self) -> dict[str, Variant]:
        return {name: variant for block in self.models.blocks() for name, variant in self.variants[block].items()}

    def _check_bootstrap(self) -> None:
        for key in self.bootstrap.models:
            model, colon, inference = key.partition(":")
            if not colon or inference not in self.inferences:
                raise ValueError(f"bootstrap.models has {key}, which is no model, a colon and one of {', '.join(self.inferences)}")
            if self.sets.compared and model not in self._trained():
                raise ValueError(f"bootstrap.models has {key}, and models trains no {model}")

    def _check_figures(self) -> None:
        if not (self.sets.shown or self.sets.pictured):
            return
        for role in ("shown", "pictured"):
            if absent := [name for name in getattr(self.sets, role) if name not in self.sets.compared]:
                raise ValueError(f"sets.{role} has {absent[0]}, which sets.compared lacks")
        if self.sets.pictured and self.figures.beside not in self.sets.compared:
            raise ValueError(f"figures.beside is {self.figures.beside}, which sets.compared lacks: name one, or empty sets.pictured")
        if self.sets.pictured and "adaptive" not in self.inferences:
            raise ValueError("sets.pictured has a set, and inferences lacks adaptive, by which Figure 6.8 ranks: add it")
        if (model := self.figures.model) not in self._trained():
            raise ValueError(f"figures.model is {model}, and models trains no {model}: name one of {', '.join(self._trained())}")
        if self.sets.shown and (absent := [term for term in SIX if term not in self._trained()[model].terms]):
            raise ValueError(f"figures.model is {model}, which has no {absent[0]}, and Figure 6.4 shows it: name one with all six terms")

    def used(self) -> Iterator[Use]:
        """The data sets; their encoders are what `matching` uses."""
        yield from (Use(name, f".sets.compared has {name}", ("captioned",)) for name in self.sets.compared)

    def conflicts(self, context: Context) -> Iterator[str]:
        """What is seen here and is not among the features that `matching` makes."""
        if not self.sets.compared:
            return
        matching, encoders = context.sections["matching"], self.encoders
        yield from lacking(
            matching,
            {"compared": self.sets.compared},
            {"encoders.images": encoders.images, "encoders.other": encoders.other, "encoders.texts": encoders.texts},
        )
        for name in self.sets.compared:
            if name not in matching.sets.compared:
                yield f"sets.compared has {name}, whose pictures encoders.other sees too, and matching.sets.compared lacks it: add it"
        for role in ("mean", "fisher", "rnn"):
            if (name := getattr(encoders, role)) not in matching.sentences:
                yield f"encoders.{role} is {name}, which matching.sentences lacks: add it"
