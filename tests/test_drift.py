"""Results that came out otherwise than committed: which stage differs first, which follow, how far numbers moved."""

import subprocess
from pathlib import Path

import pytest
import yaml

from stages.core.metrics import Record, write
from workflow import drift

METRICS = "reports/metrics/c/e.json"


def entry(cmd: str, deps: dict[str, str], outs: dict[str, str], rate: float = 0.1) -> dict:
    return {
        "cmd": cmd,
        "deps": [{"path": path, "md5": md5} for path, md5 in deps.items()],
        "params": {"params.yaml": {"rate": rate}},
        "outs": [{"path": path, "md5": md5} for path, md5 in outs.items()],
    }


def lock(model: str = "m", other: str = "o", metrics: str = "e", rate: float = 0.1, code: str = "c") -> None:
    """A data set, two trainings, and the evaluation of both; written in an order that is not that of the pipeline."""
    stages = {
        "evaluate": entry("evaluate", {"reports/code/evaluate.json": "c", "data/models": model + other}, {METRICS: metrics}),
        "train@a": entry("train a", {"reports/code/train.json": code, "data/set": "s"}, {"data/models/a": model}, rate),
        "train@b": entry("train b", {"reports/code/train.json": "c", "data/set": "s"}, {"data/models/b": other}),
        "prepare": entry("prepare", {"reports/code/prepare.json": "c"}, {"data/set": "s"}),
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def numbers(ods: float, ap: float, time: float = 1.0) -> None:
    records = [
        Record("hed", "ods", ods, "F", "higher", "bitwise", seed=0, n=2),
        Record("hed", "ap", ap, "precision", "higher", "bitwise", seed=1, n=2),
        Record("canny", "ods", time, "F", "higher", "bitwise", n=2),
    ]
    Path(METRICS).parent.mkdir(parents=True, exist_ok=True)
    write(Path(METRICS), chapter="c", experiment="e", scale="mini", protocol="miniature", dataset=None, records=records)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lock()
    numbers(0.5, 0.4)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], check=True)
    return tmp_path


def test_the_newcomers_question(project: Path) -> None:
    assert drift.report() == ["All 4 stages: the committed results, to the byte"]
    assert drift.report({"prepare", "evaluate", "not-run-yet"}) == ["All 2 stages: the committed results, to the byte"]


def test_the_first_that_differs_and_those_that_follow(project: Path) -> None:
    lock(model="m2", metrics="e2")
    numbers(0.55, 0.3)
    assert drift.report() == [
        "4 stages: 2 as committed, to the byte; 2 came out otherwise by the same command, parameters and code",
        "train@a: first: data/models/a",
        # .05 of .5 is a tenth, .1 of .4 a quarter
        "evaluate: follows train@a: 2 of 3 numbers moved, farthest hed ap seed 1: 0.4, now 0.3 (-0.1)",
    ]


def test_it_may_follow_several_and_end_in_the_same_numbers(project: Path) -> None:
    lock(model="m2", other="o2", metrics="e2")
    assert drift.report()[1:] == [
        "train@a: first: data/models/a",
        "train@b: first: data/models/b",
        f"evaluate: follows train@a and 1 more: {METRICS}",
    ]


@pytest.mark.parametrize("change", [{"rate": 0.2}, {"code": "c2"}])
def test_what_was_made_otherwise_may_come_out_otherwise_and_so_may_what_reads_it(project: Path, change: dict) -> None:
    lock(model="m2", metrics="e2", **change)
    numbers(0.6, 0.4)
    assert drift.report() == ["4 stages: 2 as committed, to the byte; 2 made otherwise than committed (command, parameters, code or data)"]


def test_without_a_commit_there_is_nothing_to_compare_with(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(model="m2")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    assert drift.report() == []
    monkeypatch.setenv("PATH", "")
    assert drift.report() == []
