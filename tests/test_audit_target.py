"""What a user may mean by the words given to `explain` and `rerun`, and which stages made it; on a toy project."""

from pathlib import Path

import pytest
import yaml
from audit_project import project, write  # noqa: F401 - a fixture

from stages.core.errors import UserError
from workflow.audit.target import find, narrowed
from workflow.lock import Lock

# ruff: noqa: F811 - fixtures are asked for by name


@pytest.mark.parametrize("words", [["table 9.1", "a", "error"], ["Table 9.1 A ERROR"], ["table_9_1", "Net A", "test error"]])
def test_a_cell_by_ids_or_headings(project, words):
    target = find(words)
    assert (target.kind, target.title, target.release) == ("table", "Table 9.1, Net A, Test Error", "")
    assert [(cell.row.id, cell.column.id, cell.run.mean) for cell in target.cells] == [("a", "error", 22.0)]
    assert target.files == ["reports/metrics/ch9_toy/one.json"]
    assert [(record.model, record.seed) for record in target.records] == [("a", 0), ("a", 1)]
    assert target.stages == ["ch9_evaluate"]
    assert target.chain == ["ch9_evaluate", "ch9_predict", "ch9_train@a-0", "ch9_train@a-1", "ch9_prepare@set1", "download@set1", "code"]
    assert target.evidence[0].aside == ("ch9_prepare@set2", "ch9_train@b-0")


def test_all_cells_of_a_row_and_of_a_table(project):
    assert [cell.column.id for cell in find(["table 9.1", "a"]).cells] == ["error", "size"]
    table = find(["table 9.1"])
    assert len(table.cells) == 7 and table.stages == ["ch9_evaluate", "ch9_sizes"]


@pytest.mark.parametrize(
    ("word", "kind", "stages"),
    [
        ("figure 9.3", "figure", ["ch9_figures"]),
        ("Figure 9.3a", "figure", ["ch9_figures"]),
        ("reports/figures/ch9_toy/figure_9_3a.csv", "file", ["ch9_figures"]),
        ("reports/metrics/ch9_toy/one.json", "file", ["ch9_evaluate"]),
        ("./data/mini/models/ch9_toy/one/a-seed1", "file", ["ch9_train@a-1"]),
        ("data/mini/models", "file", ["ch9_train@a-0", "ch9_train@a-1", "ch9_train@b-0"]),
        ("ch9_train@b-0", "stage", ["ch9_train@b-0"]),
        ("ch9_train", "stage", ["ch9_train@a-0", "ch9_train@a-1", "ch9_train@b-0"]),
    ],
)
def test_figures_files_and_stages(project, word, kind, stages):
    target = find([word])
    assert (target.kind, sorted(target.stages)) == (kind, stages)


def test_a_file_of_predictions_comes_from_its_own_model(project):
    target = find(["data/mini/predictions/ch9_toy/one/b-seed0.npz"])
    assert [name for name in target.chain if "train" in name] == ["ch9_train@b-0"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table 9.2"], r"there is no table 9\.2: did you mean table 9\.1"),
        (["table 9.1", "net d"], r"Table 9\.1 has no row net: "),
        (["table 9.1", "a", "eror"], r"Table 9\.1 has no column eror: did you mean error\?"),
        (["table 9.1", "b", "size"], r"Net B, Size: the thesis prints nothing there; row b has error"),
        (["figure 9.4"], r"there is no figure 9\.4: did you mean figure 9\.3a"),
        (["ch9_train@b-1"], r"there is no ch9_train@b-1: did you mean ch9_train@b-0"),
        (["reports/metrics/ch9_toy/on.json"], r"did you mean reports/metrics/ch9_toy/one\.json"),
        (["reports/figures/ch9_toy/figure_9_9.csv"], r"there is no reports/figures/ch9_toy/figure_9_9\.csv"),
        (["stages/ch9_toy/train.py"], r"is made by no stage of dvc\.lock"),
        (["ch9_later"], r"ch9_later has not run, no lock file has it: run `python -m workflow.repro ch9_later`"),
        (["nonsense"], r"give one of table 9\.1, figure 9\.3a, a stage"),
        ([" "], "say what is meant"),
    ],
)
def test_what_is_unknown_is_told_with_what_is_near(project, words, message):
    with pytest.raises(UserError, match=message) as caught:
        find(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [["table 9.1", "a", "error"], ["ch9_train"], ["reports/metrics/ch9_toy/one.json"], ["figure 9.3"]])
def test_a_repository_without_a_run_says_so(project, words):
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"nothing has run here, there is no dvc\.lock: run `dvc repro`"):
        find(words)
    if words[0].startswith("table"):
        Path("reports/metrics/ch9_toy/one.json").unlink()
        with pytest.raises(UserError, match="nothing has run here"):
            find(words)


def test_metrics_that_no_stage_made(project):
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    del lock["stages"]["ch9_evaluate"]
    write("dvc.lock", yaml.safe_dump(lock))
    with pytest.raises(UserError, match=r"one\.json is made by no stage of dvc\.lock: run `dvc repro`"):
        find(["table 9.1", "a", "error"])


def test_order_of_a_chain_is_that_of_reading():
    """A diamond whose one side is longer: what both sides read stands last."""
    made_from = {"end": ["left", "right"], "left": ["base"], "right": ["mid"], "mid": ["base"], "base": []}
    stages = {
        name: {"cmd": name, "deps": [{"path": dep} for dep in deps], "outs": [{"path": name, "md5": name}]}
        for name, deps in made_from.items()
    }
    chain, aside = narrowed(Lock(texts={"dvc.lock": yaml.safe_dump({"stages": stages})}), ["end"])
    assert (chain[0], chain[-2:], aside) == ("end", ("mid", "base"), ())
