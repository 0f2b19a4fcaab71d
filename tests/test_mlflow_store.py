"""Metrics files as MLflow runs in a store: what is logged, what a second call does, and stores that do not answer."""

import contextlib
import csv
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import track_project
from conftest import PATIENCE, wait_for
from track_project import CIFAR10, CURVES, record, write_metrics

from workflow import mlflow_store, track

PROJECT = Path(track.__file__).parents[1]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's schema, made once: that takes longer than all that is then done with it."""
    file = tmp_path_factory.mktemp("store") / "store.db"
    with pytest.MonkeyPatch.context() as patch:
        for key, value in mlflow_store.ENVIRONMENT.items():
            patch.setenv(key, value)
        mlflow_store.prepare(f"sqlite:///{file}")
    return file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Path:
    """A project folder with two results, a lock and a run record; the store is an SQLite file in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, "store.db")
    for key, value in mlflow_store.ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    # By its whole path: MLflow keeps one connection for each address, and tests would share a relative one.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    track_project.make()
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


def separate(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    """`python -m workflow.track` in a process of its own; the default store unless the environment says otherwise."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_TRACKING_URI", *mlflow_store.ENVIRONMENT)}
    return subprocess.Popen(
        [sys.executable, "-m", "workflow.track", *arguments], cwd=folder, env={**inherited, "PYTHONPATH": str(PROJECT), **environment},
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
    assert set(found) == {"cifar10 cfn-a seed 0, mini", "cifar10 cnn-a seed 0, mini"}

    cfn = found["cifar10 cfn-a seed 0, mini"]
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
        "machine.cores": "2", "metrics_file": "reports/metrics/ch2_fusion/cifar10.json", "group": "cifar10, mini",
        "mlflow.source.git.commit": head, "mlflow.source.git.dirty": "true",
    }  # fmt: skip
    assert expected.items() <= cfn.data.tags.items()
    assert "release" not in cfn.data.tags
    (used,) = cfn.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("cifar10", "0123456789abcdef0123456789abcdef.dir")
    assert json.loads(used.dataset.source) == {"tags": {"mlflow.source.name": "python -m stages.download cifar10"}}
    assert json.loads(used.dataset.profile) == {"kind": "miniature", "note": "", "scale": "mini"}
    assert (cfn.info.status, cfn.info.start_time, cfn.info.end_time) == ("FINISHED", 1738324800000, 1738324812500)

    cnn = found["cifar10 cnn-a seed 0, mini"]  # its training is not in the lock, its predictions are
    assert (cnn.data.tags["stage"], cnn.data.tags["determinism"]) == ("predict@cifar10", "numeric")
    assert history(cnn.info.run_id, "error") == [(10, 15.25)]
    assert "fusion_weight_1" not in cnn.data.metrics
    assert {"runtime.threads": "1", "ch2_fusion.training.learning_rate": "0.1"}.items() <= cnn.data.params.items()


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


def test_other_scales_stay_in_force(folder, capsys, monkeypatch):
    call(capsys, monkeypatch)
    write_metrics(Path("reports/metrics/ch2_fusion/cifar10.json"), CIFAR10, scale="real_cpu", protocol="shortened")
    assert call(capsys, monkeypatch).startswith("2 runs logged, 0 unchanged")
    assert len(runs("tags.superseded = 'false'")) == 4


def test_an_interrupted_run_is_completed(folder, capsys, monkeypatch):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    real, batches = MlflowClient.log_batch, []
    monkeypatch.setattr(mlflow_store, "METRICS_PER_BATCH", 3)

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


def test_two_at_once_on_the_default_store(folder):
    both = [separate(folder), separate(folder)]
    printed = [process.communicate(timeout=PATIENCE) for process in both]
    assert [err for _, err in printed] == ["", ""]  # no progress bar in a log
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


def healthy(uri: str) -> bool:
    try:
        urllib.request.urlopen(f"{uri}/health", timeout=2).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def serving(folder: Path, store: str, port: int) -> Iterator[None]:
    """MLflow's server as `mlflow ui` starts it, in `folder`."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [*command, "--backend-store-uri", store], cwd=folder, start_new_session=True,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: healthy(f"http://127.0.0.1:{port}"), server)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def write_table(folder: Path) -> None:
    """Files without iterations beside the results: a table, a figure, and a curve of precision by recall."""
    for file, text in {
        "tables/ch2_fusion/table_2_2.md": "| a |", "figures/ch2_fusion/figure_2_7.svg": "<svg/>",
        "metrics/ch2_fusion/cifar10.pr.csv": "model,recall,precision\n", "tables/ch3_edges/table_3_1.md": "another chapter's",
    }.items():  # fmt: skip
        path = folder / "reports" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def served(uri: str, run_id: str) -> dict[str, str]:
    """The files of a run by what the server of `uri` lists, each as it hands it out."""
    from mlflow import MlflowClient

    mlflow = MlflowClient(uri)
    place = mlflow.get_run(run_id).info.artifact_uri.removeprefix("mlflow-artifacts:/")

    def files(folder: str) -> list[str]:
        found = mlflow.list_artifacts(run_id, folder)
        return [name for item in found for name in (files(item.path) if item.is_dir else [item.path])]

    def text(name: str) -> str:
        with urllib.request.urlopen(f"{uri}/api/2.0/mlflow-artifacts/artifacts/{place}/{name}", timeout=PATIENCE) as answer:
            return answer.read().decode()

    return {name: text(name) for name in files("")}


FILES = {
    "tables/table_2_2.md": "| a |", "figures/figure_2_7.svg": "<svg/>", "metrics/cifar10.pr.csv": "model,recall,precision\n",
}  # fmt: skip


def test_files_of_a_local_store_are_where_its_server_looks(folder, capsys, monkeypatch):
    write_table(folder)
    assert call(capsys, monkeypatch).startswith("3 runs logged")
    (run,) = runs("attributes.run_name = 'tables and figures, mini'")
    assert (run.data.tags["stage"], run.data.tags["identity"]) == ("tables", "tables and figures | mini | at hand")
    port = free_port()
    with serving(folder, f"sqlite:///{folder}/store.db", port):
        assert served(f"http://127.0.0.1:{port}", run.info.run_id) == FILES

    (folder / "reports/tables/ch2_fusion/table_2_2.md").write_text("| b |")
    assert call(capsys, monkeypatch).startswith("1 runs logged, 2 unchanged")
    (new,) = runs("attributes.run_name = 'tables and figures, mini' and tags.superseded = 'false'")
    assert new.info.run_id != run.info.run_id
    assert call(capsys, monkeypatch).startswith("0 runs logged, 3 unchanged")


def test_a_server_that_is_down_and_comes_up(folder, capsys, monkeypatch):
    long = "".join(f"cfn-a,0,{step},{1000 / step},,0.1,0.34\n" for step in range(1, 1201))
    Path("reports/metrics/ch2_fusion/cifar10.training.csv").write_text(CURVES.splitlines()[0] + "\n" + long)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    down = separate(folder, MLFLOW_TRACKING_URI=uri.replace("//", "//someone:secret@"))
    out, err = down.communicate(timeout=PATIENCE)
    assert (down.returncode, out) == (1, "")
    assert err == (
        f"error: MLflow at {uri} does not answer; nothing is lost, the metrics files have everything: "
        "run `python -m workflow.track` again later\n"
    )

    write_table(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with serving(folder, f"sqlite:///{folder}/server.db", port):
        printed = call(capsys, monkeypatch).splitlines()
        assert printed[0] == f"3 runs logged, 0 unchanged, experiment(s) ch2_fusion, at {uri}"
        assert printed[1].startswith(f"  ch2_fusion: {uri}/#/experiments/1/runs?workflowType=machine_learning&")
        assert call(capsys, monkeypatch).startswith(f"0 runs logged, 3 unchanged, experiment(s) ch2_fusion, at {uri}\n")
        (run,) = runs("params.model = 'cfn-a'")
        assert history(run.info.run_id, "train_loss") == [(step, 1000 / step) for step in range(1, 1201)]
        assert history(run.info.run_id, "error") == [(1200, 14.5)]
        assert run.data.tags["stage"] == "train@cfn-a-0"
        (run,) = runs("attributes.run_name = 'tables and figures, mini'")
        assert served(uri, run.info.run_id) == FILES


def counted(reports: Path, facts: set) -> tuple[int, int]:
    """How many runs the reports in a folder make, and how many different metrics in these: records, sizes, columns of training curves."""
    runs = names = 0
    for file in sorted(reports.glob("metrics/*/*.json")):
        document = json.loads(file.read_text())
        same = json.dumps(document.get("records"))
        if "records" not in document or (document["dataset"] is None and same in facts):
            continue
        facts.add(same)
        metrics: dict[tuple, set[str]] = {}
        networks: dict[tuple, set[str]] = {}  # a curve is of a network, which a number's model is, or is with how it was asked
        for number in document["records"]:
            size = {"parameters"} if number["parameters"] is not None else set()
            who = (number.get("dataset"), number["model"], number["encoder"], number["seed"])
            metrics.setdefault(who, set()).update({number["metric"]} | size)
            networks[who] = {number["model"], Path(number.get("trained") or "").name}
        for curve in (file.with_suffix(".training.csv"), file.with_suffix(".curves.csv")):
            rows = list(csv.DictReader(curve.open())) if curve.exists() else []
            for who, own_names in networks.items():
                own = [row for row in rows if "iteration" in row and row["model"] in own_names and row["seed"] == str(who[3])]
                metrics[who] |= {key for row in own for key, value in row.items() if value} - {"model", "seed", "iteration"}
        runs += len(metrics)
        names += sum(map(len, metrics.values()))
    return runs, names


def test_committed_results_of_all_chapters(tmp_path):
    shutil.copytree(PROJECT / "reports", tmp_path / "reports")
    for file in ("dvc.lock", "params.yaml"):
        shutil.copy(PROJECT / file, tmp_path)
    process = separate(tmp_path, "--address", "http://127.0.0.1:5000/")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")

    folders = [tmp_path / "reports", *sorted(tmp_path.glob("reports/releases/*"))]
    facts: set = set()
    runs, names = map(sum, zip(*(counted(folder, facts) for folder in folders if folder.is_dir()), strict=True))
    tabled = [folder for place in folders for folder in place.glob("tables/*") if (place / "metrics" / folder.name).is_dir()]
    assert out.startswith(f"{runs + len(tabled)} runs logged, 0 unchanged, ")
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select count(*) from runs where status = 'FINISHED'").fetchone() == (runs + len(tabled),)
        assert store.execute("select count(*) from latest_metrics").fetchone() == (names,)
        chapters = dict(store.execute("select name, experiment_id from experiments where name != 'Default'"))
        assert set(chapters) == {folder.name for folder in (PROJECT / "reports/metrics").iterdir() if folder.is_dir()}
        per_chapter = dict(store.execute("select experiment_id, count(*) from runs group by experiment_id"))
        assert set(per_chapter) == set(chapters.values())
        same = "select name, experiment_id from runs join tags using (run_uuid) where key = 'superseded' group by name, experiment_id"
        assert len(store.execute(same).fetchall()) == runs + len(tabled)  # names tell releases from what is at hand
        stage = "select r.value, t.value from tags t join params r using (run_uuid) join params s using (run_uuid)"
        trained = store.execute(f"{stage} where t.key = 'stage' and t.value like '%train%' and r.key = 'model' and s.key = 'seed'")
        records = [json.loads(file.read_text()) for file in tmp_path.glob("reports/releases/*/runs/*.json")]
        several = {one["stage"]: one["trainings"] for one in records if "trainings" in one}  # trained by one stage
        networks: dict[str, set[str]] = {}  # of a model: which may be one with how it was asked, or under a second name
        for file in tmp_path.glob("reports/**/metrics/*/*.json"):
            for record in json.loads(file.read_text()).get("records", []):
                networks.setdefault(record["model"], set()).add(Path(record.get("trained") or "").name)
        for model, name in trained.fetchall():
            assert networks[model] & several[name].keys() if name in several else name.partition("@")[2].rpartition("-")[0] == model
    for chapter, number in chapters.items():
        assert f"\n  {chapter}: http://127.0.0.1:5000/#/experiments/{number}/runs?workflowType=machine_learning&" in out
    stored = texts(tmp_path / "mlflow.db")
    assert not [text for text in stored if str(tmp_path) in text or text.startswith(("/", "file:"))]
