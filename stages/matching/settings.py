"""The parameters `matching`: which sets are described for Chapters 5 to 7, by which encoders."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from stages.core import settings as core
from stages.core.settings import Count, Ge, Gt, Le, Name, Names, NotNegativeCount, Use, field, refuse_twins, settings
from stages.matching.cca_settings import Cca

MIXTURES = ("gmm", "lmm", "hglmm")


@settings
class Sets:
    """described : whose pictures and captions have features. compared : of these, whose pictures have those of `others` too."""

    described: Names
    compared: Names


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
    pictures: Pictures
    vocabularies: dict[Name, Vocabulary]
    cca: Cca
    texts: dict[Name, Text] = field(default_factory=dict)

    TABLES: ClassVar = False
    THESIS: ClassVar = {  # Sections 5.3.1 and 5.4
        "options.flickr30k.split": ["mao"],
        "options.mscoco.test": [None, "mao1k"],  # its reader's own where none is given
        "pictures.short_side": [512],
        "texts.hglmm": [{"kind": "hglmm", "words": "word2vec", "components": 30, "iterations": 10, "ica": True, "kept": 6000}],
        "texts.mean": [{"kind": "mean", "words": "word2vec"}],  # Section 6.4.5
        "texts.rnn.words": ["infersent"],
        "texts.rnn.units": [2048],
    }

    def __post_init__(self) -> None:
        sets = {"sets.described": self.sets.described, "sets.compared": self.sets.compared}
        for key, names in (*sets.items(), ("images and others", self.images + self.others), ("words", self.words)):
            refuse_twins(key, names)
        refuse_twins("sentences", self.sentences)
        if absent := [name for name in self.sets.compared if name not in self.sets.described]:
            raise ValueError(f"sets.compared has {absent[0]}, which sets.described lacks")
        if self.sets.compared and not self.others:
            raise ValueError(f"sets.compared has {self.sets.compared[0]}, and others is empty: name an encoder")
        for key, names, known in (
            ("sets.described", self.sets.described, self.options),
            ("words", self.words, self.vocabularies),
            ("sentences", self.sentences, self.texts),
        ):
            if unknown := [name for name in names if name not in known]:
                table = {"sets.described": "options", "words": "vocabularies", "sentences": "texts"}[key]
                raise ValueError(f"{key} has {unknown[0]}, which {table} lacks: there are {', '.join(known)}")
        for name in self.sentences:
            if (words := self.texts[name].words) not in self.words:
                raise ValueError(f"sentences has {name}, which is made of {words}, and words lacks {words}")
        if self.sets.described and not (self.images and self.sentences):
            raise ValueError("sets.described names sets, and images or sentences is empty: name an encoder of each")

    def used(self) -> Iterator[Use]:
        """The sets that are described, the networks that see their pictures and the vectors of their words."""
        for name in self.sets.described:
            yield Use(name, f".sets.described has {name}", ("captioned",))
        for key, names in (("images", self.images if self.sets.described else []), ("others", self.others if self.sets.compared else [])):
            yield from (Use(name, f".{key} has {name}", ("encoder",)) for name in names)
        for name in self.words if self.sets.described else ():
            yield Use(name, f".words has {name}", ("words",))


def lacking(matching: Chapter, sets: Mapping[str, list[str]], encoders: Mapping[str, str]) -> Iterator[str]:
    """What a chapter is to see and `matching` does not make features of: a sentence each, which begins with the chapter's key.

    sets : its data sets by role. encoders : names by key, whose last part is texts, images or, of images on sets that are compared, other.
    """
    for role, names in sets.items():
        for name in names:
            if name not in matching.sets.described:
                yield f"sets.{role} has {name}, which matching.sets.described lacks: add it"
    for key, name in encoders.items():
        there = {"texts": "sentences", "images": "images", "other": "others"}[key.rpartition(".")[2]]
        if name not in getattr(matching, there):
            yield f"{key} is {name}, which matching.{there} lacks: add it"
