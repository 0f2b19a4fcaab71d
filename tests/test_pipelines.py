"""What holds of every stage of every chapter's dvc.yaml, so that chapters can be switched off and siblings rerun nothing."""

import re

import pytest
import yaml
from conftest import REPOSITORY

from workflow.params import chapters as chapter_settings

STAGES = {
    name: (file.parent.name, stage)
    for file in sorted((REPOSITORY / "workflow/pipelines").glob("*/dvc.yaml"))
    for name, stage in yaml.safe_load(file.read_text())["stages"].items()
}


def test_there_are_pipelines() -> None:
    assert len({chapter for chapter, _ in STAGES.values()}) >= 5


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_goes_with_its_chapters_sets(name: str) -> None:
    """A product with an empty list is empty: with empty `sets` there is no stage that DVC could find outdated."""
    chapter, stage = STAGES[name]
    assert any(str(values).startswith(f"${{{chapter}.sets.") for values in stage.get("matrix", {}).values())


def test_what_may_have_no_stage_before_it_comes_after_the_parameters() -> None:
    """Every stage refuses to run before the stage `params`; `tables`, and `conclusions` after it, have an evaluation before them at any
    scale, `figures` not always one.
    """
    shared = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    for name in shared.keys() - {"code", "params", "tables", "conclusions"}:
        assert any(file.startswith("reports/params/") for entry in shared[name]["params"] for file in entry), name


@pytest.mark.parametrize("name", STAGES)
def test_a_command_names_each_item(name: str) -> None:
    """Else two stages would have one command, by which a stage finds itself in the graph."""
    _, stage = STAGES[name]
    assert set(re.findall(r"\$\{item\.(\w+)\}", stage["cmd"])) == stage["matrix"].keys()


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_own_code_and_its_chapters_parameters(name: str) -> None:
    chapter, stage = STAGES[name]
    module = stage["cmd"].split()[2].removeprefix("stages.")
    assert module.startswith(f"{chapter}.") and f"reports/code/{module}.json" in stage["deps"]
    files = {file for entry in stage["params"] for file in entry}
    shared = {f"reports/params/{name}.json" for name in chapter_settings()[chapter].NEEDS}
    assert files - shared == {f"reports/params/{chapter}.json"}


@pytest.mark.parametrize("name", [name for name in STAGES if re.search("train|finetune", name)])
def test_a_training_reads_no_other_networks_entry(name: str) -> None:
    _, stage = STAGES[name]
    keys = [key for entry in stage["params"] for keys in entry.values() for key in keys if re.search("variants|blocks", key)]
    assert keys and all(key.endswith(("${item.model}", "${item.variant}", "${item.block}")) for key in keys)
