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

    shown : of `train`, whose networks' weights and maps, and what they are transferred to, Figures 2.8b, 2.12 and 2.13 show; one at most.
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
    """The whole section. models : of the variants those that are trained. batch_size : of pictures that are only looked at."""

    sets: Sets
    variants: dict[Name, Variant]
    models: Names
    seeds: Seeds
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
        "transfer.scene15_train": [100],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        refuse_twins("models", self.models)
        refuse_twins("transfer.models", self.transfer.models)
        for role in ("train", "transfer"):
            refuse_twins(f"sets.{role}", getattr(self.sets, role))
        if unknown := [name for name in self.models if name not in self.variants]:
            raise ValueError(f"models has {unknown[0]}, which variants has no entry for")
        if self.encoder.name in self.variants:
            raise ValueError(f"variants has {self.encoder.name}, which is the encoder's name: call one of them otherwise")
        if self.crop > self.prepare.size:
            raise ValueError(f"crop is {self.crop}, and pictures are brought to prepare.size, {self.prepare.size}")
        if self.sets.train and not self.models:
            raise ValueError("models and sets.train disagree: models is empty, and nothing would be trained on what sets.train has")
        if self.sets.transfer:
            self._check_transfer()
        if self.sets.shown:
            self._check_figures()

    def _check_transfer(self) -> None:
        source, models = self.transfer.source, self.transfer.models
        if not models:
            raise ValueError("transfer.models and sets.transfer disagree: models is empty, and sets.transfer is not")
        if source not in self.sets.train:
            raise ValueError(f"sets.transfer is not empty, and sets.train lacks {source}, transfer.source: nothing could be transferred")
        if untrained := [name for name in models if name not in self.models]:
            raise ValueError(f"transfer.models has {untrained[0]}, which models does not train")

    def _check_figures(self) -> None:
        branches, (shown,) = self.figures.branches, self.sets.shown
        if shown not in self.sets.train:
            raise ValueError(f"sets.shown has {shown}, and sets.train lacks it: no network is trained on it")
        if branches not in self.models:
            raise ValueError(f"figures shows {branches}, which models does not train")
        if self.variants[branches].sides != "fused":
            raise ValueError(f"figures shows {branches}, whose sides are not fused: it has no fusion weights")
        if lacking := [name for name in self.figures.examples if name not in self.sets.transfer]:
            raise ValueError(f"figures.examples shows {lacking[0]}, and sets.transfer lacks it: empty sets.shown, or add it")

    def used(self) -> Iterator[Use]:
        """The data sets, and the encoder that is compared with what is trained on them."""
        yield from (Use(name, f".sets.train has {name}", ("imagenet",)) for name in self.sets.train)
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
                yield f"training.batch_size is larger than the generated {name}, which has {images} images (workflow/sources.yaml)"
        if "scene15" in self.sets.transfer:
            images = context.miniatures.get("scene15", {}).get("images", self.transfer.scene15_train + 1)
            if self.transfer.scene15_train >= images:
                yield (
                    f"transfer.scene15_train is {self.transfer.scene15_train}, and a category of the generated scene15 has {images} "
                    "images, of which some are to test on"
                )
