"""The parameters `ch2_imagenet`: all that params.yaml may have below that key (Sections 2.4.2 and 2.4.3)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from stages.ch2_imagenet.prepare_settings import Preparation
from stages.ch2_imagenet.training_settings import Mean, Network, Side, Training, Variant
from stages.ch2_imagenet.transfer_settings import Encoder, Transfer
from stages.core import settings as core
from stages.core.settings import Context, Count, Len, Name, Names, Seeds, Use, refuse_twins, settings


@settings
class Sets:
    """train : what networks are trained on. transfer : where their features are judged.

    shown : of `train`, whose networks' parameters are counted, and whose networks' weights and maps, and what these are
    transferred to, Figures 2.8b, 2.12 and 2.13 show; one at most, for each is one figure.
    """

    train: Names
    transfer: Names
    shown: Annotated[Names, Len(0, 1)]


@settings
class Figures:
    """branches : the network of Figures 2.8b and 2.12. shown : pictures in Figure 2.12, and of each set in Figure 2.13.

    examples : the sets of Figure 2.13, which its stage's `deps` name too, and how they are called there.
    """

    branches: Name
    shown: Count
    examples: dict[Name, Name]


@settings
class Chapter(core.Chapter):
    """The whole section.

    models : of the variants those that are trained. counted : the classes for which parameters are counted, by data set.
    batch_size : of pictures that are only looked at.
    """

    sets: Sets
    variants: dict[Name, Variant]
    models: Names
    seeds: Seeds
    counted: dict[Name, Count]
    encoder: Encoder
    prepare: Preparation
    crop: Side
    mean: Mean
    batch_size: Count
    network: Network
    training: Training
    transfer: Transfer
    figures: Figures

    THESIS: ClassVar = {  # Section 2.4.2
        "network": [{"width": 1, "fusion_init": 0.25}],
        "prepare.size": [256],
        "crop": [224],
        "training.iterations": [200_000],
        "training.batch_size": [64],
        "training.learning_rate": [0.01],
        "training.learning_rate_steps": [[100_000, 150_000]],
        "training.momentum": [0.9],
        "training.weight_decay": [0.0001],
        "training.top_rate": [1, 10],  # the text, the author's solver
        "transfer.division.train_per_class": [100],  # Scene-15
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        refuse_twins("models", self.models)
        refuse_twins("transfer.models", self.transfer.models)
        for role in ("train", "transfer"):
            refuse_twins(f"sets.{role}", getattr(self.sets, role))
        if unknown := [name for name in self.models if name not in self.variants]:
            raise ValueError(f"models has {unknown[0]}, which variants lacks: there are {', '.join(self.variants)}")
        if self.encoder.name in self.variants:
            raise ValueError(f"variants has {self.encoder.name}, which is encoder.name: call it otherwise")
        if self.crop > self.prepare.size:
            raise ValueError(f"crop is {self.crop}, and pictures are brought to prepare.size, {self.prepare.size}")
        if self.sets.train and not self.models:
            raise ValueError(f"sets.train has {self.sets.train[0]}, and models is empty")
        if self.sets.transfer:
            self._check_transfer()
        if self.sets.shown:
            self._check_figures()

    def _check_transfer(self) -> None:
        source, models = self.transfer.source, self.transfer.models
        if not models:
            raise ValueError(f"sets.transfer has {self.sets.transfer[0]}, and transfer.models is empty")
        if source not in self.sets.train:
            raise ValueError(f"transfer.source is {source}, which sets.train lacks: no network could be transferred")
        if untrained := [name for name in models if name not in self.models]:
            raise ValueError(f"transfer.models has {untrained[0]}, which models does not train")

    def _check_figures(self) -> None:
        branches, (shown,) = self.figures.branches, self.sets.shown
        if shown not in self.sets.train:
            raise ValueError(f"sets.shown has {shown}, which sets.train lacks")
        if shown not in self.counted:
            raise ValueError(f"counted lacks {shown}, which sets.shown has: say how many classes it has")
        if branches not in self.models:
            raise ValueError(f"figures shows {branches}, which models does not train")
        if self.variants[branches].sides != "fused":
            raise ValueError(f"figures shows {branches}, whose sides are not fused: it has no fusion weights")
        if lacking := [name for name in self.figures.examples if name not in self.sets.transfer]:
            raise ValueError(f"figures.examples has {lacking[0]}, which sets.transfer lacks: empty sets.shown, or add it")

    def used(self) -> Iterator[Use]:
        """The data sets, and the encoder that is compared with what is trained on them."""
        yield from (Use(name, f".sets.train has {name}", ("archived",)) for name in self.sets.train)
        yield from (Use(name, f".sets.transfer has {name}", ("classified", "retrieval")) for name in self.sets.transfer)
        if self.sets.train:
            yield Use(self.encoder.name, f".encoder.name is {self.encoder.name}", ("encoder",))

    def conflicts(self, context: Context) -> Iterator[str]:
        """Miniatures that are too small."""
        if context.origin == "official":
            return
        for name in self.sets.train:
            images = context.miniatures.get(name, {}).get("train", self.training.batch_size)
            if self.training.batch_size > images:
                yield f"training.batch_size is larger than the generated {name}, which has {images} images"
        chosen = self.transfer.division.train_per_class
        for name in self.sets.transfer:
            made = context.miniatures.get(name, {})
            # Of a set without a split of its own the writer takes how many images a class has, of others how many a part.
            if "classes" in made and chosen >= made.get("images", chosen + 1):
                yield (
                    f"transfer.division.train_per_class is {chosen}, and a class of the generated {name} has "
                    f"{made['images']} images, of which some are to test on"
                )
