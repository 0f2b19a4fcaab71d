"""Releases: what is copied, what is left out, and when there is none."""

import csv
import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from published_world import write_published

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.metrics import Dataset, Record
from workflow import release, sources
from workflow.lock import lock_files
from workflow.runs import record_path

ROOT = Path(__file__).parents[1]
TIMED = {f"toy_train@{model}-0": seconds for model, seconds in (("cnn-b", 1000), ("cfn-b", 1246))}
STAGES = {stage: {"cmd": stage} for stage in ("train@a-0", "tables", *TIMED)}
RECORD = {
    "stage": "train@a-0", "train_seconds": 5400, "machine": {"processor": "X"}, "packages": {"torch": "1"},
    "device": "cpu", "gpu": None, "threads": 1, "precision": "fp32", "determinism": "bitwise",
}  # fmt: skip


def errors(file: Path, values: dict[str, list[float]]) -> None:
    """A metrics file of errors on CIFAR-10, as if from the thesis's own data and schedule: {model: [value of seed 0, ...]}."""
    records = [
        Record(model, "error", value, "%", "lower", "bitwise", seed=seed, n=10000)
        for model, found in values.items()
        for seed, value in enumerate(found)
    ]
    facts = {"chapter": "ch9_toy", "experiment": "cifar10", "scale": "real", "protocol": "full"}
    file.parent.mkdir(parents=True, exist_ok=True)
    metrics.write(file, dataset=Dataset("cifar10", "official", ""), records=records, **facts)


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A committed project with one training's results, all up to date."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    files = {
        "requirements.lock": "torch==1\n",
        "model.py": "x = 1\n",
        "dvc.lock": yaml.safe_dump({"stages": STAGES}),
        "data/graph.json": json.dumps({"stages": {stage: {"name": stage, "outs": []} for stage in STAGES}}),
        "reports/code/train.json": "{}",
        "reports/metrics/c/m.json": "{}",
        "reports/tables/c/t.md": "t",
        "reports/figures/c/curve.svg": "<svg/>",
        "reports/figures/c/curve.csv": "1",
        "reports/figures/c/photos.png": "p",
        "reports/figures/c/photos.csv": "p",
        "reports/releases/README.md": "",
    }
    write_published()
    errors(Path("reports/metrics/ch9_toy/cifar10.json"), {"cfn-b": [8.54, 8.54], "cnn-b": [9.60, 9.70]})
    # another release, which has more; none of it counts
    errors(Path("reports/releases/real-0/metrics/ch9_toy/cifar10.json"), {"cfn-a": [14.73] * 3, "cnn-a": [15.57] * 3})
    Path("reports/releases/real-0/release.json").write_text('{"scale": "real", "date": "2025-01-01"}')
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "all")
    timed = [RECORD | {"stage": stage, "train_seconds": seconds, "iterations": 120000} for stage, seconds in TIMED.items()]
    for record in (
        RECORD,
        {"stage": "tables", "machine": RECORD["machine"], "packages": RECORD["packages"]},
        RECORD | {"stage": "train@of-another-scale-0"},
        *timed,
    ):
        write_json(record_path(record["stage"], STAGES.get(record["stage"], {"cmd": ""})), record)
    Path(".git/info/exclude").write_text("data/\n")
    monkeypatch.setattr(release, "stale", list)
    entries = sources.load(ROOT / sources.SOURCES)  # the parameters are ours, and name sets that this project has no readers of
    monkeypatch.setattr(sources, "load", lambda: entries)
    monkeypatch.setattr(sources, "problems", lambda entries: [])
    audit_finds(monkeypatch, [])
    return tmp_path


def audit_finds(monkeypatch, problems: list[str]) -> None:
    """A stand-in for the audit, which has tests of its own."""
    verify = types.SimpleNamespace(problems=lambda: problems)
    monkeypatch.setitem(sys.modules, "workflow.audit", types.SimpleNamespace(verify=verify, __path__=[]))
    monkeypatch.setitem(sys.modules, "workflow.audit.verify", verify)


def make(monkeypatch, name: str) -> None:
    monkeypatch.setattr(sys, "argv", ["release", name])
    release.main()


def test_a_release_holds_results_and_what_made_them_but_no_pictures(project, monkeypatch):
    make(monkeypatch, "mini-1")
    folder = project / "reports/releases/mini-1"
    assert sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()) == [
        "claims.json", "code/train.json", "dvc.lock", "figures/c/curve.csv", "figures/c/curve.svg", "metrics/c/m.json",
        "metrics/ch9_toy/cifar10.json", "params.yaml", "release.json", "requirements.lock",
        "runs/tables.json", *sorted(f"runs/{stage}.json" for stage in TIMED), "runs/train@a-0.json", "tables/c/t.md", "verdicts.csv",
    ]  # fmt: skip
    about = json.loads((folder / "release.json").read_text())
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert (about["commit"], about["scale"], about["protocol"], about["training_hours"]) == (commit, "mini", "miniature", 2.12)
    device = {"determinism": "bitwise", "device": "cpu", "gpu": None, "precision": "fp32", "threads": 1}
    assert about["machines"] == [{"processor": "X"}] and about["devices"] == [device]


def test_what_nobody_knows_who_made_is_not_released(project, monkeypatch):
    """Outputs that somebody committed into DVC by hand have no run record."""
    record_path("tables", STAGES["tables"]).unlink()
    with pytest.raises(SystemExit, match=r"^error: when and where tables ran is not known: there is no run record of what dvc\.lock has"):
        make(monkeypatch, "mini-1")
    assert not (project / "reports/releases/mini-1").exists()


def verdicts(folder: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    with (folder / "verdicts.csv").open() as file:
        return {(row["table"], row["row"], row["column"]): row for row in csv.DictReader(file)}


def test_a_release_states_the_verdict_of_every_cell_by_its_own_numbers(project, monkeypatch):
    make(monkeypatch, "mini-1")
    rows = verdicts(project / "reports/releases/mini-1")
    # 8.54 is 0.27 from 8.27; the binomial tolerance is 0.5398, half of it 0.2699
    assert rows["9.1", "cfn-b", "error"] == {
        "chapter": "ch9_toy", "table": "9.1", "row": "cfn-b", "column": "error", "printed": "8.27", "value": "8.54",
        "verdict": "within", "reason": "", "tolerance": "0.539829", "tolerance_origin": "the binomial error of 10 000 images",
        "verdict_half": "outside", "verdict_double": "within",
    }  # fmt: skip
    # 1246 / 1000, from the release's own run records
    time = rows["text 9.1", "ratio", "hours"]
    assert (time["value"], time["verdict"]) == ("1.246", "exact")
    cannot = rows["text 9.1", "cnn-b", "hours"]
    assert (cannot["verdict"], cannot["reason"]) == ("cannot run", "another machine")
    for cell in (("9.1", "cfn-a", "error"), ("9.2", "m", "e")):
        assert (rows[cell]["value"], rows[cell]["verdict"], rows[cell]["reason"]) == ("", "not run", "no result")
    assert ("9.1", "srelu", "error") not in rows and all(row["verdict"] for row in rows.values())


def test_a_release_counts_its_verdicts_and_claims(project, monkeypatch):
    make(monkeypatch, "mini-1")
    folder = project / "reports/releases/mini-1"
    counts = json.loads((folder / "release.json").read_text())["verdicts"]
    toy, none = (counts["chapters"][chapter] for chapter in ("ch9_toy", "ch9_none"))
    # cfn-b and cnn-b (9.65 for 9.28, half the tolerance is 0.28), the ratio of times, two hours; the rest is without a result
    assert toy["cells"]["stated"] == {"exact": 1, "within": 2, "outside": 0, "not run": 5, "cannot run": 2}
    assert toy["cells"]["half"] == {"exact": 1, "within": 0, "outside": 2, "not run": 5, "cannot run": 2}
    assert toy["cells"]["double"] == toy["cells"]["stated"]
    assert none["cells"]["stated"] == {"exact": 0, "within": 0, "outside": 0, "not run": 1, "cannot run": 0}
    assert counts["all"]["cells"]["stated"] == toy["cells"]["stated"] | {"not run": 6}

    stated = json.loads((folder / "claims.json").read_text())
    # 8.54 is above the cited 8.41, twice the same
    there = {"agrees there": 0, "disagrees there": 0, "open there": 0}
    assert toy["claims"] == {"reproduced": 1, "contradicted": 1, "not decided": 0, "not tried": 3} | there
    assert none["claims"] == dict.fromkeys(toy["claims"], 0)
    assert (stated["counts"], stated["confidence"]) == (toy["claims"], 0.95) and counts["all"]["claims"] == toy["claims"]
    judged = {(one["claim"], one["case"]): one for one in stated["claims"]}
    # differences -1.06 and -1.16: t = -1.11 / (0.0707 / sqrt 2) = -22.2, one degree of freedom: p = 1/2 - atan(22.2) / pi
    below = judged["cfn-below-cnn", "cfn-b < cnn-b, cifar10"]
    assert (below["verdict"], below["test"], below["confidence"], below["seeds"]) == ("reproduced", "paired t-test", 0.95, 2)
    assert below["p"] == pytest.approx(0.01433, abs=1e-5)
    assert (below["chapter"], below["source"]) == ("ch9_toy", "mini-1")
    assert judged["cfn-below-cnn", "cfn-a < cnn-a, cifar10"]["verdict"] == "not tried"


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        (["x.json was changed."], "error: the audit finds 1 problem: x.json was changed: run `python -m workflow.audit verify`"),
        (["x is wrong", "y"], "error: the audit finds 2 problems, the first: x is wrong: run `python -m workflow.audit verify`"),
    ],
)
def test_what_the_audit_does_not_bear_out_is_not_released(project, monkeypatch, problems, message):
    audit_finds(monkeypatch, problems)
    with pytest.raises(SystemExit) as caught:
        make(monkeypatch, "mini-1")
    assert caught.value.code == message
    assert [file.name for file in sorted(project.glob("reports/releases/*"))] == ["README.md", "real-0"]


def test_a_malformed_metrics_file_is_one_sentence_and_no_release(project, monkeypatch):
    Path("reports/metrics/ch9_toy/cifar10.json").write_text("{")
    with pytest.raises(SystemExit, match=r"^error: reports/metrics/ch9_toy/cifar10\.json: not valid JSON"):
        make(monkeypatch, "mini-1")
    assert [file.name for file in sorted(project.glob("reports/releases/*"))] == ["README.md", "real-0"]


def test_without_any_transcribed_table_there_is_nothing_to_state(project, monkeypatch):
    shutil.rmtree("stages/tables/published")
    git("add", "-A")
    git("commit", "-qm", "none")
    with pytest.raises(SystemExit, match="stages/tables/published: no table is transcribed there"):
        make(monkeypatch, "mini-1")


def test_what_a_killed_release_left_is_in_nobody_s_way(project, monkeypatch):
    left = project / "reports/releases/.mini-1.partial/code"
    left.mkdir(parents=True)
    make(monkeypatch, "mini-1")
    assert not left.exists() and (project / "reports/releases/mini-1/release.json").exists()


def test_a_name_that_is_taken_even_by_a_link_to_nothing(project, monkeypatch):
    Path("reports/releases/mini-1").symlink_to("nothing")
    with pytest.raises(SystemExit, match=r"^error: reports/releases/mini-1 exists: releases are not changed"):
        make(monkeypatch, "mini-1")
    assert Path("reports/releases/mini-1").is_symlink()


def test_an_audit_that_cannot_read_what_it_needs_says_so(project, monkeypatch):
    def broken() -> list[str]:
        raise UserError("dvc.lock is not a lock file of DVC")

    monkeypatch.setattr(sys.modules["workflow.audit.verify"], "problems", broken)
    with pytest.raises(SystemExit, match=r"^error: dvc\.lock is not a lock file of DVC$"):
        make(monkeypatch, "mini-1")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: Path("model.py").write_text("x = 2\n"), "model.py differ from the commit: commit or undo them"),
        (lambda: Path("new.py").write_text(""), "new.py differ from the commit"),
        (lambda: Path("dvc.lock").unlink(), "nothing has run yet, there is no dvc.lock"),
        (lambda: Path("dvc.lock").write_text("stages:\n  tables:\n    cmd: x\n    deps:\n"), "error: dvc.lock is not a lock file of DVC"),
        (lambda: Path("reports/releases/mini-1").mkdir(), "releases are not changed; choose another name"),
        (lambda: Path("params.yaml").write_text("scale: 3\n"), "params.yaml"),
    ],
)
def test_no_release_of_what_could_not_be_named(project, monkeypatch, spoil, message):
    spoil()
    with pytest.raises(SystemExit, match=message):
        make(monkeypatch, "mini-1")
    assert not list(project.glob("reports/releases/mini-1/*")) and not list(project.glob("reports/releases/.*"))


def test_stale_results_are_not_released(project, monkeypatch):
    monkeypatch.setattr(release, "stale", lambda: ["train@a-0"])
    with pytest.raises(SystemExit, match=r"not up to date: train@a-0: run `dvc repro` first"):
        make(monkeypatch, "mini-1")


@pytest.mark.parametrize("name", ["../x", "A b", "", ".hidden"])
def test_a_bad_name_is_refused(project, monkeypatch, name):
    with pytest.raises(SystemExit, match="is no name for a release"):
        make(monkeypatch, name)


def test_parameters_and_results_of_another_scale_do_not_count_as_changed_code(project, monkeypatch):
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# changed\n")
    Path("reports/tables/c/t.md").write_text("another")
    make(monkeypatch, "mini-1")
    assert (project / "reports/releases/mini-1/tables/c/t.md").read_text() == "another"


def test_the_lock_of_a_release_has_the_stages_in_force_only() -> None:
    """DVC keeps the entries of the scale before, whose results are not there."""
    texts = [file.read_text() for file in lock_files(ROOT)]
    kept = yaml.safe_load(release.in_force(texts, {"code", "download@cifar10", "ch3_forest@bsds500"}))
    whole = {name: entry for text in texts for name, entry in yaml.safe_load(text)["stages"].items()}
    assert kept == {"schema": "2.0", "stages": {name: whole[name] for name in ("code", "download@cifar10", "ch3_forest@bsds500")}}
    assert yaml.safe_load(release.in_force(texts, set(whole)))["stages"] == whole
