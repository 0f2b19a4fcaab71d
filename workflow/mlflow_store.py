"""Runs into an MLflow store, each once: `workflow.track` says what they are, this module brings the store up to date.

A logged run is never changed. The same parameters, numbers, data and files log nothing. If any of them has changed, a new
run is logged and the old one stays, with the tag `superseded` "true", so that the two can be compared; the filter
`tags.superseded = "false"` shows what is in force. Going back to earlier results puts their run back in force. A run
deleted in MLflow is logged anew; one that was interrupted half-way is completed by the next call.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tqdm import tqdm

from stages.core.errors import UserError
from stages.core.files import md5

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

TURN = Path("data/track.lock")
# Resolved by whatever server shows the store; MLflow's own default is the absolute path of a folder on this machine.
ARTIFACTS = "mlflow-artifacts:/"
# Where `mlflow ui` and `mlflow server`, started here, look for what lies at ARTIFACTS, unless told otherwise.
SERVED = Path("mlartifacts")
# MLflow accepts 1000 things in one call, of which 100 may be parameters.
METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 100
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own defaults wait minutes for a server that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# MLflow's UI opens as that of applications of language models, which hides runs, unless the address or the browser's memory
# says otherwise; an experiment's tag `mlflow.experimentKind` has no say in it. By name, runs to compare are next to each other.
RUNS_PAGE = "{address}/#/experiments/{number}/runs?workflowType=machine_learning&orderByKey=tags.%60mlflow.runName%60&orderByAsc=true"

Points = dict[tuple[str, int], float]
"""Metric and step -> value."""


@dataclass(frozen=True)
class DataSet:
    """The data behind a run's numbers: `digest` has at most 36 characters, `made_by` is a command, `profile` what else is known."""

    name: str
    digest: str
    made_by: str
    profile: dict[str, str]


@dataclass(frozen=True)
class Result:
    """What becomes one MLflow run, of the experiment `chapter`.

    `tags` has the `identity`, which the runs of one result have in common as it changes. `facts` are tags that may differ
    between two executions with the same results. `artifacts`: path within the run -> file.
    """

    chapter: str
    name: str
    params: dict[str, str]
    points: Points
    tags: dict[str, str]
    facts: dict[str, str]
    started: int
    milliseconds: int
    dataset: DataSet | None = None
    artifacts: dict[str, Path] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that makes this result another one."""
        files = {name: md5(file) for name, file in self.artifacts.items()}
        return digest([self.params, sorted(self.points.items()), self.tags, self.dataset and asdict(self.dataset), files])


def digest(value: Any) -> str:
    """SHA-256 of the value as JSON with sorted keys and no spaces."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def log(results: list[Result], uri: str) -> tuple[int, dict[str, str]]:
    """Bring the MLflow store at `uri` up to date with `results`: how many runs were logged, and each chapter's experiment id.

    Raises UserError if the store does not answer or refuses.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    from mlflow import MlflowClient  # two seconds
    from mlflow.exceptions import MlflowException
    from mlflow.store.db import utils
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    utils.MAX_RETRY_COUNT = 3  # as MLflow has it, a folder that cannot be written to takes two minutes to be reported
    try:
        with _turn(), _quick_first_filling(uri):
            artifacts = prepare(uri)
            client = MlflowClient(uri)
            chapters = sorted({result.chapter for result in results})
            experiments = {chapter: _experiment(client, chapter, artifacts) for chapter in chapters}
            known = {chapter: _known_runs(client, number) for chapter, number in experiments.items()}
            logged = 0
            for result in tqdm(results, unit="run", desc="MLflow", disable=None):
                earlier = known[result.chapter][result.tags["identity"]]
                logged += _log_result(client, experiments[result.chapter], result, earlier, artifacts is not None)
            return logged, experiments
    except (MlflowException, SQLAlchemyError, ModuleNotFoundError, RequestException) as error:
        reason = str(error).strip().partition("\n")[0]
        if "Max retries exceeded" in reason or "timeout exception" in reason:
            what, advice = "does not answer", "run `python -m workflow.track` again later"
        else:
            what, advice = f"cannot be used: {without_password(reason)}", "mend that and run `python -m workflow.track` again"
        raise UserError(f"MLflow at {without_password(uri)} {what}; nothing is lost, the metrics files have everything: {advice}") from None


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """One call of track at a time: two would each find a run missing and log it."""
    TURN.parent.mkdir(parents=True, exist_ok=True)
    with TURN.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _quick_first_filling(uri: str) -> Iterator[None]:
    """Fill a new SQLite file without waiting for the disk at each of thousands of steps, half of the time: it has nothing to lose yet."""
    from sqlalchemy import Engine, event, make_url

    def no_wait(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    new = uri.startswith("sqlite:") and not Path(make_url(uri).database or "").exists()
    if new:
        event.listen(Engine, "connect", no_wait)
    try:
        yield
    finally:
        if new:
            event.remove(Engine, "connect", no_wait)


def prepare(uri: str) -> str | None:
    """Create a database's schema before anything else uses it; where its artifacts lie. A server sees to both itself."""
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if re.split(r"[:+]", uri)[0] not in DATABASE_ENGINES:
        return None
    SqlAlchemyStore(uri, ARTIFACTS)
    return ARTIFACTS


def _experiment(client: "MlflowClient", chapter: str, artifacts: str | None) -> str:
    """The id of a chapter's experiment, which is made if need be."""
    experiment = client.get_experiment_by_name(chapter)
    if experiment is None:
        return client.create_experiment(chapter, artifacts and artifacts + chapter)
    if experiment.lifecycle_stage == "deleted":
        number = experiment.experiment_id
        raise UserError(f"the experiment {chapter} was deleted in MLflow: bring it back with `mlflow experiments restore -x {number}`")
    return experiment.experiment_id


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


def _log_result(client: "MlflowClient", experiment: str, result: Result, known: list["Run"], database: bool) -> bool:
    """Make the run of `result` the one in force among those of its identity; whether it had to be logged."""
    current = next((run for run in known if run.data.tags.get("fingerprint") == result.fingerprint), None)
    complete = current is not None and current.info.status == "FINISHED"
    if not complete:
        _write(client, experiment, result, current, database)
    if current and current.data.tags.get("superseded") != "false":
        client.set_tag(current.info.run_id, "superseded", "false")
    for run in known:
        if run is not current and run.data.tags.get("superseded") != "true":
            client.set_tag(run.info.run_id, "superseded", "true")
            if run.info.status == "RUNNING":  # interrupted, and its results are gone
                client.set_terminated(run.info.run_id, "KILLED")
    return not complete


def _write(client: "MlflowClient", experiment: str, result: Result, begun: "Run | None", database: bool) -> None:
    """Log a run, or complete one that was begun: MLflow passes over what a run has already."""
    from mlflow.entities import Metric, Param

    if begun is None:
        tags = {**result.facts, **result.tags, "fingerprint": result.fingerprint, "superseded": "false"}
        begun = client.create_run(experiment, result.started, tags, result.name)
    run, started = begun.info.run_id, begun.info.start_time
    params = [Param(key, value) for key, value in result.params.items()]
    points = [Metric(key, value, started, step) for (key, step), value in result.points.items()]
    while params or points:
        client.log_batch(run, metrics=points[:METRICS_PER_BATCH], params=params[:PARAMS_PER_BATCH])
        params, points = params[PARAMS_PER_BATCH:], points[METRICS_PER_BATCH:]
    if result.dataset:
        client.log_inputs(run, [_dataset_input(result.dataset)])
    _log_artifacts(client, begun, result.artifacts, database)
    client.set_terminated(run, end_time=started + result.milliseconds)


def _dataset_input(dataset: DataSet) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput

    source = json.dumps({"tags": {"mlflow.source.name": dataset.made_by}})
    return DatasetInput(Dataset(dataset.name, dataset.digest, "code", source, profile=json.dumps(dataset.profile)))


def _log_artifacts(client: "MlflowClient", run: "Run", artifacts: dict[str, Path], database: bool) -> None:
    """Store files with a run. Beside a database no server takes them: they are put where a server that is started here finds them."""
    place = run.info.artifact_uri
    here = SERVED / urlsplit(place).path.lstrip("/") if database and place.startswith(ARTIFACTS) else None
    for name, file in artifacts.items():
        if here is None:
            client.log_artifact(run.info.run_id, str(file), str(Path(name).parent))
        else:
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, here / name)


def without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
