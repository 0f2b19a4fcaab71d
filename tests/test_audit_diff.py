"""`diff`: which cells differ between two commits, releases or scales, and for which recorded reason."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from audit_project import build, git, published, write

from stages.core.errors import UserError
from workflow.audit.diff import diff

ROOT = Path(__file__).parent.parent
ERRORS = {"a": [21.0, 23.0], "b": [12.0]}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A toy project at scale mini, committed as the tag `first`."""
    monkeypatch.chdir(tmp_path)
    published()
    build(ERRORS)
    write(".gitignore", "data/\n")
    git("init", "-q", "-b", "main")
    commit("first")


def commit(tag):
    git("add", "-A")
    git("commit", "-qm", tag, "--allow-empty")
    git("tag", tag)


def release(name="paper-1", scale="paper", date="2026-02-03", errors=None, **others):
    build(errors or {"a": [20.5], "b": [9.0]}, scale=scale, top=f"reports/releases/{name}", **others)
    write(f"reports/releases/{name}/release.json", {"scale": scale, "date": date, "commit": "abcdef0123"})


def causes(text):
    """The lines of causes of a comparison with one group."""
    assert text.count("what differs in what led to them") == 1, text
    return [line.strip() for line in text.partition("what differs in what led to them:")[2].splitlines() if line.strip()]


def test_nothing_differs(project):
    for a, b in ((".", "."), ("first", "."), (".", "main"), ("mini", "HEAD")):
        assert "Nothing differs: 3 cells, the same values." in diff(a, b)


def test_metrics_of_which_no_tables_are_made_yet(project):
    file = Path("reports/metrics/ch9_toy/one.json")
    file.write_text(file.read_text().replace("21.0", "20.0"))
    text = diff("HEAD", ".")
    assert "The working tree's metrics have changed since reports/tables of ch9_toy were made: `python -m workflow.repro`" in text
    assert "Nothing differs" not in text and "The tables as they are: 3 cells, the same values." in text


def test_a_parameter(project):
    build({"a": [22.0, 26.0], "b": [13.0]}, steps=180)
    text = diff("first", ".")
    assert "A: commit " in text and "(first), scale mini" in text and "B: the working tree, scale mini" in text
    assert "3 cells on both sides, of which 2 differ; 0 in A only, 0 in B only" in text
    assert "2 cells, A -> B" in text
    assert "Table 9.1 a error: 22 -> 24" in text and "Table 9.1 b error: 12 -> 13" in text and "a size" not in text
    assert causes(text) == ["parameter   toy.training.steps: 90 -> 180"]  # the records of both are at hand, and name the same machine


def test_it_goes_both_ways(project):
    build({"a": [22.0, 26.0], "b": [13.0]}, steps=180)
    assert "parameter   toy.training.steps: 180 -> 90" in diff(".", "first")
    assert "Table 9.1 b error: 13 -> 12" in diff(".", "first")


def test_a_module_and_a_package_of_two_commits(project):
    shutil.rmtree("data/runs")
    build({"a": [22.0, 26.0], "b": [12.0]}, model_hash="m2", torch="2")
    commit("second")
    text = diff("first", "second")
    assert "1 cell, A -> B" in text
    assert causes(text) == [
        "code        stages.ch9_toy.train changed",
        "package     torch: 1 -> 2 (requirements.lock)",
        "machine     not known: A without run records of these results",
    ]


def test_the_records_at_hand_serve_a_commit_whose_results_they_are_of(project):
    release(errors={"a": [1.0, 1.0], "b": [1.0]}, scale="mini", torch="2", processor="Y")
    text = diff("first", "paper-1")
    assert causes(text) == ["package     torch: 1 -> 2", "machine     processor: X -> Y"]


def test_data_of_another_archive_and_kind(project):
    release(kind="official", archive="official2", errors={"a": [1.0, 1.0], "b": [1.0]})
    lines = causes(diff("mini", "paper"))
    assert "data        kind: miniature -> official" in lines
    assert "data        set1.md5: official1 -> official2" in lines
    assert any(line.startswith("data        set1: md5 ") for line in lines)
    assert not any("set2" in line for line in lines)  # read by the predictions' stage, and not this number's


def test_cells_of_one_side_only_and_groups(project):
    release(errors={"a": [1.0, 1.0], "c": [2.0]}, steps=90)
    text = diff(".", "paper-1")
    assert "2 cells on both sides, of which 1 differ; 1 in A only, 1 in B only" in text
    assert "Table 9.1 b error: 12 -> nothing" in text and "Table 9.1 c error: nothing -> 2" in text
    groups = text.split("\n\n")[1:]
    assert len(groups) == 3
    assert "stage       B has no such instance of ch9_train" in groups[1] and "b error" in groups[1]
    assert "stage       A has no such instance of ch9_train" in groups[2] and "c error" in groups[2]


def test_a_scale_is_its_newest_release_and_the_working_tree_where_that_is_at_it(project):
    release("paper-1", date="2026-02-03")
    release("paper-2", date="2026-03-03", errors={"a": [19.0], "b": [8.0]})
    release("mini-1", scale="mini")
    assert "B: release paper-2, commit abcdef0, scale paper" in diff("mini", "paper")
    assert diff("mini", "paper").startswith("A: the working tree, scale mini\n")


def test_results_edited_by_hand_have_no_cause(project):
    table = Path("reports/tables/ch9_toy/table_9_1.csv")
    table.write_text(table.read_text().replace("12,", "11,"))
    text = diff("first", ".")
    assert "Table 9.1 b error: 12 -> 11" in text
    assert text.endswith("what differs in what led to them: nothing that is recorded")


def test_the_making_of_the_table(project):
    """The same metrics, and other cells: what the tables' stage reads, and nothing of what the number comes from."""
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    tables = lock["stages"]["tables@ch9_toy"]
    tables["deps"].append({"path": "stages/tables/published/ch9_toy", "md5": "p1"})
    write("dvc.lock", yaml.safe_dump(lock))
    commit("second")
    tables["deps"][-1]["md5"], tables["outs"][0]["md5"] = "p2", "other"
    lock["stages"]["ch9_train@b-0"]["params"]["params.yaml"]["toy.training"]["steps"] = 91  # with the same outputs: no reason
    write("dvc.lock", yaml.safe_dump(lock))
    table = Path("reports/tables/ch9_toy/table_9_1.csv")
    table.write_text(table.read_text().replace("12,", "12.5,"))
    found = [line for line in causes(diff("second", ".")) if not line.startswith("machine")]
    assert found == ["data        stages/tables/published/ch9_toy: md5 p1 -> p2"]


def test_a_stage_of_another_name_is_the_one_that_made_the_same(project):
    build({"a": [22.0, 26.0], "b": [12.0]}, steps=180)
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    lock["stages"] = {name.replace("ch9_train@", "ch9_fit@"): entry for name, entry in lock["stages"].items()}
    write("dvc.lock", yaml.safe_dump(lock))
    for sides, change in ((("first", "."), "90 -> 180"), ((".", "first"), "180 -> 90")):
        lines = [line for line in causes(diff(*sides)) if not line.startswith("machine")]
        assert lines == [f"parameter   toy.training.steps: {change}"]


def test_a_stale_fingerprint_names_no_modules(project):
    release(model_hash="m2", errors={"a": [1.0, 1.0], "b": [1.0]})
    write("reports/releases/paper-1/code/ch9_toy.train.json", {})
    lines = causes(diff(".", "paper-1"))
    assert "code        reports/code/ch9_toy.train.json; modules not known: the fingerprint that the stage ran with is not there" in lines


def test_a_deviation_over_seeds_differs_too(project):
    table = Path("reports/tables/ch9_toy/table_9_1.csv")
    table.write_text(table.read_text().replace("a,error,1,22,", "a,error,1,22,1.5"))
    assert "Table 9.1 a error: 22 -> 22 ± 1.5" in diff("first", ".")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("frist", r"there is no commit, release or scale frist: did you mean first\?"),
        ("paper-2", r"there is no commit, release or scale paper-2: did you mean paper-1"),
        ("paper", "scale paper has no release, and the working tree is at scale mini: give a commit or a release"),
        ("empty", "commit [0-9a-f]{7} .empty. has no dvc.lock or no tables: nothing had run there"),
    ],
)
def test_unknown_sides(project, name, message):
    if name == "paper-2":
        release("paper-1")
    if name == "empty":
        git("rm", "-rq", "dvc.lock", "reports")
        commit("empty")
    for sides in ((name, "first"), ("first", name)):
        with pytest.raises(UserError, match=message) as caught:
            diff(*sides)
        assert "\n" not in str(caught.value)


def test_a_working_tree_without_a_run(project):
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"the working tree has no dvc\.lock or no tables: run `dvc repro`"):
        diff("first", ".")


def test_our_own_release_beside_the_working_tree(monkeypatch):
    monkeypatch.chdir(ROOT)
    name = "real_cpu-2026-11-23"
    text = diff(".", name)
    if "scale mini" not in text.splitlines()[0]:
        pytest.skip("the working tree is at another scale")
    released = json.loads(Path(f"reports/releases/{name}/metrics/ch2_fusion/cifar10.json").read_text())["records"]
    value = next(record["value"] for record in released if (record["model"], record["metric"]) == ("cfn-a", "error"))
    assert f"-> {value:g}" in next(line for line in text.splitlines() if "Table 2.2 cfn-a cifar10" in line)
    assert "data        kind: miniature -> official" in text
    assert "parameter   ch2_fusion.training.iterations: 60 -> 4000" in text
    assert "stage       B has no such instance of ch2_train\n" in text  # of CIFAR-100
