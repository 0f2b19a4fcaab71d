"""The parameters of Chapter 4: what cannot be is one sentence, and what differs from the thesis is not full."""

from typing import Any

import composed
import pytest

from stages.ch4_deepindex.settings import Chapter
from stages.core.settings import Context, Use
from workflow import params

CHAPTER = "ch4_deepindex"
ON = composed.params("paper")[CHAPTER]


def nested(key: str, value: Any) -> dict[str, Any]:
    """The value at a dotted key."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def problems(key: str, value: Any) -> list[str]:
    """What is wrong with the scale paper if the chapter's `key` is `value`."""
    return composed.problems(CHAPTER, nested(key, value), "paper")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        *((key, value, f"ch4_deepindex: {key} names one twice") for key, value in {
            "sets.indexed": ["ukb", "ukb"], "seeds": [0, 0], "models": ["dpi-6", "dpi-6"],
        }.items()),
        ("ranking.alphas", [1, 1], "ch4_deepindex.ranking: alphas names one twice"),
        ("ranking.signatures", ["pq", "pq"], "ch4_deepindex.ranking: signatures names one twice"),
        ("codebooks.dimensions", [512, 512], "ch4_deepindex.codebooks: dimensions names one twice"),
        ("features.encoders", {"shallow": "vgg19", "deep": "vgg19"}, "features.encoders: shallow and deep are the same network"),
        ("features.layers.fc18.encoder", "vgg19", "features.layers.fc18.encoder: should be 'shallow' or 'deep', and is 'vgg19'"),
        ("features.layers.fc18.layer", "", "ch4_deepindex.features.layers.fc18.layer"),
        ("features.input_size", 63, "features.input_size: should be greater than or equal to 64, and is 63"),
        ("sets.examined", ["smvs_dvd"], "sets.examined has smvs_dvd, which sets.indexed lacks"),
        ("sets.examined", ["holidays", "ukb"], "ch4_deepindex.sets.examined"),
        ("sets.shown", ["smvs_dvd"], "sets.shown has smvs_dvd, which sets.indexed lacks"),
        ("sets.indexed", ["holidays", "oxford5k"], "sets.indexed has oxford5k, which per_set lacks: say there how many words it has"),
        ("sets.indexed", ["holidays", "paris6k"], "figures.beside is ukb: it should be another of sets.indexed than holidays"),
        ("figures.beside", "holidays", "figures.beside is holidays: it should be another of sets.indexed than holidays"),
        ("figures.curves", {"ukb": {"letter": ""}}, "ch4_deepindex.figures.curves.ukb.letter"),
        ("figures.layer", "fc8", "figures.layer is fc8, which features.layers lacks"),
        ("variants.dpi-8", {"layers": ["fc8"]}, "variants.dpi-8 has fc8, which features.layers lacks: there are fc6, fc7, fc17, fc18"),
        ("variants.dpi-8", {"layers": ["fc6"]}, "variants.dpi-6 and variants.dpi-8 are of the same layers: leave one out"),
        ("variants.dpi-8", {"layers": ["fc6", "fc7", "fc17"]}, "ch4_deepindex.variants.dpi-8.layers"),
        ("models", ["dpi-6", "dpi-8"], "models has dpi-8, which variants lacks: there are dpi-6, dpi-7"),
        ("models", [], "sets.indexed has holidays, and models is empty"),
        ("models", ["dpi-6-18", "dpi-7-18"], "sets.shown shows what the variant of fc18 retrieves in holidays, and models has no such"),
        ("ranking.idf", "sqrt", "ch4_deepindex.ranking.idf: should be 'ratio' or 'log', and is 'sqrt'"),
        ("ranking.signature_dimensions", 4, "ranking.signature_dimensions is 4, which codebooks.dimensions lacks"),
        ("ranking.ivfpq.bytes", 257, "ranking.ivfpq.bytes: 257 bytes code 8 components each"),
        ("ranking.ivfpq.probes", 17, "ch4_deepindex.ranking.ivfpq: probes is 17, and there are 16 lists"),
        ("ranking.sweep_assignments", 6, "ranking.sweep_assignments is 6, and per_set.holidays.assignments has at most 5"),
        ("per_set.ukb.sweep", [1000, 1000], "ch4_deepindex.per_set.ukb: sweep names one twice"),
        ("per_set.ukb.assignments", [1, 5, 5], "ch4_deepindex.per_set.ukb: assignments names one twice"),
        ("per_set.ukb.assignments", [], "ch4_deepindex.per_set.ukb.assignments"),
        ("per_set.ukb.best_assignments", 4, "best_assignments is 4, which assignments lacks"),
        ("per_set.ukb.sweep", [9], "10 words a patch are assigned, and the smallest codebook has 9"),
        ("per_set.ukb.words", 9, "10 words a patch are assigned, and the smallest codebook has 9"),
        ("per_set.ukb.best", ["fc6"], "per_set.ukb.best"),
        ("per_set.ukb.best", ["fc18", "fc6"], "per_set.ukb.best is fc18, fc6, and no variant is of these layers"),
        ("per_set.ukb.alpha", 0, "per_set.ukb.alpha: should be greater than 0"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(key: str, value: Any, sentence: str) -> None:
    assert problems(key, value)[0].count(sentence) == 1


def test_a_set_of_figure_4_6_has_a_panel() -> None:
    changes = {"sets": {"indexed": ["holidays", "ukb", "smvs_dvd", "own"]}, "per_set": {"own": ON["per_set"]["ukb"]}}
    sentence = "figures.curves lacks own, which sets.indexed has: name its panel there, or empty sets.examined"
    assert composed.problems(CHAPTER, changes, "paper") == [f"{CHAPTER}: {sentence}"]
    changes["sets"]["examined"] = []
    assert composed.problems(CHAPTER, changes, "paper") == []


def test_figure_4_6_needs_something_to_show() -> None:
    """Either kind of curve will do; of neither the file of a set would be empty."""
    assert problems("ranking.alphas", []) == problems("per_set.ukb.sweep", []) == []
    (problem,) = composed.problems(CHAPTER, {"ranking": {"alphas": []}, "per_set": {"ukb": {"sweep": []}}}, "paper")
    assert "ranking.alphas and per_set.ukb.sweep are both empty, and Figure 4.6 shows one of them at least" in problem


def test_without_sets_nothing_is_used_and_nothing_has_to_fit() -> None:
    off = {"sets": {"indexed": [], "examined": [], "shown": []}, "models": [], "ranking": {"signature_dimensions": 4}}
    chapter = composed.section(CHAPTER, off)
    assert list(chapter.used()) == list(chapter.conflicts(Context("shortened", "official", {}))) == []


def test_the_sets_and_both_encoders_are_used() -> None:
    changes = {"features": {"encoders": {"deep": "efficientnet_lite0"}}, "sets": {"indexed": ["ukb", "holidays"]}}
    used = list(composed.section(CHAPTER, changes).used())
    assert [use.name for use in used] == ["ukb", "holidays", "alexnet", "efficientnet_lite0"]
    assert used[0] == Use("ukb", ".sets.indexed has ukb", ("retrieval",))
    assert used[3] == Use("efficientnet_lite0", ".features.encoders has efficientnet_lite0", ("encoder",))


def test_official_encoders_have_their_width() -> None:
    narrow = composed.section(CHAPTER, {})  # of scale mini
    assert list(narrow.conflicts(Context("miniature", "generated", {}))) == []
    (conflict,) = narrow.conflicts(Context("shortened", "official", {}))
    assert conflict == "codebooks.width is of generated encoders; of official ones it must be 1"
    assert list(composed.section(CHAPTER, {}, "real_cpu").conflicts(Context("shortened", "official", {}))) == []


@pytest.mark.parametrize("scale", ["mini", "paper", "real", "real_cpu"])
def test_each_scale_is_valid(scale: str) -> None:
    assert composed.problems(CHAPTER, {}, scale) == []
    assert composed.params(scale)[CHAPTER]["models"] == list(ON["variants"])


OTHER: dict[str, Any] = {
    "features.encoders": {"shallow": "vgg19", "deep": "alexnet"},
    "features.layers": {"fc6": {"layer": "fc7"}},
    "features.input_size": 225,
    "features.crop_queries": False,
    **{f"per_set.{name}.best": ["fc17", "fc18"] for name in ("holidays", "paris6k", "ukb")},
    **{f"per_set.{name}.best_assignments": 1 for name in ("holidays", "paris6k", "ukb")},
    **{f"per_set.{name}.assignments": [1, 5, 10, 20] for name in ("holidays", "paris6k", "ukb")},
    **{f"per_set.{name}.depth": 77 for name in ("holidays", "paris6k")},
    **{f"per_set.{name}.{key}": 77 for name in ("holidays", "paris6k", "ukb") for key in ("words", "alpha")},
}


def test_the_thesis_protocol_is_full() -> None:
    assert composed.params("paper")["protocol"] == "full"
    assert set(OTHER) == set(Chapter.THESIS)  # each is tried below


@pytest.mark.parametrize("key", sorted(OTHER))
def test_what_differs_from_the_thesis_is_not_full(key: str) -> None:
    (problem,) = problems(key, OTHER[key])
    assert f"protocol is full, but {CHAPTER}.{key} differs from the thesis's" in problem
    values = composed.params("paper", **{CHAPTER: nested(key, OTHER[key])})
    assert params.read_as(Chapter, values[CHAPTER], CHAPTER)[1] == []  # as a shortened protocol has it


def test_a_set_that_the_thesis_has_and_per_set_lacks_is_not_full() -> None:
    values = composed.params("paper")[CHAPTER]
    values["sets"] = {"indexed": [], "examined": [], "shown": []}
    del values["per_set"]["ukb"]
    read, wrong = params.read_as(Chapter, values, CHAPTER)
    assert wrong == [] and "per_set.ukb.words differs" in next(iter(params.not_the_thesis(CHAPTER, read, values)))


def test_a_stand_ins_codebook_is_nobodys() -> None:
    assert problems("per_set.smvs_dvd.words", 77) == []
