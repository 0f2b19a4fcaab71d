"""The parameters of Section 2.4.4: what is wrong with them is one sentence; scales that are full are the thesis's."""

from typing import Any

import composed
import pytest

CHAPTER = "ch2_segmentation"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training": {"batch_size": 2}}, ["ch2_segmentation.training.batch_size", "1", "is 2"]),
        ({"training": {"reduction": "none"}}, ["ch2_segmentation.training.reduction", "'mean' or 'sum'"]),
        ({"training": {"checkpoint_every": 30}}, ["ch2_segmentation.training", "checkpoint_every must be a multiple of log_every (20)"]),
        ({"models": ["fcfn"]}, ["figures.compared has fcn-8s, which models lacks"]),
        ({"models": ["fcfn", "fcn-16s"]}, ["models has fcn-16s, which variants lacks: there are fcn-8s, fcfn"]),
        ({"models": ["fcfn", "fcfn"]}, ["models names one twice"]),
        ({"models": [], "sets": {"shown": []}}, ["sets.train has voc2012, and models is empty"]),
        ({"sets": {"train": []}}, ["sets.shown has voc2012, which sets.train lacks"]),
        ({"sets": {"shown": ["voc2012", "voc2012"]}}, ["ch2_segmentation.sets.shown", "at most 1 item"]),
        ({"sets": {"test": []}}, ["unknown key ch2_segmentation.sets.test"]),
        ({"variants": {"fcfn": {"fusion": "max"}}}, ["ch2_segmentation.variants.fcfn.fusion", "'sum' or 'local'"]),
        ({"variants": {"fcfn": {"score_std": 0, "score_bias": 0}}}, ["ch2_segmentation.variants.fcfn", "every gradient would be 0"]),
        ({"variants": {"fcfn": {"width": 2}}}, ["unknown key ch2_segmentation.variants.fcfn.width"]),
        ({"network": {"size": [80]}}, ["ch2_segmentation.network.size"]),
        ({"network": {"size": [80, 8]}}, ["ch2_segmentation.network.size.1", "16"]),
        ({"network": {"skip_scales": [1, 0]}}, ["ch2_segmentation.network.skip_scales.1", "greater than 0"]),
        ({"figures": {"compared": ["fcn-8s", "fcfn", "hed"]}}, ["ch2_segmentation.figures.compared", "at most 2 items"]),
        ({"figures": {"images": 0}}, ["ch2_segmentation.figures.images", "greater than 0"]),
        ({"seeds": []}, ["ch2_segmentation.seeds", "at least 1"]),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_sentence(changes: dict[str, Any], says: list[str]) -> None:
    (sentence,) = composed.problems(CHAPTER, changes)
    assert [part for part in says if part not in sentence] == [], sentence


def test_without_its_sets_the_chapter_is_off() -> None:
    assert list(composed.section(CHAPTER, {"sets": {"train": [], "shown": []}, "models": []}).used()) == []


def test_it_uses_its_set_and_weights() -> None:
    used = [(use.name, use.why) for use in composed.section(CHAPTER, {}).used()]
    assert used == [("voc2012", ".sets.train has voc2012"), ("vgg16_imagenet", ".weights is vgg16_imagenet")]


@pytest.mark.parametrize("scale", ["paper", "real"])
def test_scales_that_are_full_train_as_the_thesis_does(scale: str) -> None:
    assert composed.problems(CHAPTER, {}, scale) == []
    for key, value in {"iterations": 1000, "learning_rate": 0.001, "momentum": 0.5, "weight_decay": 0.0}.items():
        (sentence,) = composed.problems(CHAPTER, {"training": {key: value}}, scale)
        assert f"protocol is full, but ch2_segmentation.training.{key} differs from the thesis's" in sentence


def test_a_new_network_is_one_entry() -> None:
    values = composed.params("mini", "+ch2_segmentation.variants.fcfn-linear={fusion: local, relu: false}")
    assert values[CHAPTER]["models"] == ["fcn-8s", "fcfn", "fcfn-linear"]
    assert composed.problems(CHAPTER, values[CHAPTER]) == []
