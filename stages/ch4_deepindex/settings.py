"""The parameters `ch4_deepindex`: all that params.yaml may have below that key."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from stages.ch4_deepindex.feature_settings import Codebooks, Features, Vocabulary
from stages.core import settings as core
from stages.core.settings import Context, Count, Len, Name, Names, Positive, Seeds, Use, refuse_twins, settings


@settings
class Sets:
    """indexed : what is searched in, Tables 4.1 to 4.3; of these, in the other two roles one at most.

    examined : whose index Table 4.4 measures and whose patches Figure 4.2 shows, beside the curves of Figure 4.6.
    shown : whose pictures Figures 4.1 and 4.7 show.
    """

    indexed: Names
    examined: Annotated[Names, Len(0, 1)]
    shown: Annotated[Names, Len(0, 1)]


@settings
class Variant:
    """layers : whose words it indexes, by their names in features.layers; of two, the column and then the row."""

    layers: Annotated[tuple[Name, ...], Len(1, 2)]


@settings
class IndexedSet(Vocabulary):
    """How one data set is searched. best_assignments, alpha : of the best variant with its signature. depth : images listed."""

    best_assignments: Count
    alpha: Positive
    depth: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.best_assignments not in self.assignments:
            raise ValueError(f"best_assignments is {self.best_assignments}, which assignments lacks")


@settings
class InvertedFile:
    """faiss's IVF-PQ. lists, probes : how many, and how many of them are looked at.

    bytes : of a code, beside which an image's number takes 8.
    """

    lists: Count
    probes: Count
    bytes: Count

    def __post_init__(self) -> None:
        if self.probes > self.lists:
            raise ValueError(f"probes is {self.probes}, and there are {self.lists} lists")


@settings
class Ranking:
    """idf : N/n, or its logarithm. sweep_assignments : MA in Figure 4.6 a to c. alphas : in Figure 4.6 d.

    signatures : ways to store it that are compared with float32, at the row signature_dimensions of Table 4.2.
    """

    idf: Literal["ratio", "log"]
    sweep_assignments: Count
    alphas: list[Positive]
    signatures: list[Literal["float16", "pq"]]
    signature_dimensions: Count
    ivfpq: InvertedFile

    def __post_init__(self) -> None:
        refuse_twins("alphas", self.alphas)
        refuse_twins("signatures", self.signatures)


@settings
class Panel:
    """One of Figure 4.6: its letter and its data set's name there. A stand-in has the letter of what it stands for."""

    letter: Name
    title: Name


@settings
class Figures:
    """layer, groups : whose patches Figure 4.2 shows, and of how many groups. curves : by set, its panel of Figure 4.6.

    beside : the set whose results Figure 4.7 shows below those of sets.shown. top : images retrieved in it.
    """

    layer: Name
    groups: Count
    curves: dict[Name, Panel]
    beside: Name
    top: Count


def variant_of(variants: Mapping[str, Variant], layers: tuple[str, ...]) -> str | None:
    """What the variant of these layers is called; None where there is none."""
    return next((name for name, variant in variants.items() if variant.layers == layers), None)


@settings
class Chapter(core.Chapter):
    """The whole section. models : of the variants those that are ranked, in Table 4.1. seeds : of k-means."""

    sets: Sets
    variants: dict[Name, Variant]
    models: Names
    seeds: Seeds
    features: Features
    codebooks: Codebooks
    ranking: Ranking
    per_set: dict[Name, IndexedSet]
    figures: Figures

    THESIS: ClassVar = {
        "features.encoders": [{"shallow": "alexnet", "deep": "vgg19"}],
        "features.layers": [{
            **{name: {"encoder": "shallow", "layer": name} for name in ("fc6", "fc7")},
            **{name: {"encoder": "deep", "layer": name} for name in ("fc17", "fc18")},
        }],
        "features.input_size": [224],
        "features.crop_queries": [True],
        "per_set.holidays.words": [5000],
        "per_set.holidays.assignments": [[1, 3, 5]],
        "per_set.holidays.best": [["fc6", "fc18"]],
        "per_set.holidays.best_assignments": [5],
        "per_set.holidays.alpha": [8],
        "per_set.holidays.depth": [1491],
        "per_set.paris6k.words": [5000],
        "per_set.paris6k.assignments": [[1, 5, 10]],
        "per_set.paris6k.best": [["fc7", "fc18"]],
        "per_set.paris6k.best_assignments": [10],
        "per_set.paris6k.alpha": [4],
        "per_set.paris6k.depth": [6412],
        "per_set.ukb.words": [10_000],
        "per_set.ukb.assignments": [[1, 5, 10]],
        "per_set.ukb.best": [["fc7", "fc18"]],
        "per_set.ukb.best_assignments": [5],
        "per_set.ukb.alpha": [10],
    }  # fmt: skip

    def __post_init__(self) -> None:
        refuse_twins("sets.indexed", self.sets.indexed)
        refuse_twins("seeds", self.seeds)
        refuse_twins("models", self.models)
        self._check_variants()
        for role in ("examined", "shown"):
            for name in getattr(self.sets, role):
                if name not in self.sets.indexed:
                    raise ValueError(f"sets.{role} has {name}, which sets.indexed lacks")
        for name in self.sets.indexed:
            self._check_indexed(name)
        if self.sets.indexed:
            self._check_ranking()
        if self.sets.examined:
            self._check_figure_4_6()
        if self.sets.shown:
            self._check_figure_4_7()

    def _check_variants(self) -> None:
        for name, variant in self.variants.items():
            if unknown := [layer for layer in variant.layers if layer not in self.features.layers]:
                known = _listed(self.features.layers)
                raise ValueError(f"variants.{name} has {unknown[0]}, which features.layers lacks: there are {known}")
            if (other := variant_of(self.variants, variant.layers)) != name:
                raise ValueError(f"variants.{other} and variants.{name} are of the same layers: leave one out")
        if unknown := [name for name in self.models if name not in self.variants]:
            raise ValueError(f"models has {unknown[0]}, which variants lacks: there are {_listed(self.variants)}")

    def _check_indexed(self, name: str) -> None:
        if not self.models:
            raise ValueError(f"sets.indexed has {name}, and models is empty")
        if name not in self.per_set:
            raise ValueError(f"sets.indexed has {name}, which per_set lacks: say there how many words it has, and how it is searched")
        own = self.per_set[name]
        if variant_of(self.variants, own.best) is None:
            raise ValueError(f"per_set.{name}.best is {_listed(own.best)}, and no variant is of these layers")
        if not self.ranking.alphas and not own.sweep:
            raise ValueError(f"ranking.alphas and per_set.{name}.sweep are both empty, and Figure 4.6 shows one of them at least")
        if (asked := self.ranking.sweep_assignments) > (most := max(own.assignments)):
            raise ValueError(f"ranking.sweep_assignments is {asked}, and per_set.{name}.assignments has at most {most}")

    def _check_ranking(self) -> None:
        row, dimensions, code = self.ranking.signature_dimensions, self.codebooks.dimensions, self.ranking.ivfpq.bytes
        if (self.sets.examined or self.ranking.signatures) and row not in dimensions:
            raise ValueError(f"ranking.signature_dimensions is {row}, which codebooks.dimensions lacks")
        if 8 * code > self.codebooks.width * max(dimensions):
            raise ValueError(
                f"ranking.ivfpq.bytes: {code} bytes code 8 components each, of more than the largest of codebooks.dimensions has"
            )

    def _check_figure_4_6(self) -> None:
        if self.figures.layer not in self.features.layers:
            raise ValueError(f"figures.layer is {self.figures.layer}, which features.layers lacks")
        if lacking := [name for name in self.sets.indexed if name not in self.figures.curves]:
            raise ValueError(f"figures.curves lacks {lacking[0]}, which sets.indexed has: name its panel there, or empty sets.examined")

    def _check_figure_4_7(self) -> None:
        (shown,), beside = self.sets.shown, self.figures.beside
        if beside not in self.sets.indexed or beside == shown:
            raise ValueError(f"figures.beside is {beside}: it should be another of sets.indexed than {shown}, or sets.shown empty")
        for name in (shown, beside):
            best = self.per_set[name].best
            for layers in (best[-1:], best):
                if variant_of(self.variants, layers) not in self.models:
                    raise ValueError(f"sets.shown shows what the variant of {_listed(layers)} retrieves in {name}, and models has no such")

    def used(self) -> Iterator[Use]:
        """The data sets that are indexed, and the networks that describe their pictures."""
        yield from (Use(name, f".sets.indexed has {name}", ("retrieval",)) for name in self.sets.indexed)
        encoders = self.features.encoders
        for name in (encoders.shallow, encoders.deep) if self.sets.indexed else ():
            yield Use(name, f".features.encoders has {name}", ("encoder",))

    def conflicts(self, context: Context) -> Iterator[str]:
        """A width that official encoders do not have."""
        if self.sets.indexed and context.origin == "official" and self.codebooks.width != 1:
            yield "codebooks.width is of generated encoders; of official ones it must be 1"


def _listed(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(names)
