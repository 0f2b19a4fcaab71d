"""The parameters `matching`: which sets are described for Chapters 5 to 7, by which encoders."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from stages.core import settings as core
from stages.core.settings import Count, Ge, Gt, Le, Name, Names, NotNegativeCount, Use, field, refuse_twins, settings
from stages.matching.cca_settings import Cca

MIXTURES = ("gmm", "lmm", "hglmm")


@settings
class Sets:
    """described : whose pictures and captions have features. compared : of these, whose pictures have those of `others` too.

    labelled : others, which Chapter 7 alone sees: pictures by `images`, captions by `Chapter.labelled` only, no CCA.
    """

    described: Names
    compared: Names
    labelled: Names


@settings
class Labelled:
    """What the captions of labelled sets are seen by: of `Chapter.words` and, made of these, of `Chapter.sentences`."""

    words: Names
    sentences: Names


@settings
class Text:
    """How sentences become vectors. words : whose word vectors they are made of, one of `Chapter.words`.

    mean : of the word vectors. gmm, lmm, hglmm : the Fisher vector of a mixture of so many components, after so many iterations of EM and,
    with ica, independent component analysis; by PCA `kept` of its components are kept, all without. bilstm : the maximum over a
    bidirectional LSTM of so many units (published weights bring their own), where masked says that padding is left out.
    seed : of what is drawn.
    """

    kind: Literal["mean", "gmm", "lmm", "hglmm", "bilstm"]
    words: Name
    components: Count | None = None
    iterations: Count | None = None
    ica: bool = True
    kept: Count | None = None
    units: Count | None = None
    masked: bool = True
    batch_size: Count = 64
    seed: NotNegativeCount = 0

    def __post_init__(self) -> None:
        needs = ("components", "iterations") if self.kind in MIXTURES else ("units",) if self.kind == "bilstm" else ()
        for key in ("components", "iterations", "kept", "units"):
            given, known = getattr(self, key) is not None, key in needs or (key == "kept" and self.kind in MIXTURES)
            if given and not known:
                raise ValueError(f"{key} is not for the kind {self.kind}: leave it out")
            if key in needs and not given:
                raise ValueError(f"the kind {self.kind} needs {key}")


@settings
class Vocabulary:
    """How captions are looked up in word vectors. lower : in small letters.

    share : of all words, what mixtures are fitted to, drawn by the words themselves; in the thesis's source a tenth, 300,000.
    """

    lower: bool
    share: Annotated[float, Gt(0), Le(1)]


@settings
class Pictures:
    """How whole pictures are seen. short_side : to which they are brought, in pixels. batch_size : of pictures of one size."""

    short_side: Annotated[int, Ge(32)]
    batch_size: Count


@settings
class Chapter(core.Chapter):
    """The whole section. images, others, words : encoders of pictures and word vectors by their names in workflow/sources.yaml.

    texts : encoders of sentences by name; sentences : of these, those in force. options : of a set's reader, by set.
    """

    sets: Sets
    options: dict[Name, dict[Name, Name | int | float]]
    images: Names
    others: Names
    words: Names
    sentences: Names
    labelled: Labelled
    pictures: Pictures
    vocabularies: dict[Name, Vocabulary]
    cca: Cca
    texts: dict[Name, Text] = field(default_factory=dict)

    TABLES: ClassVar = False
    THESIS: ClassVar = {  # Sections 5.3.1 and 5.4
        "options.flickr30k.split": ["mao"],
        "options.mscoco.test": [None, "mao1k"],  # its reader's own where none is given
        "options.pascal_sentence.val_per_class": [None, 5],
        "options.pascal_sentence.test_per_class": [None, 5],
        "pictures.short_side": [512],
        "texts.hglmm": [{"kind": "hglmm", "words": "word2vec", "components": 30, "iterations": 10, "ica": True, "kept": 6000}],
        "texts.mean": [{"kind": "mean", "words": "word2vec"}],  # Section 6.4.5
        "texts.rnn.words": ["infersent"],
        "texts.rnn.units": [2048],
    }

    def __post_init__(self) -> None:
        refuse_twins("sets.described and sets.labelled", self.sets.described + self.sets.labelled)
        refuse_twins("sets.compared", self.sets.compared)
        refuse_twins("images and others", self.images + self.others)
        for key in ("words", "sentences"):
            refuse_twins(key, getattr(self, key))
            refuse_twins(f"labelled.{key}", getattr(self.labelled, key))
        if absent := [name for name in self.sets.compared if name not in self.sets.described]:
            raise ValueError(f"sets.compared has {absent[0]}, which sets.described lacks")
        if self.sets.compared and not self.others:
            raise ValueError(f"sets.compared has {self.sets.compared[0]}, and others is empty: name an encoder")
        for key, names, table in (
            ("sets.described", self.sets.described, "options"),
            ("sets.labelled", self.sets.labelled, "options"),
            ("words", self.words, "vocabularies"),
            ("sentences", self.sentences, "texts"),
            ("labelled.words", self.labelled.words, "words"),
            ("labelled.sentences", self.labelled.sentences, "sentences"),
        ):
            known = getattr(self, table)
            if unknown := [name for name in names if name not in known]:
                raise ValueError(f"{key} has {unknown[0]}, which {table} lacks: there are {', '.join(known)}")
        for role, key, seen_by in (("described", "", self), ("labelled", "labelled.", self.labelled)):
            for name in seen_by.sentences:
                if (source := self.texts[name].words) not in seen_by.words:
                    raise ValueError(f"{key}sentences has {name}, which is made of {source}, and {key}words lacks {source}")
            if getattr(self.sets, role) and not (self.images and seen_by.sentences):
                raise ValueError(f"sets.{role} names sets, and images or {key}sentences is empty: name an encoder of each")

    def used(self) -> Iterator[Use]:
        """The sets that are described, the networks that see their pictures and the vectors of their words."""
        sets = self.sets
        for role in ("described", "labelled"):
            yield from (Use(name, f".sets.{role} has {name}", ("captioned",)) for name in getattr(sets, role))
        for key, kind, on in (
            ("images", "encoder", sets.described or sets.labelled),
            ("others", "encoder", sets.compared),
            ("words", "words", sets.described),
        ):
            yield from (Use(name, f".{key} has {name}", (kind,)) for name in (getattr(self, key) if on else ()))
        for name in self.labelled.words if sets.labelled and not sets.described else ():
            yield Use(name, f".labelled.words has {name}", ("words",))


def lacking(matching: Chapter, sets: Mapping[str, list[str]], encoders: Mapping[str, str], *, labelled: bool = False) -> Iterator[str]:
    """What a chapter is to see and `matching` does not make features of: a sentence each, which begins with the chapter's key.

    sets : its data sets by role. encoders : names by key, whose last part is texts, images or, of images on sets that are compared, other.
    labelled : whether its sets may be of sets.labelled too, whose captions fewer encoders of texts see.
    """
    used = {name for names in sets.values() for name in names}
    where = "matching.sets.described" + (" or .labelled" if labelled else "")
    for role, names in sets.items():
        for name in names:
            if name not in matching.sets.described and not (labelled and name in matching.sets.labelled):
                yield f"sets.{role} has {name}, which {where} lacks: add it"
    for key, name in encoders.items():
        there = {"texts": "sentences", "images": "images", "other": "others"}[key.rpartition(".")[2]]
        if name not in getattr(matching, there):
            yield f"{key} is {name}, which matching.{there} lacks: add it"
        elif there == "sentences" and used & {*matching.sets.labelled} and name not in matching.labelled.sentences:
            yield f"{key} is {name}, which matching.labelled.sentences lacks: add it"
