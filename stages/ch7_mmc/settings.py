"""The parameters `ch7_mmc`: all that params.yaml may have below that key."""

import operator
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from stages.ch7_mmc.figure_settings import Figures
from stages.ch7_mmc.training_settings import Encoders, Labels, Length, Network, PerSet, Training, Variant
from stages.core import settings as core
from stages.core.settings import Context, Count, Len, Name, Names, Seeds, Use, refuse_twins, settings

BETAS = {f"mmc-beta-{tenths / 10:g}".replace(".", "_"): tenths / 10 for tenths in range(1, 11)}  # of Figure 7.9
RESERVED = "cca"  # what results have beside the networks
One = Annotated[Names, Len(0, 1)]
BOTH = ["matching", "classification"]


@settings
class Sets:
    """Data sets by role. compared : on which the chapter's three networks are trained (Tables 7.2 to 7.4). Of these

    described, labelled : those that Chapters 5 and 6 have too, beside which CCA stands, and all others. ablated : Tables 7.6 and 7.7.
    studied : Tables 7.5 and 7.9. fine : Table 7.8, Figure 7.12. swept : Figures 7.9, 7.10. swept_classes : Figure 7.11.
    mapped : Figure 7.3. pictured : Figures 7.7 and 7.8, which show pictures.
    """

    compared: Names
    described: Names
    labelled: Names
    ablated: One
    studied: One
    fine: Names
    swept: One
    swept_classes: One
    mapped: One
    pictured: Names


@settings
class Models:
    """Blocks by role, which is that of the sets that they are trained on; `other`, by encoders.other, is on sets.studied."""

    compared: Names
    ablated: Names
    studied: Names
    other: Names
    fine: Names
    swept: Names
    swept_classes: Names

    ROLES: ClassVar = {  # of blocks -> of sets
        "compared": "compared",
        "ablated": "ablated",
        "studied": "studied",
        "other": "studied",
        "fine": "fine",
        "swept": "swept",
        "swept_classes": "swept_classes",
    }

    def blocks(self, sets: Sets, dataset: str) -> list[str]:
        """The blocks that are trained on a data set."""
        return [block for role, of in self.ROLES.items() if dataset in getattr(sets, of) for block in getattr(self, role)]


@settings
class Evaluation:
    """relevance : of each set, whether an answer is right that belongs to the query's image, or one of its class. accuracy : over what.

    Both are reported, of either; these are the ones that tables and claims have.
    """

    relevance: dict[Name, Literal["instance", "class"]]
    accuracy: Literal["pairs", "images"]


@settings
class Counted:
    """The thesis's dimensions of features, of each of the encoders, and numbers of classes, for counts of parameters."""

    images: Count
    other: Count
    texts: Count
    classes: dict[Name, Count]


def _point(**changes: Any) -> list[dict[str, Any]]:
    return [{"losses": BOTH, **changes}]


@settings
class Chapter(core.Chapter):
    """The whole section. variants : in blocks, each of which one stage trains, one after the other. labels, per_set,
    lengths : by data set."""

    sets: Sets
    encoders: Encoders
    variants: dict[Name, Annotated[dict[Name, Variant], Len(1)]]
    models: Models
    seeds: Seeds
    counted: Counted
    labels: dict[Name, Labels]
    network: Network
    training: Training
    per_set: dict[Name, PerSet]
    lengths: dict[Name, Length]
    evaluation: Evaluation
    figures: Figures

    NEEDS: ClassVar = ("matching",)
    THESIS: ClassVar = {  # Sections 7.2 and 7.4; neither the lengths of Algorithm 3's stages nor their rates beyond the first, nor a start
        "encoders.images": ["resnet152"],
        "encoders.other": ["vgg19"],
        "encoders.texts": ["mean"],
        "variants.compared.mm": [{"losses": ["matching"]}],
        "variants.compared.mc": [{"losses": ["classification"]}],
        "variants.compared.mmc": [{"losses": BOTH}],
        **{f"variants.fusions.mm-{way}": [{"losses": ["matching"], "fusion": way}] for way in ("none", "sum", "multiplication")},
        **{f"variants.fusions.mmc-{way}": _point(fusion=way) for way in ("none", "sum", "multiplication")},
        "variants.heads.mmc-fc": _point(head="fc"),
        "variants.heads.mmc-bilinear": _point(head="bilinear"),
        **{f"variants.batches.mmc-batch-{size}": _point(batch_size=size) for size in (100, 250, 500)},
        **{f"variants.batches-large.mmc-batch-{size}": _point(batch_size=size) for size in (1000, 2000)},
        "variants.dspe.dspe": [{"losses": ["matching"], "fusion": "none", "layers": 2}],
        "variants.other.mmc-vgg19": _point(images="other"),
        "variants.vision.vision": [{"losses": ["classification"], "sees": "vision", "head": "fc"}],
        **{f"variants.{name}.{name}": _point(beta=beta) for name, beta in BETAS.items()},
        **{f"variants.mmc-d-{size}.mmc-d-{size}": _point(dimension=size) for size in (512, 1024, 2048, 4096, 8192, 20000)},
        "network.widths": [[2048, 512, 512, 512]],
        "network.dropout": [0.5],
        "network.norm_input": [True],
        "training.margin": [0.1],
        "training.alpha": [2],
        "training.momentum": [0.9],
        "training.weight_decay": [0.0005],
        "per_set.pascal_sentence": [{"batch_size": 128, "negatives": 20, "beta": 0.5, "dimension": 2048}],
        "per_set.mscoco": [{"batch_size": 1500, "negatives": 50, "beta": 0.5, "dimension": 2048}],
        "per_set.flowers102_texts": [{"batch_size": 128, "negatives": 20, "beta": 1.2, "dimension": 4096}],
        "per_set.cub200_texts": [{"batch_size": 128, "negatives": 20, "beta": 1.2, "dimension": 4096}],
        **{f"lengths.{name}.first.learning_rate": [0.1] for name in ("pascal_sentence", "mscoco", "flowers102_texts", "cub200_texts")},
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        names = [name for block in self.variants.values() for name in block]
        refuse_twins("variants", names)
        if RESERVED in names:
            raise ValueError(f"variants has {RESERVED}, as results call something that is no network: give it another name")
        self._check_sets()
        for role, of in Models.ROLES.items():
            self._check_role(role, of)
        for dataset in self.sets.compared:
            blocks = self.models.blocks(self.sets, dataset)
            if twice := next((block for block in blocks if blocks.count(block) > 1), None):
                raise ValueError(f"{dataset} would train the block {twice} twice, as two roles of models have it: take it out of one")
            for block in blocks:
                self._check_batches(dataset, block)
        self._check_figures()

    def _check_sets(self) -> None:
        sets = self.sets
        for role in ("compared", "fine", "pictured"):
            refuse_twins(f"sets.{role}", getattr(sets, role))
        for role in ("described", "labelled", "ablated", "studied", "fine", "swept", "swept_classes", "mapped", "pictured"):
            if absent := [name for name in getattr(sets, role) if name not in sets.compared]:
                raise ValueError(f"sets.{role} has {absent[0]}, which sets.compared lacks")
        for name in sets.compared:
            if (sets.described + sets.labelled).count(name) != 1:
                raise ValueError(f"sets.compared has {name}, which must be in one of sets.described and sets.labelled")
            for key in ("labels", "per_set", "lengths", "evaluation.relevance"):
                if name not in operator.attrgetter(key)(self):
                    raise ValueError(f"{key} lacks {name}, which sets.compared has: add it")
        if absent := [name for name in sets.studied if name not in sets.described and self.models.other]:
            raise ValueError(f"sets.studied has {absent[0]}, whose pictures encoders.other sees too, and sets.described lacks it: add it")

    def _check_role(self, role: str, of: str) -> None:
        if (sets := getattr(self.sets, of)) and not getattr(self.models, role) and role != "other":
            raise ValueError(f"sets.{of} has {sets[0]}, and models.{role} is empty: nothing would be trained on it")
        for block in getattr(self.models, role):
            if block not in self.variants:
                raise ValueError(f"models.{role} has {block}, which variants lacks: there are {', '.join(self.variants)}")
            for name, variant in self.variants[block].items():
                if of in ("swept", "swept_classes") and variant.beta is None and variant.dimension is None:
                    raise ValueError(f"models.{role} has {block}, whose {name} has neither beta nor dimension: it is no point of a sweep")
                if variant.images != (right := "other" if role == "other" else "images"):
                    seen = f"encoders.{variant.images}: networks by encoders.{right} belong there"
                    raise ValueError(f"models.{role} has {block}, whose {name} sees by {seen}")

    def _check_batches(self, dataset: str, block: str) -> None:
        own = self.per_set[dataset]
        for name, variant in self.variants[block].items():
            size = variant.batch_size or own.batch_size
            if "matching" in variant.losses and own.negatives >= size:
                fewer = f"a batch of {size}, as {name}'s, has fewer texts of other images: lower it"
                raise ValueError(f"per_set.{dataset}.negatives is {own.negatives}, and {fewer}")

    def _check_figures(self) -> None:
        figures = self.figures
        figures.check({name: variant for block in self.variants.values() for name, variant in block.items()})
        for role, key, names in (
            ("pictured", "retrieving", figures.retrieving),
            ("pictured", "classifying", figures.classifying),
            ("fine", "learning", figures.learning),
            *((role, "model", [figures.model]) for role in ("swept", "swept_classes", "mapped")),
        ):
            for dataset in getattr(self.sets, role):
                trained = [name for block in self.models.blocks(self.sets, dataset) for name in self.variants[block]]
                if absent := [name for name in names if name not in trained]:
                    raise ValueError(f"figures.{key} has {absent[0]}, and models trains no {absent[0]} on {dataset}, which sets.{role} has")

    def used(self) -> Iterator[Use]:
        """The data sets; their encoders are what `matching` uses."""
        yield from (Use(name, f".sets.compared has {name}", ("captioned",)) for name in self.sets.compared)

    def conflicts(self, context: Context) -> Iterator[str]:
        """What is seen here and is not among the features that `matching` makes."""
        if not (sets := self.sets).compared:
            return
        matching, encoders = context.sections["matching"], self.encoders
        for role, key, there in (
            ("described", "described", matching.sets.described),
            ("described", "compared", matching.sets.compared if self.models.other else sets.described),
            ("labelled", "labelled", matching.sets.labelled),
        ):
            if absent := [name for name in getattr(sets, role) if name not in there]:
                yield f"sets.{role} has {absent[0]}, which matching.sets.{key} lacks: add it"
        for role, key, on, there in (
            ("images", "images", sets.compared, matching.images),
            ("other", "others", sets.described and self.models.other, matching.others),
            ("texts", "sentences", sets.described, matching.sentences),
            ("texts", "labelled.sentences", sets.labelled, matching.labelled.sentences),
        ):
            if on and (name := getattr(encoders, role)) not in there:
                yield f"encoders.{role} is {name}, which matching.{key} lacks: add it"
