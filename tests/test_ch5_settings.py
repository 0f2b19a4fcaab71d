"""The parameters of Chapter 5: what cannot be is one sentence, and what differs from the thesis is not full."""

from typing import Any

import composed
import pytest

from stages.core.settings import Use
from workflow import params

CHAPTER = "ch5_rrf"
ON = composed.params("paper")[CHAPTER]
BASELINE = ON["variants"]["steps"]["baseline"]


def problems(key: str, value: Any) -> list[str]:
    """What is wrong with the scale paper if the chapter's `key` is `value`."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return composed.problems(CHAPTER, value, "paper")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seeds", [0, 0], "ch5_rrf: seeds names one twice"),
        ("sets.compared", ["flickr30k"], "ch5_rrf: sets.ablated and sets.compared names one twice"),
        ("sets.ablated", ["pascal"], "lengths lacks pascal, which sets has: say how long trainings on it are"),
        ("sets.ablated", ["flickr30k", "flickr8k"], "ch5_rrf.sets.ablated: List should have at most 1 item"),
        ("sets.shown", ["mscoco"], "sets.shown has mscoco, which sets.ablated lacks"),
        ("figures.beside", "flickr8k", "figures.beside is flickr8k, which sets.compared lacks"),
        ("figures.models", ["baseline", "rrf-3-sum"], "figures.models shows rrf-3-sum, and models.compared trains no rrf-3-sum"),
        ("figures.models", ["baseline"], "ch5_rrf.figures.models"),
        ("models.compared", [], "sets.compared has mscoco, and models.compared is empty: nothing would be trained on it"),
        ("models.other", ["rrf-9"], "models.other has rrf-9, which variants lacks: there are steps, fusions, losses, other"),
        ("models.ablated", ["steps", "steps"], "models.ablated names one twice"),
        ("models.ablated", [*ON["models"]["ablated"], "other"],
            "models.ablated has other, whose rrf-3-vgg19 sees by encoders.other: here it must be images"),
        ("models.other", ["losses"],
            "models.other has losses, whose baseline-bidirectional sees by encoders.images: here it must be other"),
        ("variants.more", {"rrf-3": BASELINE}, "ch5_rrf: variants names one twice"),
        ("variants.all", {}, "ch5_rrf.variants.all"),
        ("ensembles.alone", ["rrf-3"], "ch5_rrf.ensembles.alone"),
        ("ensembles.twice", ["rrf-3", "rrf-3"], "ensembles.twice names one twice"),
        ("ensembles.rrf-2", ["rrf-1", "rrf-3"], "ensembles has rrf-2, which is a variant's name: give it another"),
        ("ensembles.more", ["rrf-1", "rrf-9"], "ensembles.more has rrf-9, which is no variant: there are baseline, rrf-1"),
        ("variants.steps.baseline.fusion", "conv", "fusion is conv, and a plain network has one output only: set steps, or fusion to none"),
        ("variants.steps.rrf-1.steps", -1, "ch5_rrf.variants.steps.rrf-1.steps"),
        ("variants.steps.rrf-1.loss", "vse", "variants.steps.rrf-1.loss is vse, which losses lacks: there are bi-rank, bi-directional"),
        ("losses.bi-rank.start", "orthogonal", "ch5_rrf.losses.bi-rank.start: should be 'normal' or 'he'"),
        ("network.widths", [2048, 512, 256, 512], "widths: FC3 adds its input to its output, so 512 and 256 must be equal"),
        ("network.dropout", 1, "ch5_rrf.network.dropout: should be less than 1"),
        ("network.norm_momentum", 0, "ch5_rrf.network.norm_momentum: should be greater than 0"),
        ("training.batch_size", 50, "negatives is 50, and a batch of 50 has fewer texts of other images: lower it"),
        ("training.products", "mine", "ch5_rrf.training.products: should be 'author' or 'printed', and is 'mine'"),
        ("lengths.mscoco.validate_every", 75, "validate_every must be a multiple of log_every (50)"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(key: str, value: Any, sentence: str) -> None:
    assert problems(key, value)[0].count(sentence) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoders.texts", "mean"), ("network.dropout", 0.2), ("training.batch_size", 300), ("training.negatives", 20),
        ("training.margin", 0.2), ("losses.bi-rank.alpha", [1, 1]), ("losses.bi-directional.learning_rate", 0.5),
        ("variants.steps.baseline.loss", "bi-directional"), ("ensembles.rrf-1+3", ["rrf-2", "rrf-3"]),
    ],
)  # fmt: skip
def test_what_the_thesis_has_otherwise_is_not_full(key: str, value: Any) -> None:
    wrong = problems(key, value)
    assert [sentence.startswith(f"protocol is full, but {CHAPTER}.{key} differs from the thesis's") for sentence in wrong] == [True]


@pytest.mark.parametrize("scale", ["mini", "real_cpu", "real", "paper"])
def test_scales_are_right(scale: str) -> None:
    assert composed.problems(CHAPTER, {}, scale) == []


def test_what_is_used() -> None:
    chapter = composed.section(CHAPTER, {}, "paper")
    kinds = ("captioned",)
    assert list(chapter.used()) == [
        Use("flickr30k", ".sets.ablated has flickr30k", kinds),
        Use("mscoco", ".sets.compared has mscoco", kinds),
    ]
    assert list(composed.section(CHAPTER, {}, "real").used()) == []


def test_a_row_of_other_steps_is_not_full_and_the_baselines_two_readings_are() -> None:
    (sentence,) = problems("variants.steps.rrf-3.steps", 2)
    assert sentence.startswith("protocol is full, but ch5_rrf.variants.steps.rrf-3 differs from the thesis's")
    assert problems("variants.steps.baseline.steps", 0) == []


@pytest.mark.parametrize(
    ("scale", "changes", "sentence"),
    [
        ("mini", {"sentences": ["mean"]}, "ch5_rrf.encoders.texts is hglmm, which matching.sentences lacks: add it"),
        ("mini", {"others": ["alexnet"]}, "ch5_rrf.encoders.other is vgg19, which matching.others lacks: add it"),
        (
            "mini",
            {"sets": {"described": ["flickr30k"], "compared": []}},
            "ch5_rrf.sets.compared has mscoco, which matching.sets.described lacks: add it",
        ),
        ("real", {"images": [], "sentences": []}, ""),  # off
    ],
)
def test_what_it_sees_is_made(scale: str, changes: dict[str, Any], sentence: str) -> None:
    wrong = [one for one in params.problems(composed.params(scale, matching=changes)) if one.startswith(CHAPTER)]
    assert wrong == ([sentence] if sentence else [])
