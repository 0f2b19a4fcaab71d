"""`explain`: the way from a cell to the archive, and what is missing; on a toy project and on our own."""

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

import pytest
from audit_project import account, build, git, project, write  # noqa: F401 - a fixture
from conftest import record_of

from stages.core.errors import UserError
from workflow.audit.explain import explain, interpretations
from workflow.audit.target import find
from workflow.lock import Lock

ROOT = Path(__file__).parent.parent

# ruff: noqa: F811 - fixtures are asked for by name


def test_a_cell_is_followed_back_to_the_archive(project):
    found = account("table 9.1", "a", "error")
    (cell,) = found["cells"]
    assert (cell["printed"], cell["verdict"], cell["why"]) == ("20.0", "not run", "miniature")
    assert cell["rendered"] == {"file": "reports/tables/ch9_toy/table_9_1.csv", "stage": "tables@ch9_toy"}
    assert (cell["values"][0]["value"], cell["values"][0]["seeds"]) == (22.0, [0, 1])
    assert cell["tolerance"] == pytest.approx(1.959964 * (0.2 * 0.8 / 100) ** 0.5 * 100)
    (origin,) = found["origins"]
    assert origin["reads_too"] == ["ch9_prepare@set2", "ch9_train@b-0"]
    stages = {stage["stage"]: stage for stage in origin["stages"]}
    train = stages["ch9_train@a-1"]
    assert (train["seed"], train["description"]) == (1, "Trains <it>")
    assert train["parameters"] == {"params.yaml": {"toy.training.steps": 90, "toy.training.rate": 0.1}}
    commit = git("rev-parse", "--short", "HEAD").strip()
    modules = {module["module"]: module for module in train["code"]}
    assert modules["stages.ch9_toy.train"]["hash"] == "m1"
    assert modules["stages.ch9_toy.train"]["commit"] == modules["stages.ch9_toy"]["commit"] == commit
    assert modules["stages.ch9_toy"]["file"] == "stages/ch9_toy/__init__.py"
    assert train["dependencies"][0]["made_by"] == ["ch9_prepare@set1"]
    assert train["run"]["machine"] == {"processor": "X"} and train["run_note"] is None
    (data,) = origin["data"]
    assert (data["dataset"], data["kind"], data["said_by"]) == ("set1", "altered", "data/mini/sources/set1/provenance.json")
    assert data["official"]["licence"] == "CC0"
    assert data["official"]["archives"] == [{"url": "https://a/one.tar", "md5": "official1", "sha256": None, "size": 123456}]
    assert [entry["id"] for entry in found["interpretations"]] == ["steps", "verdict"]
    assert found["interpretations"][0]["the thesis"] == "says a | b"


def test_the_text_says_the_same(project):
    text = explain(["table 9.1", "b", "error"])
    for part in [
        "printed     10.0 %",
        "ours        12 % (this run, scale mini, protocol miniature, set1 miniature, seed 0)",
        "in reports/metrics/ch9_toy/one.json, record b error = 12, seed 0, n 100, bitwise",
        "also reads 2 other trainings and ch9_prepare@set2, which this does not come from",
        "3. ch9_train@b-0: Trains <it>",
        "command     python -m stages.ch9_toy.train b --seed 0",
        "toy.training.steps = 90",
        "Data set set1: altered, from a mirror",
        "https://a/one.tar, md5 official1, 123.5 kB",
        "ch9_toy, only-b: open. Chosen: 1",
    ]:
        assert part in text
    assert "ch9_train@a-0" not in text and "set2:" not in text


def change_run(stage, **facts):
    file = record_of(Path(), stage)
    content = json.loads(file.read_text()) | facts
    write(file, {key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda: record_of(Path(), "ch9_train@b-0").unlink(), "no run record: there is no data/runs/ch9_train@b-0/"),
        (lambda: change_run("ch9_train@b-0", made={"data/mini/models/ch9_toy/one/b-seed0": "other"}), "the record is of another run"),
        (lambda: change_run("ch9_train@b-0", made=None), "the record does not say what it made"),
        (lambda: change_run("ch9_train@b-0", bundle="job-7"), "made elsewhere, through the bundle job-7"),
        (lambda: write("reports/code/ch9_toy.train.json", {"a": "b"}), "is not the one that this stage ran with"),
        (lambda: Path("reports/code/ch9_toy.train.json").unlink(), "there is no reports/code/ch9_toy.train.json"),
        (lambda: write("stages/ch9_toy/train.py", "x = 2\n"), "changed since without a commit"),
        (lambda: Path("data/mini/sources/set1/provenance.json").unlink(), "said by     the metrics file"),
        (lambda: Path(".git").rename("git"), "commit not known here"),
        (lambda: Path("dvc.yaml").unlink(), "ch9_train@b-0: not in dvc.yaml any more"),
    ],
)
def test_what_is_missing_is_said(project, spoil, part):
    assert part not in explain(["table 9.1", "b", "error"])
    spoil()
    assert part in explain(["table 9.1", "b", "error"])


def test_a_data_set_that_nothing_tells_of(project):
    Path("data/mini/sources/set1/provenance.json").unlink()
    assert "Data set set1: kind not known" in explain(["ch9_prepare@set1"])
    assert "unknown, there is no data/mini/sources/set1/provenance.json here" in explain(["ch9_prepare@set1"])


def test_cells_that_are_not_ours_or_not_run(project):
    assert "verdict     none: cited from the literature" in explain(["table 9.1", "old", "error"])
    guess = explain(["table 9.1", "guess", "error"])
    assert "printed     nothing" in guess and "verdict     none: a baseline of ours, for which the thesis has no number" in guess
    assert "not run: neither the metrics at hand nor a release have a value" in explain(["table 9.1", "c", "error"])
    assert "No stage made a value for it." in explain(["table 9.1", "c", "error"])


def test_a_release_is_explained_from_its_own_files(project):
    first = git("rev-parse", "HEAD").strip()
    build({"c": [5.5], "a": [20.01, 20.03]}, scale="paper", kind="official", steps=9000, top="reports/releases/paper-1", processor="Y")
    write("reports/releases/paper-1/release.json", {"scale": "paper", "protocol": "full", "date": "2026-02-03", "commit": first})
    write("stages/ch9_toy/train.py", "x = 3\n")
    git("add", "-A")
    git("commit", "-qm", "later")
    found = account("table 9.1", "c", "error")
    assert (found["cells"][0]["verdict"], found["cells"][0]["judged"]) == ("within", "paper-1")
    assert "0.5 from the printed value, no farther than the tolerance of 4.272" in found["cells"][0]["why"]
    (origin,) = found["origins"]
    assert origin["release"]["commit"] == first and origin["files"] == ["reports/releases/paper-1/metrics/ch9_toy/one.json"]
    stages = {stage["stage"]: stage for stage in origin["stages"]}
    train = stages["ch9_train@c-0"]
    assert train["parameters"]["params.yaml"]["toy.training.steps"] == 9000 and train["run"]["machine"] == {"processor": "Y"}
    assert {module["commit"] for module in train["code"]} == {first[:7]}  # not the later commit's
    assert [(data["dataset"], data["kind"]) for data in origin["data"]] == [("set1", "official")]
    assert find(["table 9.1", "c", "error"]).release == "paper-1"
    both = account("table 9.1", "a", "error")
    assert [origin["origin"] for origin in both["origins"]] == ["this run", "release paper-1"]
    assert find(["table 9.1", "a", "error"]).release == "" and find(["table 9.1", "a", "error"]).stages == ["ch9_evaluate"]
    file = find(["reports/releases/paper-1/metrics/ch9_toy/one.json"])
    assert file.release == "paper-1" and file.evidence[0].stages == ("ch9_evaluate",)
    with pytest.raises(UserError, match=r"release\.json is made by no stage of reports/releases/paper-1/dvc\.lock"):
        find(["reports/releases/paper-1/release.json"])


def test_the_picture_shows_the_chain(project, tmp_path):
    explain(["table 9.1", "a", "error"], picture=tmp_path / "chain.svg")
    root = ElementTree.parse(tmp_path / "chain.svg").getroot()
    names = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"]
    assert sorted(names) == ["ch9_evaluate", "ch9_predict", "ch9_prepare set1", "ch9_train a-0", "ch9_train a-1", "code", "download set1"]
    with pytest.raises(UserError, match=r"cannot write .*chain\.svg/x\.svg: Not a directory"):
        explain(["table 9.1", "a", "error"], picture=tmp_path / "chain.svg/x.svg")
    (tmp_path / "link.svg").symlink_to("drawn.svg")
    explain(["table 9.1", "a", "error"], picture=tmp_path / "link.svg")
    assert (tmp_path / "link.svg").is_symlink() and (tmp_path / "drawn.svg").read_text() == (tmp_path / "chain.svg").read_text()
    with pytest.raises(UserError, match="has no chain that could be drawn"):
        explain(["table 9.1", "old", "error"], picture=tmp_path / "none.svg")
    assert not list(tmp_path.glob("*.partial*")) and not (tmp_path / "none.svg").exists()


def test_a_crooked_row_of_interpretations_is_named(project):
    file = Path("stages/ch9_toy/README.md")
    file.write_text(file.read_text().replace("| only-b | open |", "| only-b |"))
    with pytest.raises(UserError, match=r"stages/ch9_toy/README\.md: entry 2 of Interpretations has 4 columns, not 5"):
        explain(["table 9.1", "a", "error"])


def test_a_picture_makes_no_folders(project):
    with pytest.raises(UserError, match=r"^there is no folder no/where to draw a\.svg to$"):
        explain(["table 9.1", "a", "error"], picture=Path("no/where/a.svg"))
    assert not Path("no").exists()


# ------------------------------------------------------------------------------------------------ this repository


def test_a_cell_of_table_2_2(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = account("table 2.2", "cfn-b", "cifar10")
    (cell,) = found["cells"]
    assert (cell["printed"], cell["unit"], cell["row_label"]) == ("8.27", "%", "CFN-B")
    # the binomial error, from the printed 8.27 %
    assert cell["tolerance"] == pytest.approx(0.5398, abs=1e-4)
    if not cell["values"]:
        pytest.skip("CFN-B is not among the models of the scale in force")
    (origin,) = [origin for origin in found["origins"] if origin["origin"] == "this run"]
    names = [stage["stage"] for stage in origin["stages"]]
    assert names == [
        "ch2_evaluate@cifar10", "ch2_predict@cifar10", "ch2_train@cifar10-cfn-b-0", "ch2_prepare@cifar10", "download@cifar10", "code"
    ]  # fmt: skip
    assert origin["stages"][2]["seed"] == 0
    assert "8.27" in explain(["table 2.2", "cfn-b", "cifar10"])


def test_the_audit_imports_nothing_heavy():
    code = "import sys, workflow.audit.explain, workflow.audit.diff; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "yaml" in loaded and not loaded & {"dvc", "torch", "numpy", "pandas", "matplotlib", "mlflow", "networkx", "pydantic"}


def test_every_interpretation_names_stages_that_exist(monkeypatch):
    monkeypatch.chdir(ROOT)
    graph = Path("data/graph.json")
    names = {stage["name"] for stage in json.loads(graph.read_text())["stages"].values()} if graph.exists() else set(Lock().stages)
    entries = list(interpretations())
    assert len(entries) >= 20
    for entry in entries:
        assert entry["stages"], f"{entry['chapter']}: {entry['id']} names no stages"
        for pattern in entry["stages"]:
            assert any(fnmatchcase(name, pattern) for name in names), f"{entry['chapter']}: {entry['id']}: {pattern} matches no stage"
