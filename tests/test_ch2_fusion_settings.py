"""The parameters of Section 2.4.1: what is wrong with them is one sentence; scales that are full are the thesis's."""

from typing import Any

import composed
import pytest

from stages.core.settings import Context

CHAPTER = "ch2_fusion"
NONE = {"plain": [], "augmented": [], "shown": []}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training": {"learning_rate": "0.1"}}, ["ch2_fusion.training.learning_rate", "number", "'0.1'"]),
        ({"training": {"learning_rate": None}}, ["ch2_fusion.training.learning_rate", "number", "None"]),
        ({"training": {"learning_rate_steps": [80.5]}}, ["ch2_fusion.training.learning_rate_steps.0", "integer"]),
        ({"training": {"checkpoint_every": 15}}, ["checkpoint_every must be a multiple of log_every (10)"]),
        ({"training": {"test_every": 15}}, ["test_every must be a multiple of log_every (10)"]),
        ({"training": {"learning_rate": float("inf")}}, ["ch2_fusion.training.learning_rate", "finite"]),
        ({"network": {"fusion_init": float("nan")}}, ["ch2_fusion.network.fusion_init", "finite"]),
        ({"network": {"dropout": 1}}, ["ch2_fusion.network.dropout", "less than 1"]),
        ({"network": {"side_kernel_cifar100_b": 2}}, ["ch2_fusion.network.side_kernel_cifar100_b", "1 or 3"]),
        ({"network": {"side_after_dropout": 1}}, ["ch2_fusion.network.side_after_dropout", "boolean"]),
        ({"seeds": 3}, ["ch2_fusion.seeds", "array"]),
        ({"seeds": []}, ["ch2_fusion.seeds", "at least 1"]),
        ({"seeds": [1, 1]}, ["ch2_fusion: seeds names one twice"]),
        ({"seeds": [True]}, ["ch2_fusion.seeds.0", "integer"]),
        ({"seeds": [-1]}, ["ch2_fusion.seeds.0", "greater than or equal to 0"]),
        ({"variants": {"cfn-c": {"base": "c"}}}, ["ch2_fusion.variants.cfn-c.base", "'a' or 'b'", "'c'"]),
        ({"variants": {"cfn-c": {}}}, ["the key ch2_fusion.variants.cfn-c.base is missing"]),
        ({"variants": {"cnn-a": {"late": True}}}, ["ch2_fusion.variants.cnn-a", "with fusion none there is one branch only"]),
        ({"models": {"plain": ["cfn-c"]}}, ["models.plain has cfn-c, which variants lacks: there are cnn-a,"]),
        ({"models": {"plain": ["cfn-a", "cfn-a"]}}, ["models.plain names one twice"]),
        ({"models": {"plain": []}}, ["sets.plain has cifar10, and models.plain is empty"]),
        ({"models": {"augmented": []}}, ["sets.augmented has cifar10, and models.augmented is empty"]),
        ({"models": {"plain": ["cnn-a", "cfn-b"]}}, ["figures.activations shows cnn-b, which models.plain does not train"]),
        ({"sets": {"plain": ["cifar10", "cifar10"]}}, ["sets.plain names one twice"]),
        ({"sets": {"plain": ["cifar100"], "augmented": []}}, ["sets.shown has cifar10, which sets.plain lacks"]),
        ({"sets": {"plain": ["cifar100"], "shown": []}}, ["sets.augmented has cifar10, which sets.plain lacks"]),
        ({"sets": {"shown": ["cifar10", "cifar100"]}}, ["ch2_fusion.sets.shown", "at most 1 item"]),
        ({"figures": {"weights": "cnn-sum-a"}}, ["figures.weights shows cnn-sum-a, whose fusion has no weights"]),
        ({"figures": {"curves": ["cnn-c"]}}, ["figures.curves has cnn-c, which variants lacks"]),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_sentence(changes: dict[str, Any], says: list[str]) -> None:
    (sentence,) = composed.problems(CHAPTER, changes)
    assert [part for part in says if part not in sentence] == [], sentence


def test_without_its_sets_the_chapter_is_off() -> None:
    off = composed.section(CHAPTER, {"sets": NONE, "models": {"plain": [], "augmented": []}})
    assert list(off.used()) == list(off.conflicts(Context("miniature", "generated", {}))) == []


def test_it_uses_the_sets_that_it_trains_on() -> None:
    used = [(use.name, use.why) for use in composed.section(CHAPTER, {}).used()]
    assert used == [("cifar10", ".sets.plain has cifar10"), ("cifar100", ".sets.plain has cifar100")]


@pytest.mark.parametrize(("origin", "conflicts"), [("generated", 1), ("official", 0)])
def test_a_batch_is_no_larger_than_a_generated_set(origin: str, conflicts: int) -> None:
    chapter = composed.section(CHAPTER, {"training": {"batch_size": 500}})
    context = Context("miniature", origin, {"cifar10": {"train": 1000}, "cifar100": {"train": 400}})
    sentence = "training.batch_size is larger than the generated cifar100, which has 400 images (workflow/sources.yaml)"
    assert list(chapter.conflicts(context)) == [sentence] * conflicts


@pytest.mark.parametrize("scale", ["paper", "real"])
def test_scales_that_are_full_train_as_the_thesis_does(scale: str) -> None:
    assert composed.problems(CHAPTER, {}, scale) == []
    wrong = {"network": {"width": 0.5, "dropout": 0.2}, "training": {"iterations": 4000, "batch_size": 64}}
    for section, values in wrong.items():
        for key, value in values.items():
            (sentence,) = composed.problems(CHAPTER, {section: {key: value}}, scale)
            assert f"protocol is full, but ch2_fusion.{section}.{key} differs from the thesis's" in sentence


def test_a_new_network_is_one_entry() -> None:
    values = composed.params("mini", "+ch2_fusion.variants.cnn-sum-a-eplf={base: a, fusion: sum, late: true}")
    assert values[CHAPTER]["models"]["plain"][-1] == "cnn-sum-a-eplf"
    assert composed.problems(CHAPTER, values[CHAPTER]) == []
