"""The parameters of Chapter 7: what cannot be is one sentence, and what differs from the thesis is not full."""

from typing import Any

import composed
import pytest

from stages.core.settings import Use
from workflow import params

CHAPTER = "ch7_mmc"
ON = composed.params("paper")[CHAPTER]
BOTH = ["matching", "classification"]
MATCHING = ["matching"]
MMC = {"losses": BOTH}


def problems(key: str, value: Any) -> list[str]:
    """What is wrong with the scale paper if the chapter's `key` is `value`."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return composed.problems(CHAPTER, value, "paper")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seeds", [0, 0], "ch7_mmc: seeds names one twice"),
        ("sets.compared", ["mscoco", "mscoco"], "sets.compared names one twice"),
        ("sets.fine", ["cub200_texts", "cub200_texts"], "sets.fine names one twice"),
        ("sets.ablated", ["pascal_sentence", "mscoco"], "ch7_mmc.sets.ablated: List should have at most 1 item"),
        ("sets.swept", ["flickr8k"], "sets.swept has flickr8k, which sets.compared lacks"),
        ("sets.labelled", [], "sets.compared has pascal_sentence, which must be in one of sets.described and sets.labelled"),
        ("sets.described", ["mscoco", "cub200_texts"], "sets.compared has cub200_texts, which must be in one of sets.described and"),
        ("sets.studied", ["cub200_texts"], "sets.studied has cub200_texts, whose pictures encoders.other sees too, and sets.described"),
        ("evaluation.relevance.mscoco", "label", "ch7_mmc.evaluation.relevance.mscoco: should be 'instance' or 'class'"),
        ("models.compared", [], "sets.compared has pascal_sentence, and models.compared is empty: nothing would be trained on it"),
        ("models.swept", [], "sets.swept has pascal_sentence, and models.swept is empty: nothing would be trained on it"),
        ("models.fine", ["sound"], "models.fine has sound, which variants lacks: there are compared, fusions, heads, batches"),
        ("models.ablated", ["fusions", "other"],
            "models.ablated has other, whose mmc-vgg19 sees by encoders.other: networks by encoders.images belong there"),
        ("models.other", ["dspe"], "models.other has dspe, whose dspe sees by encoders.images: networks by encoders.other belong there"),
        ("models.swept", ["heads"], "models.swept has heads, whose mmc-fc has neither beta nor dimension: it is no point of a sweep"),
        ("models.swept", ["mmc-d-512"] * 2, "pascal_sentence would train the block mmc-d-512 twice, as two roles of models have it"),
        ("models", {"compared": ["heads"], "ablated": ["fusions"]},
            "figures.retrieving has mm, and models trains no mm on pascal_sentence, which sets.pictured has"),
        ("models.fine", ["heads"], "figures.learning has vision, and models trains no vision on flowers102_texts, which sets.fine has"),
        ("figures.model", "mm", "figures.model has mm, which is not trained by classification: name one that is"),
        ("figures.classifying", ["mc", "mcc"], "figures.classifying has mcc, and no variant is called so: name some of mm, mc, mmc"),
        ("figures.retrieving", ["mmc", "mmc"], "ch7_mmc: figures.retrieving names one twice"),
        ("figures.iterations", 200, "ch7_mmc.figures.iterations: should be greater than or equal to 300"),
        ("variants.more", {"mmc": MMC}, "ch7_mmc: variants names one twice"),
        ("variants.more", {"cca": MMC}, "ch7_mmc: variants has cca, as results call something that is no network"),
        ("variants.all", {}, "ch7_mmc.variants.all"),
        ("variants.compared.mmc.losses", [], "variants.compared.mmc: losses names one twice, or none"),
        ("variants.compared.mmc.losses", ["ranking"], "ch7_mmc.variants.compared.mmc.losses.0: should be 'matching' or 'classification'"),
        ("variants.compared.mm.dimension", 512, "variants.compared.mm: dimension is 512, and no compact head has it: leave it out"),
        ("variants.heads.mmc-fc.dimension", 512, "variants.heads.mmc-fc: dimension is 512, and no compact head has it: leave it out"),
        ("variants.compared.mm.beta", 0.5, "variants.compared.mm: beta is 0.5, and weighs classification beside matching: leave it out"),
        ("variants.mmc-d-512.mmc-d-512.dimension", 0, "mmc-d-512.dimension: should be greater than or equal to 1"),
        ("variants.mmc-d-512.mmc-d-512.dimension", 262145, "mmc-d-512.dimension: should be less than or equal to 262144"),
        ("variants.vision.vision.head", "compact", "sees is vision, and a head compact multiplies images with texts: the head is fc"),
        ("variants.vision.vision.losses", BOTH, "sees is vision, and matching compares images with texts"),
        ("variants.dspe.dspe.fusion", "sum", "layers is 2, as DSPE has it, which has no classes and one layer to match by"),
        ("variants.batches.mmc-batch-100.batch_size", 50,
            "per_set.mscoco.negatives is 50, and a batch of 50, as mmc-batch-100's, has fewer texts of other images: lower it"),
        ("per_set.cub200_texts.negatives", 128, "per_set.cub200_texts.negatives is 128, and a batch of 128, as mm's, has fewer texts"),
        ("per_set.mscoco.dimension", 300000, "ch7_mmc.per_set.mscoco.dimension: should be less than or equal to 262144"),
        ("network.widths", [2048, 512, 256, 512], "widths: FC2 to FC4 are fused, so 512, 256 and 512 must be equal"),
        ("network.fusion_bias", "none", "ch7_mmc.network.fusion_bias: should be 'each' or 'one'"),
        ("training.classes", "max", "ch7_mmc.training.classes: should be 'sum' or 'mean'"),
        ("labels.flickr8k.words", {"dog": []}, "labels.flickr8k: words.dog is empty, and no image would have the class: name a"),
        ("labels.flickr8k.words", {"dog": ["Dog"]}, "labels.flickr8k: words.dog has 'Dog', and captions are looked through by whole"),
        ("labels.flickr8k.words", {"dog": ["hot dog"]}, "labels.flickr8k: words.dog has 'hot dog', and captions are looked"),
        ("labels.flickr8k.words", {"dog": ["dog", "dog"]}, "labels.flickr8k: words.dog names one twice"),
        ("labels.flickr8k.least", 0, "ch7_mmc.labels.flickr8k.least: should be greater than 0"),
        ("lengths.mscoco.third.learning_rate", 0.01, "lengths.mscoco: the stages' learning rates are [0.1, 0.01, 0.01], and Algorithm 3"),
        ("lengths.mscoco.first.learning_rate_steps", [5500, 5500],
            "lengths.mscoco.first: learning_rate_steps are 5500, 5500, and the rate falls at one after the other: let them ascend"),
        ("lengths.mscoco.first.learning_rate_steps", [5500, 1000], "learning_rate_steps are 5500, 1000, and the rate falls at one after"),
        ("lengths.mscoco.third.learning_rate_steps", [5500],
            "lengths.mscoco.third: learning_rate_steps has 5500, and the stage ends at 5500: lower it, or leave it out"),
        ("lengths.mscoco.validate_every", 75, "lengths.mscoco: validate_every must be a multiple of log_every (50)"),
        ("lengths.mscoco.fourth", {}, "unknown key ch7_mmc.lengths.mscoco.fourth"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(key: str, value: Any, sentence: str) -> None:
    assert problems(key, value)[0].count(sentence) == 1


@pytest.mark.parametrize("lacking", ["labels", "per_set", "lengths", "evaluation.relevance"])
def test_a_set_that_is_trained_on_has_an_entry_by_data_set(lacking: str) -> None:
    added: dict[str, Any] = {key: {"flickr30k": ON[key]["mscoco"]} for key in ("labels", "per_set", "lengths")}
    added |= {"evaluation": {"relevance": {"flickr30k": "instance"}}}
    added |= {"sets": {"compared": [*ON["sets"]["compared"], "flickr30k"], "described": ["mscoco", "flickr30k"]}}
    del added[lacking.partition(".")[0]]
    wrong = composed.problems(CHAPTER, added, "paper")
    assert wrong == [f"{CHAPTER}: {lacking} lacks flickr30k, which sets.compared has: add it"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoders.texts", "hglmm"), ("network.dropout", 0.2), ("training.alpha", 1), ("lengths.mscoco.first.learning_rate", 0.5),
        ("variants.heads.mmc-fc", {"fusion": "sum"}), ("variants.mmc-beta-0_1.mmc-beta-0_1", {"beta": 0.2}),
        ("variants.mmc-d-512.mmc-d-512", {"dimension": 500}), ("variants.batches.mmc-batch-100", {"batch_size": 101}),
        ("per_set.cub200_texts", {"beta": 0.5}), ("per_set.mscoco", {"batch_size": 500}),
    ],
)  # fmt: skip
def test_what_the_thesis_has_otherwise_is_not_full(key: str, value: Any) -> None:
    wrong = problems(key, value)
    assert [sentence.startswith(f"protocol is full, but {CHAPTER}.{key} differs from the thesis's") for sentence in wrong] == [True]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network.last_relu", True), ("network.fusion_bias", "one"), ("training.normalise", "sum"), ("training.classes", "mean"),
        ("evaluation.accuracy", "images"), ("evaluation.relevance.cub200_texts", "instance"),
        ("lengths.pascal_sentence.second", {"iterations": 1240, "learning_rate": 0.05}),
        ("lengths.pascal_sentence.third", {"learning_rate_steps": [0, 1, 619]}),
    ],
)  # fmt: skip
def test_what_the_thesis_leaves_open_is_full_either_way(key: str, value: Any) -> None:
    assert problems(key, value) == []


@pytest.mark.parametrize("scale", ["mini", "real_cpu", "real", "paper"])
def test_scales_are_right(scale: str) -> None:
    assert composed.problems(CHAPTER, {}, scale) == []


@pytest.mark.parametrize(
    ("dataset", "role", "kind", "values"),
    [
        ("pascal_sentence", "swept", "beta", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ("pascal_sentence", "swept", "dimension", [512, 1024, 2048, 4096, 8192, 20000]),
        ("flowers102_texts", "swept_classes", "beta", [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2]),
        ("flowers102_texts", "swept_classes", "dimension", [512, 1024, 2048, 4096, 8192, 20000]),
    ],
)  # fmt: skip
def test_a_sweep_has_every_point_once_with_what_the_set_has(dataset: str, role: str, kind: str, values: list[float]) -> None:
    points = [ON["variants"][block][block].get(kind) for block in ON["models"][role]]
    assert sorted([ON["per_set"][dataset][kind], *(value for value in points if value is not None)]) == values


def test_a_points_name_has_its_value() -> None:
    points = {
        name: variant for block in ON["models"]["swept"] + ON["models"]["swept_classes"] for name, variant in ON["variants"][block].items()
    }
    named = {name: float(name.rpartition("-")[2].replace("_", ".")) for name in points}
    assert named == {name: variant.get("beta", variant.get("dimension")) for name, variant in points.items()}
    assert all(("-beta-" in name) == ("beta" in variant) for name, variant in points.items())


@pytest.mark.parametrize(
    ("dataset", "pairs", "fall"),
    [("pascal_sentence", 4000, 4 / 13), ("mscoco", 413915, 1 / 3), ("flowers102_texts", 20400, 4 / 13), ("cub200_texts", 59940, 4 / 13)],
)  # fmt: skip
def test_lengths_are_of_the_stated_rule(dataset: str, pairs: int, fall: float) -> None:
    """60, 20 and 20 epochs of whole batches, at .1, .01 and .001."""
    length, epoch = ON["lengths"][dataset], pairs // ON["per_set"][dataset]["batch_size"]
    first = {"iterations": 60 * epoch, "learning_rate": 0.1, "learning_rate_steps": [int(60 * epoch * fall)]}
    assert length["first"] == first
    assert length["second"] == {"iterations": 20 * epoch, "learning_rate": 0.01}
    assert length["third"] == {"iterations": 20 * epoch, "learning_rate": 0.001}


def test_blocks_of_a_set_are_those_of_its_roles() -> None:
    chapter = composed.section(CHAPTER, {}, "mini")
    assert {name: chapter.models.blocks(chapter.sets, name) for name in chapter.sets.compared} == {
        "pascal_sentence": ["compared", "fusions", "heads", "mmc-beta-1", "mmc-d-512"],
        "mscoco": ["compared", "batches", "batches-large", "dspe", "other"],
        "flowers102_texts": ["compared", "vision", "mmc-beta-1", "mmc-d-512"],
        "cub200_texts": ["compared", "vision"],
    }


def test_what_is_used() -> None:
    chapter = composed.section(CHAPTER, {}, "paper")
    names = ("pascal_sentence", "mscoco", "flowers102_texts", "cub200_texts")
    assert list(chapter.used()) == [Use(name, f".sets.compared has {name}", ("captioned",)) for name in names]
    assert list(composed.section(CHAPTER, {}, "real").used()) == []


@pytest.mark.parametrize(
    ("scale", "changes", "sentence"),
    [
        ("mini", {"sentences": ["hglmm", "rnn"], "labelled": {"sentences": ["hglmm"]}},
            "encoders.texts is mean, which matching.sentences lacks: add it"),
        ("mini", {"labelled": {"sentences": ["hglmm"]}}, "encoders.texts is mean, which matching.labelled.sentences lacks: add it"),
        ("mini", {"others": ["alexnet"]}, "encoders.other is vgg19, which matching.others lacks: add it"),
        ("mini", {"images": ["vgg19"], "others": ["vgg16"]}, "encoders.images is resnet152, which matching.images lacks: add it"),
        ("mini", {"sets": {"compared": ["flickr30k"]}}, "sets.described has mscoco, which matching.sets.compared lacks: add it"),
        ("mini", {"sets": {"described": ["flickr30k"], "compared": ["flickr30k"]}},
            "sets.described has mscoco, which matching.sets.described lacks: add it"),
        ("mini", {"sets": {"labelled": ["pascal_sentence", "cub200_texts"]}},
            "sets.labelled has flowers102_texts, which matching.sets.labelled lacks: add it"),
        ("real", {"images": [], "sentences": []}, ""),  # off
    ],
)  # fmt: skip
def test_what_it_sees_is_made(scale: str, changes: dict[str, Any], sentence: str) -> None:
    wrong = [one for one in params.problems(composed.params(scale, matching=changes)) if one.startswith(CHAPTER)]
    assert wrong[:1] == ([f"{CHAPTER}.{sentence}"] if sentence else [])
