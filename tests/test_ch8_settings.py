"""The parameters of Section 8.1: what cannot be is one sentence, what is not the thesis's is not full, the control's size."""

from pathlib import Path
from typing import Any

import composed
import pytest
import yaml
from conftest import REPOSITORY

from stages.ch8_translation.architectures import THESIS, counts, passes, records_of
from stages.ch8_translation.training_settings import Network, Variant
from stages.core.settings import Use, build
from workflow import gpu_entries

CHAPTER = "ch8_translation"


def problems(key: str, value: Any, scale: str = "paper") -> list[str]:
    """What is wrong with the scale if the chapter's `key` is `value`."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return composed.problems(CHAPTER, value, scale)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seeds", [0, 0], "ch8_translation: seeds names one twice"),
        ("sets.translated", ["facades", "facades"], "sets.translated names one twice"),
        ("sets.scored", ["cityscapes"], "sets.translated has facades, which must be in one of sets.scored and sets.drawn"),
        ("sets.drawn", ["facades", "sbir_chairs", "sbir_shoes"], "sets.translated has facades, which must be in one of sets.scored"),
        ("sets.scored", ["facades", "cityscapes", "voc2012"], "sets.scored has voc2012, which sets.translated lacks"),
        ("sets.controlled", ["facades", "cityscapes"], "ch8_translation.sets.controlled: List should have at most 1 item"),
        ("sets.controlled", ["sbir_shoes"], "sets.controlled has sbir_shoes, which sets.scored lacks"),
        ("sets.figure_8_3", ["sbir_shoes"], "sets.figure_8_3 has sbir_shoes, which sets.scored lacks"),
        ("sets.figure_8_6", ["facades"], "sets.figure_8_6 has facades, which sets.drawn lacks"),
        ("models.compared", ["gan", "vanilla", "long", "nest", "pix2pix"], "models.compared has pix2pix, which variants lacks: there"),
        ("models.ours", ["nest", "vanilla-large"], "ch8_translation: models names one twice"),
        ("models", {"compared": [], "ours": []}, "sets.translated has facades, and models.compared is empty: nothing would be trained"),
        ("models.ours", [], "sets.controlled has facades, and models.ours is empty: nothing would be trained on it"),
        ("figures.compared", ["gan", "vanilla-large"], "figures.compared has vanilla-large, which models.compared lacks: train it, or"),
        ("figures.compared", ["gan", "gan"], "figures.compared names one twice"),
        ("figures.images", 0, "ch8_translation.figures.images: should be greater than 0"),
        ("variants.nest.backward", 3, "variants.nest: inner is true, and the chains have 2 and 3 generators: an inner cycle of m"),
        ("variants.gan.directions", "backward", "ch8_translation.variants.gan.directions: should be 'both' or 'forward'"),
        ("variants.vanilla.directions", "forward", "variants.vanilla: directions is forward, and a cycle has both: cycle and"),
        ("variants.vanilla-large.blocks", 0, "ch8_translation.variants.vanilla-large.blocks: should be greater than 0"),
        ("size", 30, "ch8_translation.size: should be a multiple of 4"),
        ("size", 12, "ch8_translation.size: should be greater than or equal to 16"),
        ("size", 20, "network.strided is 3, for which a discriminator needs 24 pixels a side, and size is 20: lower the one"),
        ("scorer.size", 128, "size is 256, and scorer.size 128: generated photos are enlarged to be scored, so raise the latter"),
        ("scorer.optimiser", "rmsprop", "ch8_translation.scorer.optimiser: should be 'sgd' or 'adam'"),
        ("scorer.checkpoint_every", 30, "scorer: checkpoint_every must be a multiple of log_every (20)"),
        ("network.upsampling", "bilinear", "ch8_translation.network.upsampling: should be 'deconvolution' or 'nearest'"),
        ("training.beta_1", 1, "ch8_translation.training.beta_1: should be less than 1"),
        ("training.iterations", 100, "unknown key ch8_translation.training.iterations"),
        ("lengths.facades.constant", 80001, "lengths.facades: constant is 80001, and iterations 80000: the rate would never fall; at most"),
        ("lengths.facades.checkpoint_every", 150, "lengths.facades: checkpoint_every must be a multiple of log_every (100)"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(key: str, value: Any, sentence: str) -> None:
    assert problems(key, value)[0].count(sentence) == 1


def test_results_have_names_of_their_own_for_what_is_no_network() -> None:
    changes = {"variants": {"oracle": {}}, "models": {"ours": ["oracle"]}}
    (sentence,) = composed.problems(CHAPTER, changes, "paper")
    assert sentence == "ch8_translation: models.ours has oracle, as results call something that is no network"


def test_a_figure_shows_both_directions() -> None:
    changes = {"variants": {"gan": {"directions": "forward"}}}
    (sentence,) = composed.problems(CHAPTER, changes, "real_cpu")
    assert sentence == "ch8_translation: figures.compared has gan, which translates forward only: show another"


def test_a_set_that_is_translated_has_a_length() -> None:
    sets = composed.params("paper")[CHAPTER]["sets"]
    changes = {"sets": {"translated": [*sets["translated"], "horses"], "drawn": [*sets["drawn"], "horses"]}}
    (sentence,) = composed.problems(CHAPTER, changes, "paper")
    assert sentence == "ch8_translation: lengths lacks horses, which sets.translated has: say how long trainings on it are"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", 128), ("training.batch_size", 4), ("training.weight_decay", 0), ("training.cycle", 5), ("network.upsampling", "nearest"),
        ("lengths.facades.iterations", 100_000), ("variants.vanilla", {"blocks": 18}), ("variants.gan", {"cycle": 1}),
        ("variants.nest.forward", 2.5),
    ],
)  # fmt: skip
def test_what_the_thesis_has_otherwise_is_not_full(key: str, value: Any) -> None:
    (sentence, *_) = problems(key, value)
    assert sentence.startswith((f"protocol is full, but {CHAPTER}.{key} differs from the thesis's", f"{CHAPTER}.{key}: "))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network.blocks", 6),
        ("network.strided", 2),
        ("training.pool", 0),
        ("variants.nest.similarity", 0.5),
        ("lengths.facades.constant", 0),
    ],
)
def test_what_the_thesis_leaves_open_may_be_otherwise(key: str, value: Any) -> None:
    assert problems(key, value) == []


def test_an_epoch_of_the_thesis_shows_every_picture_of_the_larger_domain_once() -> None:
    lengths = composed.params("paper")[CHAPTER]["lengths"]
    pictures = {"facades": 400, "cityscapes": 2975, "sbir_chairs": 200, "sbir_shoes": 304}  # Sections 8.1.4 and 8.1.5
    assert {name: lengths[name]["iterations"] for name in pictures} == {name: 200 * count for name, count in pictures.items()}
    assert all(2 * lengths[name]["constant"] == lengths[name]["iterations"] for name in pictures)


def sized() -> dict[str, dict[str, Any]]:
    """The parameters of every scale, and of every job for a GPU."""
    files = sorted((REPOSITORY / "workflow/scales/scale").glob("*.yaml"))
    jobs = [entry for chapter, entry in gpu_entries.read([], REPOSITORY / gpu_entries.FOLDER) if chapter == CHAPTER]
    return {file.stem: composed.params(file.stem)[CHAPTER] for file in files} | {
        entry.name: composed.params(entry.scale, *entry.overrides)[CHAPTER] for entry in jobs
    }


@pytest.mark.parametrize("name", sized())
def test_the_control_has_as_many_parameters_as_long(name: str) -> None:
    values = sized()[name]
    network = build(Network, values["network"])
    long, large = (counts(build(Variant, values["variants"][model]), network) for model in ("long", "vanilla-large"))
    assert abs(large["generators"] / long["generators"] - 1) < 0.02 and large["discriminators"] == long["discriminators"]
    assert abs(large["parameters"] / long["parameters"] - 1) < 0.02


def test_the_thesis_counts() -> None:
    """Generators of 11,378,179, discriminators of 2,764,737, by Section 8.1.2 and CycleGAN's code."""
    generator, judge = 11_378_179, 2_764_737
    variants = composed.params("paper")[CHAPTER]["variants"]
    for name, generators in {"gan": 2, "vanilla": 2, "long": 4, "nest": 4, "nest-no-similarity": 4}.items():
        both = {"generators": generators * generator, "discriminators": 2 * judge, "parameters": generators * generator + 2 * judge}
        assert counts(build(Variant, variants[name]), THESIS) == both
    assert counts(Variant(directions="forward", cycle=0), THESIS)["parameters"] == 14_142_916


def test_passes_of_a_generator_in_a_step() -> None:
    """Both ways and back: 2 without cycles, 4, with chains of two 8, and of two inner cycles one pass each more."""
    variants = {name: build(Variant, one) for name, one in composed.params("paper")[CHAPTER]["variants"].items()}
    expected = {"gan": 2, "vanilla": 4, "long": 8, "nest": 10, "nest-no-similarity": 10, "vanilla-large": 4}
    assert {name: passes(variant) for name, variant in variants.items()} == expected
    assert passes(Variant(directions="forward", cycle=0)) == 1 and passes(Variant(forward=3, backward=3, inner=True)) == 12 + 2 * (1 + 2)


@pytest.mark.parametrize("name", ["vanilla", "long", "nest"])
def test_a_chain_of_one_generator_has_fewer_parameters_and_as_many_passes(name: str) -> None:
    variants = composed.params("paper")[CHAPTER]["variants"]
    found = {(one.model, one.metric): one.value for one in records_of(name, build(Variant, variants[name]), THESIS)}
    shared = {metric: value for (model, metric), value in found.items() if model == f"{name}-shared"}
    assert shared == ({} if name == "vanilla" else {"parameters": 28_285_832, "passes": found[name, "passes"]})


def test_data_sets_and_weights_that_are_used() -> None:
    uses = {use.name: use for use in composed.section(CHAPTER, {}, "paper").used()}
    assert list(uses) == ["facades", "cityscapes", "sbir_chairs", "sbir_shoes", "vgg16_imagenet"]
    assert uses["vgg16_imagenet"] == Use("vgg16_imagenet", ".scorer.weights is vgg16_imagenet", ("vgg16",))
    off = {"sets": {role: [] for role in composed.params("paper")[CHAPTER]["sets"]}}
    assert list(composed.section(CHAPTER, off, "paper").used()) == []


@pytest.mark.parametrize("stage", ["ch8_train", "ch8_train_ours"])
def test_a_training_reads_its_own_set_and_nothing_of_the_scorer(stage: str) -> None:
    entry = yaml.safe_load(Path(REPOSITORY / f"workflow/pipelines/{CHAPTER}/dvc.yaml").read_text())["stages"][stage]
    assert [dep for dep in entry["deps"] if dep.startswith("data/")] == ["data/${scale}/prepared/ch8_translation/${item.dataset}"]
    (keys,) = entry["params"][0].values()
    assert not [key for key in keys if "scorer" in key or "figures" in key or "seeds" in key or key.endswith("sets")]
