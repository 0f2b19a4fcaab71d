"""The parameters of Sections 2.4.2 and 2.4.3: what is wrong with them is one sentence; scales that are full are the thesis's."""

from collections.abc import Mapping
from typing import Any

import composed
import pytest

from stages.ch2_imagenet.training_settings import Variant
from stages.core.settings import Context

CHAPTER = "ch2_imagenet"
OFF = {"sets": {"train": [], "transfer": [], "shown": []}}
NO_TRANSFER = {"transfer": [], "shown": []}
MINIATURES = {"imagenet": {"train": 500}, "scene15": {"classes": 6, "images": 20}, "flowers102": {"classes": 8, "train": 5}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"crop": 100}, ["ch2_imagenet: crop is 100, and pictures are brought to prepare.size, 72"]),
        ({"crop": 31}, ["ch2_imagenet.crop", "greater than or equal to 32"]),
        ({"mean": "image"}, ["ch2_imagenet.mean", "'pixel' or 'channel'"]),
        ({"prepare": {"quality": 101}}, ["ch2_imagenet.prepare.quality", "less than or equal to 100"]),
        ({"seeds": [1, 1]}, ["seeds names one twice"]),
        ({"seeds": []}, ["ch2_imagenet.seeds", "at least 1"]),
        ({"models": []}, ["sets.train has imagenet, and models is empty"]),
        ({"models": ["cnn-11", "cfn-11", "cfn-12"]}, ["models has cfn-12, which variants lacks: there are cnn-11, dsn-11"]),
        ({"models": ["cnn-11"]}, ["transfer.models has cfn-11, which models does not train"]),
        ({"models": ["cnn-11", "cnn-11"]}, ["models names one twice"]),
        ({"variants": {"cfn-11": {"sides": "added"}}}, ["ch2_imagenet.variants.cfn-11.sides", "'none', 'fused' or 'predicting'"]),
        ({"variants": {"cfn-11": {"depth": 2}}}, ["unknown key ch2_imagenet.variants.cfn-11.depth"]),
        ({"variants": {"alexnet": {}}}, ["variants has alexnet, which is encoder.name"]),
        ({"sets": {"train": ["imagenet", "imagenet"]}}, ["sets.train names one twice"]),
        ({"sets": {"train": ["imagenette"]}}, ["transfer.source is imagenet, which sets.train lacks: no network could be transferred"]),
        ({"sets": {"train": [], "transfer": []}}, ["sets.shown has imagenet, which sets.train lacks"]),
        ({"sets": {"shown": ["imagenet", "other"]}}, ["ch2_imagenet.sets.shown", "at most 1 item"]),
        ({"sets": {"transfer": ["ukb"]}}, ["figures.examples has scene15, which sets.transfer lacks"]),
        ({"transfer": {"models": []}}, ["sets.transfer has scene15, and transfer.models is empty"]),
        ({"transfer": {"depth": 3}}, ["ch2_imagenet.transfer.depth", "greater than or equal to 4"]),
        ({"transfer": {"svm": {"folds": 1}}}, ["ch2_imagenet.transfer.svm.folds", "greater than or equal to 2"]),
        ({"transfer": {"svm": {"costs": []}}}, ["ch2_imagenet.transfer.svm.costs", "at least 1"]),
        ({"figures": {"branches": "cfn-19"}, "models": ["cnn-11", "cfn-11"]}, ["figures shows cfn-19, which models does not train"]),
        ({"figures": {"branches": "dsn-11"}}, ["figures shows dsn-11, whose sides are not fused"]),
        ({"training": {"checkpoint_every": 15}}, ["checkpoint_every must be a multiple of log_every (10)"]),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_sentence(changes: dict[str, Any], says: list[str]) -> None:
    (sentence,) = composed.problems(CHAPTER, changes)
    assert [part for part in says if part not in sentence] == [], sentence


def test_without_its_sets_the_chapter_is_off() -> None:
    off = composed.section(CHAPTER, OFF | {"models": [], "transfer": {"models": []}, "figures": {"branches": "none"}})
    assert list(off.used()) == list(off.conflicts(Context("miniature", "generated", MINIATURES))) == []


def test_it_can_train_alone() -> None:
    alone = composed.section(CHAPTER, {"sets": NO_TRANSFER, "models": ["cnn-19"]})
    assert [use.name for use in alone.used()] == ["imagenet", "alexnet"]


def test_it_uses_its_sets_and_the_encoder() -> None:
    used = {use.name: (use.why, use.kinds) for use in composed.section(CHAPTER, {}).used()}
    assert list(used) == ["imagenet", "scene15", "indoor67", "flowers102", "cub200", "holidays", "ukb", "alexnet"]
    assert used["imagenet"][0] == ".sets.train has imagenet" and used["ukb"][0] == ".sets.transfer has ukb"
    assert used["alexnet"][0] == ".encoder.name is alexnet"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training": {"batch_size": 501}}, "training.batch_size is larger than the generated imagenet, which has 500 images"),
        (
            {"transfer": {"division": {"train_per_class": 20}}},
            "transfer.division.train_per_class is 20, and a class of the generated scene15 has 20 images, of which some",
        ),
    ],
)
def test_miniatures_can_be_too_small(changes: Mapping[str, Any], says: str) -> None:
    chapter = composed.section(CHAPTER, dict(changes))
    (sentence,) = chapter.conflicts(Context("miniature", "generated", MINIATURES))
    assert sentence.startswith(says)
    assert list(chapter.conflicts(Context("full", "official", MINIATURES))) == []
    assert list(composed.section(CHAPTER, {}).conflicts(Context("miniature", "generated", MINIATURES))) == []


def test_the_scale_paper_trains_as_the_thesis_does() -> None:
    assert composed.problems(CHAPTER, {}, "paper") == []
    assert composed.problems(CHAPTER, {"training": {"top_rate": 10}}, "paper") == []  # the author's
    (sentence,) = composed.problems(CHAPTER, {"transfer": {"division": {"train_per_class": 50}}}, "paper")
    assert "ch2_imagenet.transfer.division.train_per_class differs from the thesis's (100), and is 50" in sentence
    for section, key, value in (
        ("training", "iterations", 100_000), ("training", "learning_rate_steps", [100_000]), ("training", "top_rate", 2),
        ("prepare", "size", 240), ("network", "width", 0.5),
    ):  # fmt: skip
        (sentence,) = composed.problems(CHAPTER, {section: {key: value}}, "paper")
        assert f"protocol is full, but ch2_imagenet.{section if section == 'network' else f'{section}.{key}'} differs" in sentence


def test_a_new_network_is_one_entry() -> None:
    values = composed.params("mini", "+ch2_imagenet.variants.dsn-19={sides: predicting, convolutions: 4}")
    assert values[CHAPTER]["models"] == ["cnn-11", "dsn-11", "resnet-11", "cfn-11", "cnn-19", "cfn-19", "dsn-19"]
    new = composed.section(CHAPTER, {"variants": {"dsn-19": values[CHAPTER]["variants"]["dsn-19"]}}).variants["dsn-19"]
    assert new == Variant(sides="predicting", convolutions=4)
