"""The parameters of Chapter 3: what is wrong with them is one sentence; scales that are full are the thesis's."""

from typing import Any

import composed
import pytest

from stages.ch3_edges import networks
from stages.ch3_edges.settings import Chapter
from stages.core.settings import Context
from workflow import params

CHAPTER = "ch3_edges"
OFF = {"sets": {"train": [], "coarse": [], "test": [], "shown": []}}
GENERATED = {"bsds500": {"train": 24, "test": 12}, "pascal_context": {"images": 20}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"training": {"checkpoint_every": 7}},
            ["ch3_edges.training: checkpoint_every must be a multiple of log_every (10)"],
        ),
        ({"recipes": {"general": {"learning_rate": 0}}}, ["ch3_edges.recipes.general.learning_rate", "greater than 0"]),
        ({"prepare": {"size": [400]}}, ["ch3_edges.prepare.size"]),
        ({"prepare": {"size": [400, 8]}}, ["ch3_edges.prepare.size.1", "16"]),
        ({"relaxed": {"canny_high": 1}}, ["ch3_edges.relaxed.canny_high", "less than 1"]),
        ({"forest": {"feature_share": 0}}, ["ch3_edges.forest.feature_share", "greater than 0"]),
        ({"detectors": {"se_scales": []}}, ["ch3_edges.detectors.se_scales", "at least 1"]),
        ({"seeds": [1, 1]}, ["ch3_edges: seeds names one twice"]),
        ({"sets": {"train": ["bsds500", "nyud_v2"]}}, ["ch3_edges.sets.train", "at most 1 item"]),
        ({"sets": {"forest": []}}, ["unknown key ch3_edges.sets.forest"]),
        ({"sets": {"test": ["bsds500", "bsds500"]}}, ["sets.test names one twice"]),
        ({"sets": {"test": ["nyud_v2"]}}, ["sets.shown has bsds500, which sets.test lacks"]),
        ({"sets": {"train": [], "test": []}}, ["sets.shown has bsds500, which sets.train lacks"]),
        (
            {"sets": {"coarse": []}},
            ["models.transferred has rds-se-cea, which is not trained, and sets.test has nyud_v2"],
        ),
        ({"models": {"pretrained": []}}, ["models.transferred has rds-se-cea, which is not trained"]),
        ({"models": {"transferred": []}}, ["sets.test has nyud_v2, and no network is tested on it"]),
        ({"models": {"general": ["hed", "hed"]}}, ["ch3_edges: models names one twice"]),
        (
            {"models": {"general": [], "relaxed": [], "transferred": []}},
            ["sets.train has bsds500, and models.general and models.relaxed"],
        ),
        (
            {"models": {"general": ["rds-se"]}},
            ["models.general has rds-se, which variants.general lacks: there are baseline-1, baseline-2"],
        ),
        ({"variants": {"general": {"hed": {"relaxed": "se"}}}}, ["ch3_edges.variants: general.hed has relaxed labels"]),
        (
            {"variants": {"relaxed": {"rds-se": {"relaxed": None}}}},
            ["ch3_edges.variants: relaxed.rds-se lacks relaxed"],
        ),
        (
            {"variants": {"relaxed": {"rds-se": {"relaxed": "hed"}}}},
            ["ch3_edges.variants.relaxed.rds-se.relaxed", "'canny', 'se' or 'gpb'"],
        ),
        (
            {"variants": {"general": {"hed": {"sides": [0, 5]}}}},
            ["ch3_edges.variants.general.hed.sides.0", "greater than or equal to 1"],
        ),
        ({"variants": {"general": {"hed": {"width": 2}}}}, ["unknown key ch3_edges.variants.general.hed.width"]),
        (
            {"variants": {"general": {"hed": {"recipe": {"steps": 1}}}}},
            ["unknown key ch3_edges.variants.general.hed.recipe.steps"],
        ),
        ({"figures": {"curves": [["hde", "HED"]]}}, ["figures.curves has hde, and no variant is called so"]),
        ({"figures": {"curves": [["hed", "HED"], ["hed", "FCFN"]]}}, ["ch3_edges: figures.curves names one twice"]),
        (
            {"figures": {"panels": {"figure_3_9": [["canny", "Canny"]]}}},
            ["figures.panels.figure_3_9 has canny, and no variant is called so"],
        ),
        ({"figures": {"panels": {"figure_3_8": []}}}, ["unknown key ch3_edges.figures.panels.figure_3_8"]),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_sentence(changes: dict[str, Any], says: list[str]) -> None:
    (sentence,) = composed.problems(CHAPTER, changes)
    assert [part for part in says if part not in sentence] == [], sentence


def test_without_its_sets_the_chapter_is_off() -> None:
    section = composed.section(CHAPTER, OFF | {"thresholds": 9, "training": {"batch_size": 1000}})
    assert list(section.used()) == []
    assert list(section.conflicts(Context("miniature", "generated", GENERATED))) == []
    assert list(section.conflicts(Context("full", "official", {}))) == []


def test_it_uses_its_sets_and_vgg16() -> None:
    used = [(use.name, use.why) for use in composed.section(CHAPTER, {}).used()]
    assert used == [
        ("bsds500", ".sets.train has bsds500"),
        ("pascal_context", ".sets.coarse has pascal_context"),
        ("bsds500", ".sets.test has bsds500"),
        ("nyud_v2", ".sets.test has nyud_v2"),
        ("vgg16", ".models has networks, which start from VGG-16"),
    ]


@pytest.mark.parametrize(("batch_size", "says"), [(24, ["pascal_context has 20"]), (25, ["bsds500 has 24", "pascal_context has 20"])])
def test_a_batch_fits_into_what_is_generated(batch_size: int, says: list[str]) -> None:
    section = composed.section(CHAPTER, {"training": {"batch_size": batch_size}})
    sentences = list(section.conflicts(Context("miniature", "generated", GENERATED)))
    assert sentences == [f"training.batch_size is {batch_size}, and the generated {part} images" for part in says]
    (sentence,) = section.conflicts(Context("shortened", "official", GENERATED))
    assert sentence == "thresholds is 33, and must be 99: by this benchmark official data are judged"


@pytest.mark.parametrize("scale", ["paper", "real"])
def test_scales_that_are_full_train_as_the_thesis_does(scale: str) -> None:
    assert composed.problems(CHAPTER, {}, scale) == []
    recipe = {"iterations": 300}
    for key, changes in {
        "recipes.general": {"recipes": {"general": recipe}},
        "recipes.relaxed": {"recipes": {"relaxed": recipe}},
        "recipes.pretrained": {"recipes": {"pretrained": recipe}},
        "recipes.finetuned": {"recipes": {"finetuned": recipe}},
        "variants.general.hed.recipe": {"variants": {"general": {"hed": {"recipe": recipe}}}},
        "variants.general.fcfn.recipe": {"variants": {"general": {"fcfn": {"recipe": None}}}},
        "training.alpha": {"training": {"alpha": 1}},
        "training.weight_decay": {"training": {"weight_decay": 0.0}},
        "training.momentum": {"training": {"momentum": 0.5}},
        "prepare": {"prepare": {"annotators": 2}},
        "thresholds": {"thresholds": 9},
    }.items():
        (sentence,) = composed.problems(CHAPTER, changes, scale)
        assert f"protocol is full, but ch3_edges.{key} differs from the thesis's" in sentence
    left_out = composed.params(scale, "~ch3_edges.variants.general.fcfn.recipe")[CHAPTER]  # then it is its kind's
    (sentence,) = params.not_the_thesis(CHAPTER, Chapter, left_out)
    assert "ch3_edges.variants.general.fcfn.recipe differs" in sentence and "is None" in sentence
    for steps in (500, 625):  # the author's solver's, the text's
        assert composed.problems(CHAPTER, {"recipes": {"general": {"iterations": steps}}}, scale) == []


def test_the_variants_are_the_thesiss() -> None:
    """Tables 2.8, 3.1 and 3.2: detector of the relaxed labels, supervised sides, then what else is particular."""
    section = composed.section(CHAPTER, {}, "paper")
    rows = {
        (kind, name): (
            variant.relaxed,
            "".join(map(str, variant.sides)),
            variant.dilated,
            variant.local,
            variant.recipe is not None,
        )
        for kind, entries in vars(section.variants).items()
        for name, variant in entries.items()
    }
    thesis = {
        ("general", "baseline-1"): (None, "", True, False, False),
        ("general", "baseline-2"): (None, "12345", True, False, False),
        ("general", "hed"): (None, "12345", True, False, True),
        ("general", "fcfn"): (None, "12345", True, True, True),
        ("relaxed", "rds-canny"): ("canny", "12345", True, False, False),
        ("relaxed", "rds-se"): ("se", "12345", True, False, False),
        ("relaxed", "rds-gpb"): ("gpb", "12345", True, False, False),
        ("relaxed", "rds-se-early"): ("se", "123", True, False, False),
        ("relaxed", "rds-se-late"): ("se", "45", True, False, False),
        ("relaxed", "rds-se-undilated"): ("se", "12345", False, False, False),
        ("pretrained", "cea"): (None, "", True, False, False),
        ("finetuned", "rds-canny"): ("canny", "12345", True, False, False),
        ("finetuned", "rds-se"): ("se", "12345", True, False, False),
    }
    assert {key: rows.get(key) for key in thesis} == thesis


def test_a_new_network_is_one_entry() -> None:
    values = composed.params("mini", "+ch3_edges.variants.relaxed.rds-gpb-late={relaxed: gpb, sides: [4, 5]}")[CHAPTER]
    assert values["models"]["relaxed"][-1] == "rds-gpb-late"
    assert composed.problems(CHAPTER, {"variants": values["variants"], "models": values["models"]}) == []


def test_what_is_trained_where_and_tested_on_what() -> None:
    models = networks.Models(["hed"], ["rds-se"], ["cea", "cea-long"], ["rds-se"], ["rds-se", "rds-se-cea"])
    both = [("bsds500", "rds-se-cea"), ("bsds500", "rds-se-cea-long")]
    everything = [
        ("bsds500", "hed"),
        ("bsds500", "rds-se"),
        ("pascal_context", "cea"),
        ("pascal_context", "cea-long"),
        *both,
    ]
    assert networks.trained(["bsds500"], ["pascal_context"], models) == everything
    assert networks.trained(["bsds500"], [], models) == everything[:2]
    assert networks.trained([], ["pascal_context"], models) == everything[2:4]
    assert networks.tested("bsds500", ["bsds500"], ["pascal_context"], models) == everything
    assert networks.tested("nyud_v2", ["bsds500"], ["pascal_context"], models) == [
        ("bsds500", "rds-se"),
        ("bsds500", "rds-se-cea"),
    ]
