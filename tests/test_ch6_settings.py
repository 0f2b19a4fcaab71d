"""The parameters of Chapter 6: what cannot be is one sentence, and what differs from the thesis is not full."""

from typing import Any

import composed
import pytest

from stages.core.settings import Use
from workflow import params

CHAPTER = "ch6_cyclematch"
ON = composed.params("paper")[CHAPTER]
CYCLE = ON["variants"]["embeddings"]["cycle"]


def problems(key: str, value: Any) -> list[str]:
    """What is wrong with the scale paper if the chapter's `key` is `value`."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return composed.problems(CHAPTER, value, "paper")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seeds", [0, 0], "ch6_cyclematch: seeds names one twice"),
        ("sets.compared", ["mscoco", "mscoco"], "ch6_cyclematch: sets.compared names one twice"),
        ("sets.compared", ["pascal"], "lengths lacks pascal, which sets has: say how long trainings on it are"),
        ("sets.shown", ["flickr8k"], "sets.shown has flickr8k, which sets.compared lacks"),
        ("sets.shown", ["flickr30k", "mscoco"], "ch6_cyclematch.sets.shown"),
        ("sets.pictured", ["flickr8k"], "sets.pictured has flickr8k, which sets.compared lacks"),
        ("figures.beside", "flickr8k", "figures.beside is flickr8k, which sets.compared lacks: name one, or empty sets.pictured"),
        ("figures.model", "rrf-3", "figures.model is rrf-3, and models trains no rrf-3: name one of latent-match, dual-match"),
        ("figures.model", "cycle-i2t2i", "figures.model is cycle-i2t2i, which has no t2i-rec, and Figure 6.4 shows it: name one"),
        ("models.compared", [], "sets.compared has flickr30k, and models.compared is empty: nothing would be trained on it"),
        ("models.mean", ["glove"], "models.mean has glove, which variants lacks: there are embeddings, other, mean, fisher, rnn"),
        ("models.rnn", ["fisher"], "models names one twice"),
        ("models", {"compared": ["embeddings", "other"], "other": []},
            "models.compared has other, whose cycle-vgg19 sees by encoders.other and encoders.texts: networks by encoders.images and"),
        ("models", {"fisher": ["rnn"], "rnn": []},
            "models.fisher has rnn, whose cycle-rnn sees by encoders.images and encoders.rnn: networks by encoders.images"),
        ("variants.more", {"cycle": CYCLE}, "ch6_cyclematch: variants names one twice"),
        ("variants.all", {}, "ch6_cyclematch.variants.all"),
        ("variants.embeddings.cycle.terms", [],
            "variants.embeddings.cycle: terms is empty, and a network is trained by the sum of its terms: name one at least"),
        ("variants.embeddings.cycle.terms", ["i2t-dual", "i2i"], "variants.embeddings.cycle.terms.1: should be 'i2t-dual', 'i2t-rec'"),
        ("variants.embeddings.cycle.terms", ["latent", "latent"], "variants.embeddings.cycle: terms names one twice"),
        ("variants.embeddings.cycle.texts", "hglmm", "variants.embeddings.cycle.texts: should be 'texts', 'mean', 'fisher' or 'rnn'"),
        ("bootstrap.models", ["cycle"], "bootstrap.models has cycle, which is no model, a colon and one of visual, textual, latent"),
        ("bootstrap.models", ["cycle:mean"], "bootstrap.models has cycle:mean, which is no model, a colon and one of"),
        ("bootstrap.models", ["rrf-3:average"], "bootstrap.models has rrf-3:average, and models trains no rrf-3"),
        ("network.widths", [2048, 512, 512, 512], "ch6_cyclematch.network.widths"),
        ("network.latent", "fc3", "ch6_cyclematch.network.latent: should be 'after' or 'before'"),
        ("training.batch_size", 50, "negatives is 50, and a batch of 50 has fewer texts of other images: lower it"),
        ("training.alpha", -1, "ch6_cyclematch.training.alpha: should be greater than or equal to 0"),
        ("lengths.mscoco.validate_every", 75, "validate_every must be a multiple of log_every (50)"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(key: str, value: Any, sentence: str) -> None:
    assert problems(key, value)[0].count(sentence) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoders.texts", "hglmm"), ("training.batch_size", 300), ("training.alpha", 1), ("training.learning_rate", 0.5),
        ("lengths.flickr30k.iterations", 17000), ("inferences.average", {"scores": ["visual", "textual", "latent"]}),
    ],
)  # fmt: skip
def test_what_the_thesis_has_otherwise_is_not_full(key: str, value: Any) -> None:
    wrong = problems(key, value)
    assert [sentence.startswith(f"protocol is full, but {CHAPTER}.{key} differs from the thesis's") for sentence in wrong] == [True]


def test_both_readings_of_a_single_cycle_are_full_and_no_others() -> None:
    key = "variants.embeddings.cycle-i2t2i.terms"
    assert (
        problems(key, ["i2t-dual", "i2t-rec", "i2t-lat"])
        == problems("variants.embeddings.cycle-t2i2t.terms", ["t2i-dual", "t2i-rec", "t2i-lat"])
        == []
    )
    (sentence,) = problems(key, ["i2t-rec", "i2t-lat"])
    assert sentence.startswith("protocol is full, but ch6_cyclematch.variants.embeddings.cycle-i2t2i differs from the thesis's")


@pytest.mark.parametrize("scale", ["mini", "real_cpu", "real", "paper"])
def test_scales_are_right(scale: str) -> None:
    assert composed.problems(CHAPTER, {}, scale) == []


def test_what_is_used() -> None:
    chapter = composed.section(CHAPTER, {}, "paper")
    assert list(chapter.used()) == [Use(name, f".sets.compared has {name}", ("captioned",)) for name in ("flickr30k", "mscoco")]
    assert list(composed.section(CHAPTER, {}, "real").used()) == []


@pytest.mark.parametrize(
    ("scale", "changes", "sentence"),
    [
        ("mini", {"sentences": ["hglmm", "mean"]}, "encoders.texts is rnn, which matching.sentences lacks: add it"),
        ("mini", {"sentences": ["hglmm", "rnn"], "labelled": {"sentences": ["rnn"]}},
            "encoders.mean is mean, which matching.sentences lacks: add it"),
        ("mini", {"sentences": ["mean", "rnn"]}, "encoders.fisher is hglmm, which matching.sentences lacks: add it"),
        ("mini", {"others": ["alexnet"]}, "encoders.other is vgg19, which matching.others lacks: add it"),
        ("mini", {"images": ["vgg19"], "others": ["vgg16"]}, "encoders.images is resnet152, which matching.images lacks: add it"),
        ("mini", {"sets": {"compared": ["flickr30k"]}},
            "sets.compared has mscoco, whose pictures encoders.other sees too, and matching.sets.compared lacks it: add it"),
        ("real", {"images": [], "sentences": []}, ""),  # off
    ],
)  # fmt: skip
def test_what_it_sees_is_made(scale: str, changes: dict[str, Any], sentence: str) -> None:
    wrong = [one for one in params.problems(composed.params(scale, matching=changes)) if one.startswith(CHAPTER)]
    assert wrong[:1] == ([f"{CHAPTER}.{sentence}"] if sentence else [])
