"""Metrics files as runs: which there are, whose parameters they have, and files that are not what they should be."""

import hashlib
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import track_project
import yaml
from conftest import record_of
from track_project import CURVES, LOCK, PREPARED_ENTRY, RECORD, record, write_metrics

from stages.core.errors import UserError
from workflow import track
from workflow.lock import Lock


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with two results, a lock and a run record."""
    monkeypatch.chdir(tmp_path)
    track_project.make()
    return tmp_path


def test_hash_of_the_lock_entry(folder):
    write_metrics(
        Path("reports/metrics/ch2_fusion/cifar10.json"), [record("x", trained=None, predictions="data/mini/prepared/cifar10/a.npz")]
    )
    (result,) = track.collect()
    assert result.tags["stage"] == "prepare@cifar10"
    assert result.tags["stage_lock_sha256"] == hashlib.sha256(PREPARED_ENTRY.encode()).hexdigest()


@pytest.mark.parametrize("what", ["curve", "lock", "commit"])
def test_what_counts_as_a_change(folder, what):
    before = {result.name: result.fingerprint for result in track.collect()}
    if what == "curve":
        Path("reports/metrics/ch2_fusion/cifar10.training.csv").write_text(CURVES.replace("1.25", "1.26"))
    elif what == "lock":
        Path("dvc.lock").write_text(yaml.safe_dump(LOCK).replace("md5: '2'", "md5: '4'"))
    else:
        subprocess.run("git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a", shell=True, check=True)
        RECORD.unlink()
    after = {result.name: result.fingerprint for result in track.collect()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == (set() if what == "commit" else {"cifar10 cfn-a seed 0, mini"})


def test_releases_and_facts_without_a_data_set(folder):
    release = Path("reports/releases/real-2025-01-31")
    write_metrics(release / "metrics/ch2_fusion/cifar10.json", [record("cfn-a", value=9.5)], scale="real", protocol="full")
    (release / "release.json").write_text(json.dumps({"scale": "real", "commit": "abc"}))
    (release / "dvc.lock").write_text(yaml.safe_dump(LOCK))
    (release / "runs").mkdir()
    (release / "runs/train@cfn-a-0.json").write_text(json.dumps({"duration_s": 99}))
    counts = [
        record("cfn-a", "layers", value, seed=None, predictions=None, trained=None, dataset=dataset)
        for dataset, value in (("cifar10", 9), ("cifar100", 10))
    ]
    write_metrics(Path("reports/metrics/ch2_fusion/architectures.json"), counts, dataset=None, protocol="full")
    Path("reports/metrics/ch2_fusion/layers.json").write_text('{"cfn-a": ["conv 3x3"]}')

    found = {result.tags["identity"]: result for result in track.collect()}
    assert set(found) == {
        "cifar10 cfn-a seed 0 | mini | at hand", "cifar10 cnn-a seed 0 | mini | at hand", "architectures cifar10 cfn-a | mini | at hand",
        "architectures cifar100 cfn-a | mini | at hand", "cifar10 cfn-a seed 0 | real | real-2025-01-31",
    }  # fmt: skip
    released = found["cifar10 cfn-a seed 0 | real | real-2025-01-31"]
    assert released.name == "cifar10 cfn-a seed 0, real-2025-01-31"
    assert (released.tags["release"], released.tags["stage"]) == ("real-2025-01-31", "train@cfn-a-0")
    assert released.facts == {"duration_s": "99", "mlflow.source.git.commit": "abc"}
    counted = found["architectures cifar100 cfn-a | mini | at hand"]
    assert counted.points == {("layers", 0): 10}
    assert counted.tags["stage"] == "count"
    assert "seed" not in counted.params


def test_facts_of_releases_are_tracked_where_they_differ(folder):
    facts = [record("cfn-a", "layers", 9, seed=None, predictions=None, trained=None)]
    write_metrics(Path("reports/metrics/ch2_fusion/architectures.json"), facts, dataset=None)
    for name, value in (("real-1", 9), ("real-2", 10), ("real-3", 10)):
        again = [{**facts[0], "value": value}]
        write_metrics(Path(f"reports/releases/{name}/metrics/ch2_fusion/architectures.json"), again, dataset=None, scale="real")
    assert [result.name for result in track.collect() if "architectures" in result.name] == [
        "architectures cfn-a, mini", "architectures cfn-a, real-2",
    ]  # fmt: skip


def test_the_curve_of_a_network_is_every_run_s_that_asks_it(folder):
    models = {"cfn-a:average": "cfn-a", "cfn-b:average": "cfn-b", "second-name:average": "cfn-a"}
    records = [record(model, trained=f"data/mini/models/block-seed0/{network}") for model, network in models.items()]
    write_metrics(Path("reports/metrics/ch2_fusion/cifar10.json"), records)
    Path("reports/metrics/ch2_fusion/cifar10.training.csv").write_text(CURVES)
    steps = {result.params["model"]: [step for key, step in result.points if key == "train_loss"] for result in track.collect()}
    assert steps == {"cfn-a:average": [10, 20], "cfn-b:average": [], "second-name:average": [10, 20]}


def test_names_say_the_encoder_last(folder):
    records = [record("rds", encoder="VGG-16"), record("rds", encoder="VGG-19", seed=1), record("canny", seed=None)]
    write_metrics(Path("reports/metrics/ch2_fusion/cifar10.json"), records)
    assert [result.name for result in track.collect()] == [
        "cifar10 rds seed 0, mini (VGG-16)", "cifar10 rds seed 1, mini (VGG-19)", "cifar10 canny, mini",
    ]  # fmt: skip


PR = "model,seed,recall,precision\ncfn-a,0,0.5,0.25\n"


@pytest.mark.parametrize(
    ("name", "content", "steps", "kept"),
    [
        ("training", CURVES, [10, 20], False),
        ("curves", CURVES, [10, 20], False),
        ("curves", PR, [], True),
        ("pr", PR, [], True),
        ("sweep", PR.replace("recall", "iteration"), [], True),
    ],
)
def test_what_has_iterations_are_curves_and_the_rest_files(folder, name, content, steps, kept):
    Path("reports/metrics/ch2_fusion/cifar10.training.csv").unlink()
    Path(f"reports/metrics/ch2_fusion/cifar10.{name}.csv").write_text(content)
    Path("reports/tables/ch2_fusion").mkdir(parents=True)
    found = {result.name: result for result in track.collect()}
    points = found["cifar10 cfn-a seed 0, mini"].points
    assert sorted(step for metric, step in points if metric == "lr") == steps
    assert points["error", max(steps, default=0)] == 14.5
    assert not any(metric in ("recall", "precision") for metric, _ in points)
    assert (f"metrics/cifar10.{name}.csv" in found["tables and figures, mini"].artifacts) == kept


def attributed(*records: dict) -> list[tuple[str, bool]]:
    """The stage of each result, and whether it has parameters of a training."""
    write_metrics(Path("reports/metrics/ch2_fusion/cifar10.json"), list(records))
    found = [(result.tags["stage"], "ch2_fusion.training.learning_rate" in result.params) for result in track.collect()]
    assert len(found) == len(records)
    return found


def test_parameters_are_those_of_the_own_training(folder):
    predictions = "data/mini/predictions/ch2_fusion/cifar10"
    own, untrained = record("cfn-a"), record("canny", seed=None, trained=None)
    assert attributed(own, untrained) == [("train@cfn-a-0", True), ("predict@cifar10", False)]
    # Older than the key `trained`: by the name of the predictions, if it is one training's; else whichever there are.
    old = [record(model, trained=None) for model in ("cfn-a", "cnn-a")]
    assert attributed(*old) == [("train@cfn-a-0", True), ("predict@cifar10", True)]
    assert attributed(record("cfn-a", trained=None, predictions=f"{predictions}/cfn-a-seed0")) == [("train@cfn-a-0", True)]
    twin = {**LOCK["stages"]["train@cfn-a-0"], "outs": [{"path": "data/mini/models/ch2_fusion/cifar10/twice/cfn-a-seed0", "md5": "5"}]}
    Path("dvc.lock").write_text(yaml.safe_dump({**LOCK, "stages": {**LOCK["stages"], "twin": twin}}))
    assert attributed(old[0]) == [("predict@cifar10", True)]


def test_time_of_a_training_that_was_resumed(folder):
    run = json.loads(RECORD.read_text())
    RECORD.write_text(json.dumps(run | {"resumed": True, "train_seconds": 100.0}))
    result = next(result for result in track.collect() if result.tags["stage"] == "train@cfn-a-0")
    # its last part took 12.5 s from noon, 1738324800 s after 1970
    assert (result.started, result.milliseconds) == (1738324800000 + 12500 - 100000, 100000)


def test_without_a_run_record_a_release_is_of_its_date(folder):
    release = Path("reports/releases/real-2025-01-31")
    write_metrics(release / "metrics/ch2_fusion/cifar10.json", [record("cfn-a")], scale="real")
    (release / "release.json").write_text('{"date": "2025-01-31"}')
    released = next(result for result in track.collect() if "release" in result.tags)
    assert (datetime.fromtimestamp(released.started / 1000).date().isoformat(), released.milliseconds) == ("2025-01-31", 0)


def test_results_of_a_real_run(finished, monkeypatch):
    monkeypatch.chdir(finished)
    found = {result.name: result for result in track.collect() if not result.tags.get("release")}
    result = found["cifar10 cfn-a seed 0, mini"]
    training = json.loads(record_of(finished, "ch2_train@cifar10-cfn-a-0").read_text())
    assert (result.tags["stage"], result.milliseconds) == ("ch2_train@cifar10-cfn-a-0", int(training["duration_s"] * 1000))
    assert sorted(step for metric, step in result.points if metric == "train_loss") == [1, 2]
    assert result.params["ch2_fusion.training.iterations"] == "2"
    source = Lock().stages["download@cifar10"]
    assert (result.dataset.digest, result.dataset.made_by) == (source["outs"][0]["md5"], source["cmd"])
    assert {"tables/table_2_2.md", "metrics/layers.json"} <= found["tables and figures, mini"].artifacts.keys()
    assert not any(name.endswith("training.csv") for name in found["tables and figures, mini"].artifacts)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("reports/metrics/ch2_fusion/cifar10.json", "{", "cifar10.json is not valid JSON"),
        ("reports/metrics/ch2_fusion/cifar10.json", '{"schema": 1}', "key 'chapter' is missing"),
        ("reports/metrics/ch2_fusion/cifar10.training.csv", "model,seed\ncfn-a,0\n", "lacks the columns iteration"),
        ("reports/metrics/ch2_fusion/cifar10.training.csv", "model,seed,iteration,lr\ncfn-a,0,10,x\n", "line 2: could not convert"),
        ("dvc.lock", "[]", "dvc.lock is not a lock file of DVC"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(folder, file, content, sentence):
    Path(file).write_text(content)
    with pytest.raises(UserError, match=sentence):
        track.collect()


def test_no_metrics_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["track"])
    with pytest.raises(SystemExit, match="error: there are no metrics files in reports/metrics or reports/releases: run `dvc repro` first"):
        track.main()
    assert list(tmp_path.iterdir()) == []
