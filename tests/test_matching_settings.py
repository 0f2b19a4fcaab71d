"""The parameters `matching`: what cannot be is one sentence; what differs from the thesis is not full."""

from typing import Any

import composed
import pytest

from stages.core.settings import Use
from stages.matching.settings import Chapter, lacking

CHAPTER = "matching"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sets": {"described": ["flickr30k", "flickr30k"]}}, "sets.described and sets.labelled names one twice"),
        ({"sets": {"labelled": ["flickr30k"]}}, "sets.described and sets.labelled names one twice"),
        ({"sets": {"described": ["pascal"], "compared": []}}, "sets.described has pascal, which options lacks: there are"),
        ({"sets": {"labelled": ["pascal"]}}, "sets.labelled has pascal, which options lacks: there are"),
        ({"images": ["vgg19"]}, "images and others names one twice"),
        ({"sets": {"compared": ["flickr8k"]}}, "sets.compared has flickr8k, which sets.described lacks"),
        ({"others": []}, "sets.compared has flickr30k, and others is empty: name an encoder"),
        ({"images": []}, "sets.described names sets, and images or sentences is empty: name an encoder of each"),
        ({"words": ["fasttext"]}, "words has fasttext, which vocabularies lacks: there are word2vec, glove"),
        ({"words": ["glove"], "labelled": {"words": []}}, "sentences has hglmm, which is made of word2vec, and words lacks word2vec"),
        ({"labelled": {"words": ["glove"]}}, "labelled.words has glove, which words lacks: there are word2vec, infersent"),
        ({"labelled": {"sentences": ["gmm"]}}, "labelled.sentences has gmm, which sentences lacks: there are hglmm, mean, rnn"),
        ({"labelled": {"sentences": ["rnn"]}}, "labelled.sentences has rnn, which is made of infersent, and labelled.words lacks"),
        ({"labelled": {"sentences": []}}, "sets.labelled names sets, and images or labelled.sentences is empty: name an encoder of each"),
        ({"sentences": ["gmm"]}, "sentences has gmm, which texts lacks: there are hglmm, mean, rnn"),
        ({"texts": {"hglmm": {"components": None}}}, "matching.texts.hglmm: the kind hglmm needs components"),
        ({"texts": {"rnn": {"units": None}}}, "matching.texts.rnn: the kind bilstm needs units"),
        ({"texts": {"mean": {"kept": 5}}}, "matching.texts.mean: kept is not for the kind mean: leave it out"),
        ({"texts": {"rnn": {"components": 5}}}, "matching.texts.rnn: components is not for the kind bilstm: leave it out"),
        ({"texts": {"mean": {"kind": "bow"}}}, "matching.texts.mean.kind"),
        ({"vocabularies": {"glove": {"share": 0}}}, "vocabularies.glove.share"),
        ({"pictures": {"short_side": 16}}, "matching.pictures.short_side"),
        ({"pictures": {"short_side": 256}}, "matching.pictures.short_side differs from the thesis's (512), and is 256"),
        ({"texts": {"hglmm": {"ica": False}}}, "matching.texts.hglmm differs from the thesis's"),
        ({"options": {"flickr30k": {"split": "karpathy"}}}, "matching.options.flickr30k.split differs from the thesis's (mao)"),
        ({"options": {"mscoco": {"test": "full5k"}}}, "matching.options.mscoco.test differs from the thesis's"),
        ({"options": {"pascal_sentence": {"test_per_class": 6}}}, "options.pascal_sentence.test_per_class differs from the thesis's"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert [one for one in composed.problems(CHAPTER, changes, "paper") if sentence in one], composed.problems(CHAPTER, changes, "paper")


def test_what_it_uses() -> None:
    sets = {"described": ["flickr8k", "mscoco"], "compared": ["mscoco"], "labelled": ["pascal_sentence"]}
    chapter = composed.section(CHAPTER, {"sets": sets, "others": ["squeezenet1_1"], "words": ["glove", "word2vec"]})
    assert list(chapter.used()) == [
        Use("flickr8k", ".sets.described has flickr8k", ("captioned",)),
        Use("mscoco", ".sets.described has mscoco", ("captioned",)),
        Use("pascal_sentence", ".sets.labelled has pascal_sentence", ("captioned",)),
        Use("resnet152", ".images has resnet152", ("encoder",)),
        Use("squeezenet1_1", ".others has squeezenet1_1", ("encoder",)),
        Use("glove", ".words has glove", ("words",)),
        Use("word2vec", ".words has word2vec", ("words",)),
    ]
    labelled = composed.section(CHAPTER, {"sets": {"described": [], "compared": [], "labelled": ["pascal_sentence"]}})
    assert [use.why for use in labelled.used()] == [
        ".sets.labelled has pascal_sentence",
        ".images has resnet152",
        ".labelled.words has word2vec",
    ]
    assert list(composed.section(CHAPTER, {"sets": {"described": [], "compared": [], "labelled": []}}).used()) == []


def test_what_a_chapter_sees_and_matching_does_not_make() -> None:
    matching = composed.section(CHAPTER, {"sets": {"described": ["mscoco"], "compared": ["mscoco"], "labelled": ["pascal_sentence"]}})
    assert isinstance(matching, Chapter)

    def missing(*sets: str, labelled: bool = True, **encoders: str) -> list[str]:
        by = {f"encoders.{role}": name for role, name in encoders.items()}
        return list(lacking(matching, {"compared": list(sets)}, by, labelled=labelled))

    assert missing("mscoco", "pascal_sentence", images="resnet152", other="vgg19", texts="mean") == []
    assert missing("mscoco", texts="rnn") == []
    assert missing("mscoco", "pascal_sentence", texts="rnn") == ["encoders.texts is rnn, which matching.labelled.sentences lacks: add it"]
    assert missing("pascal_sentence", texts="gmm") == ["encoders.texts is gmm, which matching.sentences lacks: add it"]
    assert missing("flickr8k") == ["sets.compared has flickr8k, which matching.sets.described or .labelled lacks: add it"]
    says = "sets.compared has pascal_sentence, which matching.sets.described lacks: add it"
    assert missing("pascal_sentence", labelled=False) == [says]


def test_it_has_no_tables() -> None:
    assert not Chapter.TABLES
