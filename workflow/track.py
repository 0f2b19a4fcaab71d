"""Metrics files and curves as MLflow runs: a view of the files, which can be made again at any time.

    python -m workflow.track                                            # into mlflow.db; look with `make mlflow`
    MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python -m workflow.track  # into a server

An experiment for each chapter, a run for each model and seed of a metrics file, named like "cifar10 cfn-a seed 0".
Metrics are the records, at the curve's last iteration, and the curve's columns. Parameters are those that dvc.lock has for
the stage that made the model (else the predictions, else the metrics file) and for every stage before it. Releases are
tracked the same way, with the lock and run records of their own folder and the tag `release`.

A logged run is never changed. Tracking again with the same parameters, numbers and lock entry logs nothing. If any of them
has changed, a new run is logged and the old one stays, with the tag `superseded` "true", so that the two can be compared;
the filter `tags.superseded = "false"` shows what is in force. Going back to earlier results puts their run back in force.
What has left the files (another scale, a model no longer listed) stays as it is; a run deleted in MLflow is logged anew;
a run that was interrupted half-way is completed by the next call. No artifacts are logged: the files are in git.
"""

import argparse
import contextlib
import csv
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.metrics import MetricsFile, Record
from workflow import runs as run_records
from workflow.lock import FILE, Lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

METRICS = Path("reports/metrics")
RELEASES = Path("reports/releases")
TURN = Path("data/track.lock")
STORE = "sqlite:///mlflow.db"
# Resolved by whatever server shows the store; MLflow's own default is the absolute path of a folder on this machine.
ARTIFACTS = "mlflow-artifacts:/"
METRICS_PER_BATCH, PARAMS_PER_BATCH = 1000, 100  # what MLflow accepts in one call
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own defaults wait minutes for a server that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

Points = dict[tuple[str, int], float]
"""Metric and step -> value."""


@dataclass(frozen=True)
class Source:
    """A folder of metrics files, and what tells about them: the results at hand or a release."""

    metrics: Path
    lock: Path
    runs: Path
    release: str = ""
    commit: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What becomes one MLflow run. `facts` are tags that may differ between two executions with the same results."""

    chapter: str
    name: str
    params: dict[str, str]
    points: Points
    tags: dict[str, str]
    facts: dict[str, str]
    started: int
    milliseconds: int

    @property
    def fingerprint(self) -> str:
        """Hash of all that makes this result another one."""
        return _digest([self.params, sorted(self.points.items()), self.tags])


def collect() -> list[Result]:
    """Every result at hand and in the releases. Raises UserError on a file that is not what it should be."""
    return [result for source in _sources() for result in _results(source)]


def _sources() -> list[Source]:
    sources = [Source(METRICS, FILE, run_records.RUNS, commit=_commit())]
    for folder in sorted(RELEASES.glob("*/metrics")):
        release = folder.parent
        commit = _read_json(release / "release.json").get("commit")
        tags = {"mlflow.source.git.commit": str(commit)} if commit else {}
        sources.append(Source(folder, release / "dvc.lock", release / "runs", release.name, tags))
    return sources


def _commit() -> dict[str, str]:
    """The commit that is checked out, under MLflow's own tags, and whether the working tree differs from it."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return {}
    return {"mlflow.source.git.commit": head, "mlflow.source.git.dirty": str(bool(_git("status", "--porcelain"))).lower()}


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a repository, or no git: there is no commit to name


def _results(source: Source) -> Iterator[Result]:
    files = sorted(source.metrics.glob("*/*.json"))
    lock = Lock(source.lock) if files else None
    for path in files:
        if lock is None or "schema" not in _read_json(path):
            continue  # a file of facts that are not metrics, such as layer descriptions
        file, curves = metrics.read(path), _read_curves(path.with_suffix(".curves.csv"))
        runs: dict[tuple, list[Record]] = defaultdict(list)
        for record in file.records:
            runs[record.dataset, record.model, record.encoder, record.seed].append(record)
        for records in runs.values():
            yield _result(source, path, file, records, curves.get((records[0].model, records[0].seed), {}), lock)


def _result(source: Source, path: Path, file: MetricsFile, records: list[Record], curve: Points, lock: Lock) -> Result:
    first = records[0]
    dataset = first.dataset or (file.dataset and file.dataset.name)
    about = {
        "experiment": file.experiment, "model": first.model, "encoder": first.encoder, "seed": first.seed, "dataset": dataset,
        "dataset_kind": file.dataset and file.dataset.kind, "scale": file.scale, "protocol": file.protocol,
    }  # fmt: skip
    params = {key: str(value) for key, value in about.items() if value is not None}
    parts = [file.experiment, first.dataset, first.model, first.encoder, None if first.seed is None else f"seed {first.seed}"]
    name = " ".join(part for part in parts if part)
    tags = {
        "identity": " | ".join([name, file.scale, source.release or "at hand"]),
        "metrics_file": path.as_posix(),
        "scale": file.scale,
        "determinism": ", ".join(sorted({record.determinism for record in records})),
    }
    if source.release:
        tags["release"] = source.release
    run: dict[str, Any] = {}
    stage = _stage(lock, records, METRICS / path.relative_to(source.metrics))
    if stage:
        entry = lock.stages[stage]
        tags |= {"stage": stage, "stage_lock_sha256": _digest(entry), "mlflow.source.name": entry["cmd"]}
        params = {**_flat(lock.params(stage)), **params}
        run = run_records.read(stage, entry, source.runs) or {}
    started, milliseconds = _when(run)
    return Result(file.chapter, name, params, _points(records, curve), tags, {**_facts(run), **source.commit}, started, milliseconds)


def _stage(lock: Lock, records: list[Record], metrics_file: Path) -> str | None:
    """The stage that trained what the records are of; else the one that made the predictions, else the metrics file."""
    places = [getattr(record, key) for key in ("trained", "predictions") for record in records]
    makers = (lock.maker(path) for path in [*filter(None, places), metrics_file.as_posix()])
    return next((maker for maker in makers if maker), None)


def _points(records: list[Record], curve: Points) -> Points:
    last = max((step for _, step in curve), default=0)
    points = {**curve, **{(record.metric, last): record.value for record in records}}
    size = next((record.parameters for record in records if record.parameters is not None), None)
    return points if size is None else {("parameters", last): float(size), **points}


def _when(run: dict[str, Any]) -> tuple[int, int]:
    """Start and duration of an execution in milliseconds, from its run record; now and 0 without one."""
    started = datetime.fromisoformat(run["started"]).timestamp() if "started" in run else time()
    return int(started * 1000), int(run.get("duration_s", 0) * 1000)


def _facts(run: dict[str, Any]) -> dict[str, str]:
    """A run record's own entries (duration, memory, ...) and its machine, as tags."""
    values = {**run, **{f"machine.{key}": value for key, value in run.get("machine", {}).items()}}
    return {key: str(value) for key, value in values.items() if isinstance(value, str | int | float) and key not in ("stage", "cmd")}


def _read_curves(path: Path) -> dict[tuple[str, int | None], Points]:
    """Curves by model and seed; none if there is no such file."""
    if not path.exists():
        return {}
    curves: dict[tuple[str, int | None], Points] = defaultdict(dict)
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = {"model", "seed", "iteration"} - set(reader.fieldnames or [])
        if missing:
            raise UserError(f"{path} lacks the columns {', '.join(sorted(missing))}: run the evaluation that writes it again")
        for row in reader:
            try:
                model, seed, step = row.pop("model"), row.pop("seed"), int(row.pop("iteration"))
                points = {(key, step): float(value) for key, value in row.items() if value}
            except (ValueError, TypeError) as error:
                raise UserError(f"{path}, line {reader.line_num}: {error}; run the evaluation that writes it again") from None
            curves[model, int(seed) if seed else None] |= points
    return curves


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty if there is no such file."""
    try:
        content = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): run the stage that writes it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold an object, and holds a {type(content).__name__}: run the stage that writes it again")
    return content


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested parameters by dotted key; lists as JSON."""
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": _text(value)}
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _digest(value: Any) -> str:
    """SHA-256 of the value as JSON with sorted keys and no spaces."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def log(results: list[Result], uri: str) -> int:
    """Bring the MLflow store at `uri` up to date with `results`; the number of runs logged.

    Raises UserError if the store does not answer or refuses.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    from mlflow import MlflowClient  # two seconds
    from mlflow.exceptions import MlflowException
    from mlflow.store.db import utils
    from sqlalchemy.exc import SQLAlchemyError

    utils.MAX_RETRY_COUNT = 3  # as MLflow has it, a folder that cannot be written to takes two minutes to be reported
    try:
        with _turn():
            artifacts = prepare(uri)
            client = MlflowClient(uri)
            chapters = sorted({result.chapter for result in results})
            return sum(_log_chapter(client, chapter, results, artifacts) for chapter in chapters)
    except (MlflowException, SQLAlchemyError, ModuleNotFoundError) as error:
        reason = str(error).strip().partition("\n")[0]
        if "Max retries exceeded" in reason or "timeout exception" in reason:
            what, advice = "does not answer", "run `python -m workflow.track` again later"
        else:
            what, advice = f"cannot be used: {_without_password(reason)}", "mend that and run `python -m workflow.track` again"
        raise UserError(
            f"MLflow at {_without_password(uri)} {what}; nothing is lost, the metrics files have everything: {advice}"
        ) from None


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """One call of track at a time: two would each find a run missing and log it."""
    TURN.parent.mkdir(parents=True, exist_ok=True)
    with TURN.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prepare(uri: str) -> str | None:
    """Create a database's schema before anything else uses it; where its artifacts would lie. A server sees to both itself."""
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if re.split(r"[:+]", uri)[0] not in DATABASE_ENGINES:
        return None
    SqlAlchemyStore(uri, ARTIFACTS)
    return ARTIFACTS


def _log_chapter(client: "MlflowClient", chapter: str, results: list[Result], artifacts: str | None) -> int:
    experiment = client.get_experiment_by_name(chapter)
    if experiment and experiment.lifecycle_stage == "deleted":
        number = experiment.experiment_id
        raise UserError(f"the experiment {chapter} was deleted in MLflow: bring it back with `mlflow experiments restore -x {number}`")
    number = experiment.experiment_id if experiment else client.create_experiment(chapter, artifacts and artifacts + chapter)
    known = _known_runs(client, number)
    return sum(_log_result(client, number, result, known[result.tags["identity"]]) for result in results if result.chapter == chapter)


def _known_runs(client: "MlflowClient", experiment: str) -> dict[str, list["Run"]]:
    """The runs of earlier calls, by identity; runs that something else logged are none of our business."""
    known: dict[str, list[Run]] = defaultdict(list)
    token: str | None = ""
    while token is not None:
        page = client.search_runs([experiment], max_results=1000, page_token=token or None)
        for run in page:
            known[run.data.tags.get("identity", "")].append(run)
        token = page.token or None
    return known


def _log_result(client: "MlflowClient", experiment: str, result: Result, known: list["Run"]) -> bool:
    """Make the run of `result` the one in force among those of its identity; whether it had to be logged."""
    current = next((run for run in known if run.data.tags.get("fingerprint") == result.fingerprint), None)
    complete = current is not None and current.info.status == "FINISHED"
    if not complete:
        _write(client, experiment, result, current)
    if current and current.data.tags.get("superseded") != "false":
        client.set_tag(current.info.run_id, "superseded", "false")
    for run in known:
        if run is not current and run.data.tags.get("superseded") != "true":
            client.set_tag(run.info.run_id, "superseded", "true")
            if run.info.status == "RUNNING":  # interrupted, and its results are gone
                client.set_terminated(run.info.run_id, "KILLED")
    return not complete


def _write(client: "MlflowClient", experiment: str, result: Result, begun: "Run | None") -> None:
    """Log a run, or complete one that was begun: MLflow passes over what a run has already."""
    from mlflow.entities import Metric, Param

    if begun is None:
        tags = {**result.facts, **result.tags, "fingerprint": result.fingerprint, "superseded": "false"}
        begun = client.create_run(experiment, result.started, tags, result.name)
    run, started = begun.info.run_id, begun.info.start_time
    params = [Param(key, value) for key, value in result.params.items()]
    points = [Metric(key, value, started, step) for (key, step), value in result.points.items()]
    for start in range(0, len(params), PARAMS_PER_BATCH):
        client.log_batch(run, params=params[start : start + PARAMS_PER_BATCH])
    for start in range(0, len(points), METRICS_PER_BATCH):
        client.log_batch(run, metrics=points[start : start + METRICS_PER_BATCH])
    client.set_terminated(run, end_time=started + result.milliseconds)


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or STORE
    try:
        results = collect()
        if not results:
            raise UserError(f"there are no metrics files in {METRICS} or {RELEASES}: run `dvc repro` first")
        logged = log(results, uri)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}; mend that and run `python -m workflow.track` again")
    chapters = ", ".join(sorted({result.chapter for result in results}))
    print(f"{logged} runs logged, {len(results) - logged} unchanged, experiment(s) {chapters}, at {_without_password(uri)}")


if __name__ == "__main__":
    main()
