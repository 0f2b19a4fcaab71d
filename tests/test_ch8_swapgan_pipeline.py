"""Section 8.2's dvc.yaml: what a change of which settings runs again, by what each stage declares."""

import re

import composed
import pytest
import yaml
from conftest import REPOSITORY

CHAPTER = "ch8_swapgan"
STAGES = yaml.safe_load((REPOSITORY / f"workflow/pipelines/{CHAPTER}/dvc.yaml").read_text())["stages"]
SELECTED = {"ch8_swap_select", "ch8_swap_counts", "ch8_swap_prepare"}
TRAINED = {"ch8_swap_train", "ch8_swap_train_ours"}
ALWAYS = {"ch8_swap_predict", "ch8_swap_score", "ch8_swap_score_inception", "ch8_swap_evaluate", "ch8_swap_panels"}
COMPARED = {"ch8_swap_baselines", "ch8_swap_baselines_worn"}


def outs(stage: dict) -> set[str]:
    """The paths, or the folders above a network's own."""
    paths = {out if isinstance(out, str) else next(iter(out)) for out in stage["outs"]}
    return {re.sub(r"/[^/]*\$\{item\.(model|seed)\}.*", "", path) for path in paths}


def rerun(key: str) -> set[str]:
    """The entries that a change of `ch8_swapgan.<key>` makes DVC run: those that declare it, and all that depend on what they leave."""

    def declares(stage: dict) -> bool:
        keys = [name for entry in stage["params"] for names in entry.values() for name in names]
        return any(re.sub(r"\.\$\{item.*", "", name) == f"{CHAPTER}.{key}" for name in keys)

    names = {name for name, stage in STAGES.items() if declares(stage)}
    while more := {
        name for name, stage in STAGES.items() if name not in names and any(outs(STAGES[before]) & set(stage["deps"]) for before in names)
    }:
        names |= more
    return names


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("selection", STAGES.keys() - {"ch8_swap_architectures"}),
        ("size", STAGES.keys() - {"ch8_swap_architectures", "ch8_swap_select", "ch8_swap_counts"}),
        ("training", TRAINED | ALWAYS),
        ("lengths", TRAINED | ALWAYS),
        ("variants", TRAINED | ALWAYS | {"ch8_swap_architectures"}),
        ("scorer", {"ch8_swap_scorer"} | ALWAYS - {"ch8_swap_predict"}),
        ("viton", {"ch8_swap_viton", "ch8_swap_baselines"} | ALWAYS - {"ch8_swap_predict"}),
        ("baselines", {"ch8_swap_viton"} | COMPARED | ALWAYS - {"ch8_swap_predict"}),
        ("score", ALWAYS - {"ch8_swap_predict"}),
        ("figures", {"ch8_swap_panels"}),
    ],
)
def test_what_a_change_of_settings_runs_again(key: str, names: set[str]) -> None:
    assert rerun(key) == names


def test_a_training_has_its_own_variant_and_length_only() -> None:
    for name in TRAINED:
        assert {"ch8_swapgan.variants.${item.model}", "ch8_swapgan.lengths.${item.dataset}"} <= set(*STAGES[name]["params"][0].values())


def test_sections_8_1_and_8_2_share_no_file() -> None:
    other = yaml.safe_load((REPOSITORY / "workflow/pipelines/ch8_translation/dvc.yaml").read_text())["stages"]
    made, others = ({path for stage in stages.values() for path in outs(stage)} for stages in (STAGES, other))
    read = {dep for stage in STAGES.values() for dep in stage["deps"]}
    assert not made & others and not read & others and not STAGES.keys() & other.keys()
    assert not made & {dep for stage in other.values() for dep in stage["deps"]}


def test_the_scale_figures_is_of_this_chapter_alone() -> None:
    values = composed.params("figures")
    assert (values["protocol"], values["data"]) == ("generated", {"origin": "generated", "sets": ["figures"]})
    others = [values[name]["sets"] for name in values if isinstance(values[name], dict) and "sets" in values[name] and name != CHAPTER]
    assert values["chapters"] == [CHAPTER] and not any(any(sets.values()) for sets in others if isinstance(sets, dict))
    assert values[CHAPTER]["size"] > composed.params("mini")[CHAPTER]["size"] and len(values[CHAPTER]["seeds"]) == 3
    for scale in ("real", "real_cpu"):
        assert not any(composed.params(scale)[CHAPTER]["sets"].values())
