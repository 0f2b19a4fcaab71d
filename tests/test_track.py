"""Metrics files as MLflow runs: what is logged, what a second call does, and stores that do not answer."""

import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from stages.core.errors import UserError
from workflow import track

PROJECT = Path(track.__file__).parents[1]
LOCK = {
    "schema": "2.0",
    "stages": {
        "prepare@cifar10": {
            "cmd": "python -m stages.prepare cifar10",
            "params": {"params.yaml": {"scale": "mini", "ch2_fusion.contrast_scale": 55}, "workflow/sources.yaml": {"cifar10": "x"}},
            "outs": [{"path": "data/mini/prepared/cifar10", "md5": "1"}],
        },
        "train@cfn-a-0": {
            "cmd": "python -m stages.train cfn-a --seed 0",
            "deps": [{"path": "data/mini/prepared/cifar10", "md5": "1"}],
            "params": {"params.yaml": {"ch2_fusion.training": {"learning_rate": 0.1, "steps": [80, 110]}}},
            "outs": [{"path": "data/mini/models/ch2_fusion/cifar10/cfn-a-seed0", "md5": "2"}],
        },
        "predict@cifar10": {
            "cmd": "python -m stages.predict cifar10",
            "deps": [{"path": "data/mini/models/ch2_fusion/cifar10"}],
            "params": {"params.yaml": {"runtime": {"threads": 1}}},
            "outs": [{"path": "data/mini/predictions/ch2_fusion/cifar10", "md5": "3"}],
        },
        "count": {"cmd": "python -m stages.count", "outs": [{"path": "reports/metrics/ch2_fusion/architectures.json"}]},
    },
}
PREPARED_ENTRY = (
    '{"cmd":"python -m stages.prepare cifar10","outs":[{"md5":"1","path":"data/mini/prepared/cifar10"}],'
    '"params":{"params.yaml":{"ch2_fusion.contrast_scale":55,"scale":"mini"},"workflow/sources.yaml":{"cifar10":"x"}}}'
)
CURVES = """model,seed,iteration,train_loss,test_error,lr,fusion_weight_1
cfn-a,0,10,2.5,,0.1,0.34
cfn-a,0,20,1.25,30.5,0.1,0.36
cnn-a,0,10,2.75,,0.1,
"""


def record(model: str, metric: str = "error", value: float = 14.5, seed: int | None = 0, **more: object) -> dict:
    return {
        "model": model, "seed": seed, "metric": metric, "value": value, "unit": "%", "better": "lower", "n": None, "encoder": None,
        "determinism": "bitwise", "parameters": None, "predictions": f"data/mini/predictions/ch2_fusion/cifar10/{model}-seed{seed}.npz",
        "trained": f"data/mini/models/ch2_fusion/cifar10/{model}-seed{seed}",
    } | more  # fmt: skip


def write_metrics(path: Path, records: list[dict], **more: object) -> None:
    dataset = {"name": "cifar10", "kind": "miniature", "note": ""}
    about = {"schema": 1, "chapter": "ch2_fusion", "experiment": path.stem, "scale": "mini", "protocol": "miniature", "dataset": dataset}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | {"records": records} | more))


CIFAR10 = [
    record("cfn-a", parameters=249930),
    record("cfn-a", "fusion_weight_1", 0.36, parameters=249930),
    record("cnn-a", value=15.25, determinism="numeric"),
]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's schema, made once: that takes longer than all that is then done with it."""
    file = tmp_path_factory.mktemp("store") / "store.db"
    with pytest.MonkeyPatch.context() as patch:
        for key, value in track.ENVIRONMENT.items():
            patch.setenv(key, value)
        track.prepare(f"sqlite:///{file}")
    return file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Path:
    """A project folder with two results, a lock and a run record; the store is an SQLite file in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, "store.db")
    for key, value in track.ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    # By its whole path: MLflow keeps one connection for each address, and tests would share a relative one.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    write_metrics(Path("reports/metrics/ch2_fusion/cifar10.json"), CIFAR10)
    Path("reports/metrics/ch2_fusion/cifar10.curves.csv").write_text(CURVES)
    Path("dvc.lock").write_text(yaml.safe_dump(LOCK))
    Path("data/runs").mkdir(parents=True)
    run = {"stage": "train@cfn-a-0", "cmd": "x", "started": "2025-01-31T12:00:00+00:00", "duration_s": 12.5, "machine": {"cores": 2}}
    Path("data/runs/train@cfn-a-0.json").write_text(json.dumps(run))
    return tmp_path


def call(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["track"])
    track.main()
    return capsys.readouterr().out


def client():
    from mlflow import MlflowClient

    return MlflowClient(os.environ["MLFLOW_TRACKING_URI"])


def runs(condition: str = "") -> list:
    mlflow = client()
    return list(mlflow.search_runs([mlflow.get_experiment_by_name("ch2_fusion").experiment_id], condition))


def history(run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client().get_metric_history(run_id, metric)]


def separate(folder: Path, **environment: str) -> subprocess.Popen:
    """`python -m workflow.track` in a process of its own; the default store unless the environment says otherwise."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_TRACKING_URI", *track.ENVIRONMENT)}
    return subprocess.Popen(
        [sys.executable, "-m", "workflow.track"], cwd=folder, env={**inherited, "PYTHONPATH": str(PROJECT), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def texts(database: Path) -> list[str]:
    """Every text in every table."""
    with sqlite3.connect(database) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        return [str(cell) for table in tables for row in connection.execute(f'select * from "{table}"') for cell in row]


def test_what_is_logged(folder, capsys, monkeypatch):
    subprocess.run("git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a", shell=True, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert call(capsys, monkeypatch) == f"2 runs logged, 0 unchanged, experiment(s) ch2_fusion, at sqlite:///{folder}/store.db\n"
    found = {run.info.run_name: run for run in runs()}
    assert set(found) == {"cifar10 cfn-a seed 0", "cifar10 cnn-a seed 0"}

    cfn = found["cifar10 cfn-a seed 0"]
    assert cfn.data.params == {
        "experiment": "cifar10", "model": "cfn-a", "seed": "0", "dataset": "cifar10", "dataset_kind": "miniature",
        "scale": "mini", "protocol": "miniature", "ch2_fusion.contrast_scale": "55",
        "ch2_fusion.training.learning_rate": "0.1", "ch2_fusion.training.steps": "[80, 110]",
    }  # fmt: skip
    assert history(cfn.info.run_id, "train_loss") == [(10, 2.5), (20, 1.25)]
    assert history(cfn.info.run_id, "test_error") == [(20, 30.5)]
    assert history(cfn.info.run_id, "fusion_weight_1") == [(10, 0.34), (20, 0.36)]
    assert cfn.data.metrics == {
        "error": 14.5, "parameters": 249930, "fusion_weight_1": 0.36, "train_loss": 1.25, "test_error": 30.5, "lr": 0.1,
    }  # fmt: skip
    expected = {
        "stage": "train@cfn-a-0", "scale": "mini", "determinism": "bitwise", "superseded": "false", "duration_s": "12.5",
        "machine.cores": "2", "metrics_file": "reports/metrics/ch2_fusion/cifar10.json",
        "mlflow.source.git.commit": head, "mlflow.source.git.dirty": "true",
    }  # fmt: skip
    assert expected.items() <= cfn.data.tags.items()
    assert "release" not in cfn.data.tags
    assert (cfn.info.status, cfn.info.start_time, cfn.info.end_time) == ("FINISHED", 1738324800000, 1738324812500)

    cnn = found["cifar10 cnn-a seed 0"]  # its training is not in the lock, its predictions are
    assert (cnn.data.tags["stage"], cnn.data.tags["determinism"]) == ("predict@cifar10", "numeric")
    assert history(cnn.info.run_id, "error") == [(10, 15.25)]
    assert "fusion_weight_1" not in cnn.data.metrics
    assert {"runtime.threads": "1", "ch2_fusion.training.learning_rate": "0.1"}.items() <= cnn.data.params.items()


def test_hash_of_the_lock_entry(folder):
    write_metrics(
        Path("reports/metrics/ch2_fusion/cifar10.json"), [record("x", trained=None, predictions="data/mini/prepared/cifar10/a.npz")]
    )
    (result,) = track.collect()
    assert result.tags["stage"] == "prepare@cifar10"
    assert result.tags["stage_lock_sha256"] == hashlib.sha256(PREPARED_ENTRY.encode()).hexdigest()


def test_a_change_makes_a_new_run_and_its_reversal_none(folder, capsys, monkeypatch):
    file = Path("reports/metrics/ch2_fusion/cifar10.json")
    call(capsys, monkeypatch)
    (first,) = runs("params.model = 'cfn-a'")
    write_metrics(file, [record("cfn-a", value=13.5, parameters=249930), *CIFAR10[1:]])
    assert call(capsys, monkeypatch).startswith("1 runs logged, 1 unchanged")
    assert len(runs()) == 3
    (old,), (new,) = runs("tags.superseded = 'true'"), runs("tags.superseded = 'false' and params.model = 'cfn-a'")
    assert old.info.run_id == first.info.run_id
    assert (old.data.metrics["error"], new.data.metrics["error"]) == (14.5, 13.5)

    write_metrics(file, CIFAR10)
    assert call(capsys, monkeypatch).startswith("0 runs logged, 2 unchanged")
    assert len(runs()) == 3
    assert [run.info.run_id for run in runs("tags.superseded = 'true'")] == [new.info.run_id]

    client().delete_run(first.info.run_id)
    assert call(capsys, monkeypatch).startswith("1 runs logged, 1 unchanged")


@pytest.mark.parametrize("what", ["curve", "lock", "commit"])
def test_what_counts_as_a_change(folder, what):
    before = {result.name: result.fingerprint for result in track.collect()}
    if what == "curve":
        Path("reports/metrics/ch2_fusion/cifar10.curves.csv").write_text(CURVES.replace("1.25", "1.26"))
    elif what == "lock":
        Path("dvc.lock").write_text(yaml.safe_dump(LOCK).replace("md5: '2'", "md5: '4'"))
    else:
        subprocess.run("git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a", shell=True, check=True)
        Path("data/runs/train@cfn-a-0.json").unlink()
    after = {result.name: result.fingerprint for result in track.collect()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == (set() if what == "commit" else {"cifar10 cfn-a seed 0"})


def test_other_scales_stay_in_force(folder, capsys, monkeypatch):
    call(capsys, monkeypatch)
    write_metrics(Path("reports/metrics/ch2_fusion/cifar10.json"), CIFAR10, scale="real_cpu", protocol="shortened")
    assert call(capsys, monkeypatch).startswith("2 runs logged, 0 unchanged")
    assert len(runs("tags.superseded = 'false'")) == 4


def test_an_interrupted_run_is_completed(folder, capsys, monkeypatch):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    real, batches = MlflowClient.log_batch, []
    monkeypatch.setattr(track, "METRICS_PER_BATCH", 3)

    def failing(self, *args, **kwargs):
        batches.append(kwargs)
        if len(batches) == 3:  # parameters and three points have arrived
            raise MlflowException("the disk is full")
        real(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", failing)
    with pytest.raises(SystemExit, match="the disk is full; nothing is lost"):
        call(capsys, monkeypatch)
    (begun,) = runs()
    assert begun.info.status == "RUNNING"
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/store.db")
    assert call(capsys, monkeypatch).startswith("2 runs logged, 0 unchanged")
    assert {run.info.status for run in runs()} == {"FINISHED"}
    assert begun.info.run_id in {run.info.run_id for run in runs()}
    assert len(runs()) == 2
    for metric, points in {"train_loss": [(10, 2.5), (20, 1.25)], "lr": [(10, 0.1), (20, 0.1)], "error": [(20, 14.5)]}.items():
        assert history(begun.info.run_id, metric) == points


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
    assert released.name == "cifar10 cfn-a seed 0"
    assert (released.tags["release"], released.tags["stage"]) == ("real-2025-01-31", "train@cfn-a-0")
    assert released.facts == {"duration_s": "99", "mlflow.source.git.commit": "abc"}
    counted = found["architectures cifar100 cfn-a | mini | at hand"]
    assert counted.points == {("layers", 0): 10}
    assert counted.tags["stage"] == "count"
    assert "seed" not in counted.params


def test_two_at_once_on_the_default_store(folder):
    both = [separate(folder), separate(folder)]
    printed = [process.communicate(timeout=100) for process in both]
    assert sorted(out for out, _ in printed) == [
        "0 runs logged, 2 unchanged, experiment(s) ch2_fusion, at sqlite:///mlflow.db\n",
        "2 runs logged, 0 unchanged, experiment(s) ch2_fusion, at sqlite:///mlflow.db\n",
    ], printed
    stored = texts(folder / "mlflow.db")
    assert "mlflow-artifacts:/ch2_fusion" in stored
    assert not [text for text in stored if str(folder) in text or text.startswith(("/", "file:"))]
    assert {path.name for path in folder.iterdir()} - {"reports", "data", "dvc.lock", "store.db"} == {"mlflow.db"}


def test_a_database_given_by_its_whole_path_stores_no_path(folder, capsys, monkeypatch):
    call(capsys, monkeypatch)
    stored = texts(folder / "store.db")
    assert not [text for text in stored if str(folder) in text or text.startswith(("/", "file:"))]
    call(capsys, monkeypatch)
    assert texts(folder / "store.db") == stored


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(server: subprocess.Popen, uri: str) -> None:
    for _ in range(200):
        assert server.poll() is None, "mlflow server ended"
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("mlflow server did not start")


def test_a_server_that_is_down_and_comes_up(folder, capsys, monkeypatch):
    long = "".join(f"cfn-a,0,{step},{1000 / step},,0.1,0.34\n" for step in range(1, 1201))
    Path("reports/metrics/ch2_fusion/cifar10.curves.csv").write_text(CURVES.splitlines()[0] + "\n" + long)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    down = separate(folder, MLFLOW_TRACKING_URI=uri.replace("//", "//someone:secret@"))
    out, err = down.communicate(timeout=60)
    assert (down.returncode, out) == (1, "")
    assert err == (
        f"error: MLflow at {uri} does not answer; nothing is lost, the metrics files have everything: "
        "run `python -m workflow.track` again later\n"
    )

    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [*command, "--backend-store-uri", f"sqlite:///{folder}/server.db"], cwd=folder, start_new_session=True,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(server, uri)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert call(capsys, monkeypatch) == f"2 runs logged, 0 unchanged, experiment(s) ch2_fusion, at {uri}\n"
        assert call(capsys, monkeypatch) == f"0 runs logged, 2 unchanged, experiment(s) ch2_fusion, at {uri}\n"
        (run,) = runs("params.model = 'cfn-a'")
        assert history(run.info.run_id, "train_loss") == [(step, 1000 / step) for step in range(1, 1201)]
        assert history(run.info.run_id, "error") == [(1200, 14.5)]
        assert run.data.tags["stage"] == "train@cfn-a-0"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("reports/metrics/ch2_fusion/cifar10.json", "{", "cifar10.json is not valid JSON"),
        ("reports/metrics/ch2_fusion/cifar10.json", '{"schema": 1}', "key 'chapter' is missing"),
        ("reports/metrics/ch2_fusion/cifar10.curves.csv", "model,seed\ncfn-a,0\n", "lacks the columns iteration"),
        ("reports/metrics/ch2_fusion/cifar10.curves.csv", "model,seed,iteration,lr\ncfn-a,0,10,x\n", "line 2: could not convert"),
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
