"""The chapter's section of params.yaml."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from stages.ch3_edges.detection_settings import Detectors, ForestSettings, Preparation, Responses, Suppression
from stages.ch3_edges.networks import Models, Sets, tested, trained
from stages.ch3_edges.training_settings import Recipe, Training, Variant, finetuned_name
from stages.core import settings as core
from stages.core.settings import Context, Count, Name, NotNegativeCount, Positive, Seeds, Use, refuse_twins, settings

THRESHOLDS = 99  # the boundary benchmark's
# The author's solver has 500 iterations, the text 625.
SECTION_3_4_1 = [{"iterations": steps, "learning_rate": 1e-9, "balanced": False} for steps in (500, 625)]
SECTION_2_4_5 = [{"iterations": 625, "learning_rate": 1e-6, "balanced": True}]


@settings
class Variants:
    """What each network is, by kind of training: a stage each, which reads the entry of its own network only."""

    general: dict[Name, Variant]
    relaxed: dict[Name, Variant]
    pretrained: dict[Name, Variant]
    finetuned: dict[Name, Variant]

    def __post_init__(self) -> None:
        for kind, entries in vars(self).items():
            takes = kind in ("relaxed", "finetuned")  # those stages have relaxed labels among their dependencies
            for name in [name for name, variant in entries.items() if bool(variant.relaxed) != takes]:
                wrong = "lacks relaxed, the detector of its labels" if takes else "has relaxed labels"
                raise ValueError(f"{kind}.{name} {wrong}: variants of relaxed and finetuned have them, others have not")

    def names(self) -> set[str]:
        """What the networks may be called."""
        pairs = {finetuned_name(model, start) for model in self.finetuned for start in self.pretrained}
        return {*self.general, *self.relaxed, *self.pretrained, *pairs}


@settings
class Recipes:
    """By kind of training, for variants without a recipe of their own."""

    general: Recipe
    relaxed: Recipe
    pretrained: Recipe
    finetuned: Recipe


Titled = list[tuple[Name, str]]  # not a mapping, whose order the files of parameters do not keep


@settings
class Panels:
    """Figures of results: the networks that each shows, with their titles; those that are not trained are left out."""

    figure_2_15: Titled
    figure_3_7: Titled
    figure_3_9: Titled


@settings
class Figures:
    """curves : networks of Figure 3.8, with titles, besides the detectors. images : how many the other figures show."""

    curves: Titled
    panels: Panels
    images: Count


@settings
class Chapter(core.Chapter):
    sets: Sets
    variants: Variants
    models: Models
    seeds: Seeds
    structured_edges: Name
    forest: ForestSettings
    forest_seed: NotNegativeCount
    detectors: Detectors
    relaxed: Responses
    prepare: Preparation
    training: Training
    recipes: Recipes
    suppression: Suppression
    thresholds: Count
    tolerances: dict[Name, list[Positive]]
    figures: Figures

    THESIS: ClassVar[Mapping[str, list[Any]]] = {  # Sections 3.4.1, 2.4.5 and 3.4.4
        "prepare": [{"size": [400, 400], "annotators": 3, "dilation": 1}],
        "training.batch_size": [8],
        "training.alpha": [9],
        "training.beta": [1],
        "training.momentum": [0.9],
        "training.weight_decay": [0.0002],
        "recipes.general": SECTION_3_4_1,
        "recipes.relaxed": SECTION_3_4_1,
        "recipes.finetuned": SECTION_3_4_1,
        "recipes.pretrained": [{"iterations": 10_000, "learning_rate": 1e-9, "balanced": False}],
        "variants.general.hed.recipe": SECTION_2_4_5,
        "variants.general.fcfn.recipe": SECTION_2_4_5,
        "thresholds": [THRESHOLDS],
    }

    def __post_init__(self) -> None:
        refuse_twins("seeds", self.seeds)
        refuse_twins("sets.test", self.sets.test)
        self._check_models()
        self._check_tests()
        self._check_figures()

    def _check_models(self) -> None:
        for kind, variants in vars(self.variants).items():
            if unknown := [name for name in getattr(self.models, kind) if name not in variants]:
                there = f"there are {', '.join(variants)}"
                raise ValueError(f"models.{kind} has {unknown[0]}, which variants.{kind} lacks: {there}")
        networks = trained(self.sets.train, self.sets.coarse, self.models)
        refuse_twins("models", [name for _, name in networks])
        refuse_twins("models.transferred", self.models.transferred)
        if self.sets.train and not (self.models.general or self.models.relaxed):
            raise ValueError(f"sets.train has {self.sets.train[0]}, and models.general and models.relaxed are empty")

    def _check_tests(self) -> None:
        names = [name for _, name in trained(self.sets.train, self.sets.coarse, self.models)]
        absent = [name for name in self.models.transferred if name not in names]
        for dataset in self.sets.test:
            if absent and dataset not in self.sets.train:
                raise ValueError(f"models.transferred has {absent[0]}, which is not trained, and sets.test has {dataset}")
            if not tested(dataset, self.sets.train, self.sets.coarse, self.models):
                raise ValueError(f"sets.test has {dataset}, and no network is tested on it: name some in models.transferred")

    def _check_figures(self) -> None:
        for dataset in self.sets.shown:
            for role in ("train", "test"):
                if dataset not in getattr(self.sets, role):
                    raise ValueError(f"sets.shown has {dataset}, which sets.{role} lacks")
        panels = {f"panels.{figure}": titled for figure, titled in vars(self.figures.panels).items()}
        for key, titled in {"curves": self.figures.curves, **panels}.items():
            refuse_twins(f"figures.{key}", [name for name, _ in titled])
            if unknown := [name for name, _ in titled if name not in self.variants.names()]:
                raise ValueError(f"figures.{key} has {unknown[0]}, and no variant is called so")

    def used(self) -> Iterator[Use]:
        for role, kind in {"train": "edges", "coarse": "regions", "test": "edges"}.items():
            yield from (Use(name, f".sets.{role} has {name}", (kind,)) for name in getattr(self.sets, role))
        if trained(self.sets.train, self.sets.coarse, self.models):
            yield Use("vgg16", ".models has networks, which start from VGG-16", ("vgg16",))

    def conflicts(self, context: Context) -> Iterator[str]:
        if any(vars(self.sets).values()) and context.protocol != "miniature" and self.thresholds != THRESHOLDS:
            yield f"thresholds is {self.thresholds}, and must be {THRESHOLDS}: by this benchmark official data are judged"
        if context.origin != "generated":
            return
        for dataset in (*self.sets.train, *self.sets.coarse):
            size = context.miniatures.get(dataset, {})
            images = size.get("train", size.get("images", self.training.batch_size))
            if self.training.batch_size > images:
                yield f"training.batch_size is {self.training.batch_size}, and the generated {dataset} has {images} images"
