"""The parameters of Section 8.2: what cannot be is one sentence, and what is not the thesis's is not full."""

from typing import Any

import composed
import pytest

from stages.core.settings import Context, Use

CHAPTER = "ch8_swapgan"
# Generated figures alone, scored by the classifier of their categories.
SETS = {"swapped": ["figures"], "flat": ["figures"], "worn": [], "counted": ["figures"], "shown": ["figures"]}
FIGURES: dict[str, Any] = {"sets": SETS, "score": {"encoder": "categories"}}


def problems(key: str, value: Any) -> list[str]:
    """What is wrong with the scale paper if the chapter's `key` is `value`."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return composed.problems(CHAPTER, value, "paper")


def test_the_parameters_are_the_thesiss() -> None:
    assert composed.problems(CHAPTER, {}, "paper") == []


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seeds", [0, 0], "seeds names one twice"),
        ("sets.swapped", ["deepfashion_inshop", "figures"], "sets.swapped has figures, which must be in one of sets.flat and sets.worn"),
        ("sets.flat", ["deepfashion_inshop"], "sets.swapped has deepfashion_inshop, which must be in one of sets.flat and sets.worn"),
        ("sets.worn", ["deepfashion_inshop", "figures"], "sets.worn has figures, which sets.swapped lacks"),
        ("sets.shown", ["deepfashion_inshop"], "sets.shown has deepfashion_inshop, which sets.flat lacks"),
        ("sets.counted", ["figures"], "sets.counted has figures, which sets.swapped lacks"),
        ("sets.counted", ["a", "b"], "sets.counted: List should have at most 1 item"),
        (
            "models.compared",
            ["full", "pix2pix"],
            "models.compared has pix2pix, which variants lacks: there are full, i-iii, i-ii, full-deconv",
        ),
        ("models.ours", ["full"], "models names one twice"),
        ("models.compared", [], "sets.swapped has deepfashion_inshop, and models.compared is empty: nothing would be trained on it"),
        ("selection.conditions", 1372, "selection.conditions is 1372, and selection.test 1372: none is its own, so lower it"),
        ("selection.least_share", 1.5, "selection.least_share: should be less than or equal to 1"),
        ("training.batch_size", 3001, "training.batch_size is 3001, and selection.pairs 3000: lower the first"),
        ("score.splits", 34_301, "score.splits is 34301, and there are 34300 test pairs: lower it"),
        ("network.downsamplings", 7, "network.downsamplings: should be less than or equal to 6"),
        ("size", 100, "network.downsamplings is 3, for which size has to be a multiple of 8 from 16, and it is 100: lower the one"),
        ("size", 16, "network.strided is 3, for which the discriminator needs 24 pixels a side, and size is 16: lower the one, or raise"),
        ("network.strided", 10**9, "network.strided: should be less than or equal to 6"),
        ("scorer.layers", 7, "scorer.layers is 7, which halve photos of size 128 to less than 2 pixels a side: lower it"),
        ("network.kernel", 5, "network.kernel: should be 1 or 3"),
        ("variants.full.third", "unet2", "variants.full.third: should be 'unet', 'like-first' or 'none'"),
        ("score.encoder", "resnet152", "score.encoder: should be 'categories' or 'inception_v3'"),
        ("selection.pairs", 2000, "protocol is full, but ch8_swapgan.selection.pairs differs from the thesis's (3000), and is 2000"),
        ("network.kernel", 3, "protocol is full, but ch8_swapgan.network.kernel differs from the thesis's (1), and is 3"),
        ("training.reconstruction", 1, "protocol is full, but ch8_swapgan.training.reconstruction differs from the thesis's (0), and is 1"),
        ("variants.full", {"second": False}, "protocol is full, but ch8_swapgan.variants.full differs from the thesis's"),
    ],
)
def test_what_is_wrong_is_one_sentence(key: str, value: Any, sentence: str) -> None:
    (said,) = problems(key, value)
    assert sentence in said


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"model": "i-x"}, "figures.model has i-x, which models lacks: train it, or show another"),
        ({"upsamplings": ["full", "half"]}, "figures.upsamplings has half, which models lacks"),
        ({"compared": ["poisson", "warp"]}, "figures.compared has warp, which is no model and no baseline: show another"),
    ],
)
def test_figures_show_what_is_trained(figures: dict[str, Any], sentence: str) -> None:
    (said,) = composed.problems(CHAPTER, FIGURES | {"figures": figures}, "paper")
    assert sentence in said
    unseen = FIGURES | {"sets": SETS | {"shown": []}, "figures": figures}
    assert not any("figures." in said for said in composed.problems(CHAPTER, unseen, "paper"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"score": {"encoder": "categories"}},
            "score.encoder is categories, and sets.worn has deepfashion_inshop, which inception_v3 has to score",
        ),
        ({"sets": SETS}, "score.encoder is inception_v3, and sets.flat has figures, which categories has to score"),
    ],
)
def test_a_set_is_scored_by_the_network_for_it(changes: dict[str, Any], sentence: str) -> None:
    assert composed.problems(CHAPTER, changes, "paper") == [f"ch8_swapgan: {sentence}"]


def test_a_set_needs_its_length() -> None:
    sets = SETS | {"swapped": ["figures", "streets"], "worn": ["streets"]}
    (said,) = composed.problems(CHAPTER, {"sets": sets}, "paper")
    assert "lengths lacks streets, which sets.swapped has: say how long trainings on it are" in said


def test_no_network_is_called_as_a_baseline_is() -> None:
    changed = {"variants": {"tps": {}}, "models": {"ours": ["tps"]}}
    (said,) = composed.problems(CHAPTER, changed, "paper")
    assert said == "ch8_swapgan: models.ours has tps, as results call something that is no network of this section"


def test_people_have_no_flat_clothes() -> None:
    chapter = composed.section(CHAPTER, FIGURES, "paper")
    assert list(chapter.conflicts(Context("generated", "generated", {}))) == []
    (said,) = chapter.conflicts(Context("full", "official", {}))
    assert said == "sets.flat has figures, and data.origin is official: photos of people have no flat clothes, so put it in sets.worn"


def test_what_the_chapter_uses() -> None:
    uses = [Use("deepfashion_inshop", ".sets.swapped has deepfashion_inshop", ("people",))]
    inception = Use("inception_v3", ".score.encoder is inception_v3", ("encoder",))
    assert list(composed.section(CHAPTER, {}, "paper").used()) == [*uses, inception]
    assert list(composed.section(CHAPTER, FIGURES, "paper").used()) == [Use("figures", ".sets.swapped has figures", ("people",))]
    nothing = {name: [] for name in SETS}
    assert list(composed.section(CHAPTER, {"sets": nothing}, "paper").used()) == []
