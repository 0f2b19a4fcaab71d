"""The parameters `matching`: what cannot be is one sentence; what differs from the thesis is not full."""

from typing import Any

import composed
import pytest

from stages.core.settings import Use
from stages.matching.settings import Chapter

CHAPTER = "matching"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sets": {"described": ["flickr30k", "flickr30k"]}}, "sets.described names one twice"),
        ({"sets": {"described": ["pascal"], "compared": []}}, "sets.described has pascal, which options lacks: there are"),
        ({"images": ["vgg19"]}, "images and others names one twice"),
        ({"sets": {"compared": ["flickr8k"]}}, "sets.compared has flickr8k, which sets.described lacks"),
        ({"others": []}, "sets.compared has flickr30k, and others is empty: name an encoder"),
        ({"images": []}, "sets.described names sets, and images or sentences is empty: name an encoder of each"),
        ({"words": ["fasttext"]}, "words has fasttext, which vocabularies lacks: there are word2vec, glove"),
        ({"words": ["glove"]}, "sentences has hglmm, which is made of word2vec, and words lacks word2vec"),
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
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert [one for one in composed.problems(CHAPTER, changes, "paper") if sentence in one], composed.problems(CHAPTER, changes, "paper")


def test_what_it_uses() -> None:
    sets = {"described": ["flickr8k", "mscoco"], "compared": ["mscoco"]}
    chapter = composed.section(CHAPTER, {"sets": sets, "others": ["squeezenet1_1"], "words": ["glove", "word2vec"]})
    assert list(chapter.used()) == [
        Use("flickr8k", ".sets.described has flickr8k", ("captioned",)),
        Use("mscoco", ".sets.described has mscoco", ("captioned",)),
        Use("resnet152", ".images has resnet152", ("encoder",)),
        Use("squeezenet1_1", ".others has squeezenet1_1", ("encoder",)),
        Use("glove", ".words has glove", ("words",)),
        Use("word2vec", ".words has word2vec", ("words",)),
    ]
    assert list(composed.section(CHAPTER, {"sets": {"described": [], "compared": []}}).used()) == []


def test_it_has_no_tables() -> None:
    assert not Chapter.TABLES
