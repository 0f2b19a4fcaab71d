"""Metrics files and training curves as MLflow runs: a view of the files, which can be made again at any time.

    make mlflow                                                         # into mlflow.db, and look: prints where
    python -m workflow.track                                            # into mlflow.db
    MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python -m workflow.track  # into a server

An experiment for each chapter, a run for each model and seed of a metrics file, named like "cifar10 cfn-a seed 0, mini" or,
of a release, "cifar10 cfn-a seed 0, real-2026-11-26"; the tag `group` ("cifar10, mini") is what those share that are to be
compared, and the run has the data set as its input. Metrics are the records, at the training curve's last iteration, and the
curve's columns. Parameters are those that dvc.lock has for the stage that trained the model (else the predictions, else the
metrics file) and for every stage before it. What has no iterations (tables, figures, precision by recall, sweeps, layers)
are the artifacts of one run for each chapter, "tables and figures, mini".

Releases are tracked the same way, with the lock and run records of their own folder and the tag `release`; facts that need
no data, such as parameter counts, only where they differ from those that are tracked already. What has left the files
(another scale, a model no longer listed) stays as it is; `workflow.mlflow_store` says what happens to what has changed.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.metrics import MetricsFile, Record
from workflow import mlflow_store
from workflow import runs as run_records
from workflow.lock import Lock, is_training
from workflow.mlflow_store import RUNS_PAGE, DataSet, Points, Result, digest, without_password

REPORTS = Path("reports")
RELEASES = Path("reports/releases")
STORE = "sqlite:///mlflow.db"
# Training curves are the first; releases older than the names have the second, which was that of every curve.
CURVES = (".training.csv", ".curves.csv")
CURVE_COLUMNS = {"model", "seed", "iteration"}


@dataclass(frozen=True)
class Source:
    """The results at hand or a release, made at `date` or earlier: the folders of its reports, lock files and run records."""

    reports: Path
    root: Path
    runs: Path
    release: str = ""
    date: str = ""
    commit: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Execution:
    """How a stage was executed: its lock entry's tags, its run record's facts, and when, in milliseconds."""

    tags: dict[str, str]
    facts: dict[str, str]
    started: int
    milliseconds: int


def collect() -> list[Result]:
    """Every result at hand and in the releases. Raises UserError on a file that is not what it should be."""
    facts: set[frozenset] = set()
    return [result for source in _sources() for result in _results(source, facts)]


def _sources() -> list[Source]:
    sources = [Source(REPORTS, Path(), run_records.RUNS, commit=_commit())]
    for folder in sorted(RELEASES.glob("*/metrics")):
        release = folder.parent
        about = _read_json(release / "release.json")
        commit = {"mlflow.source.git.commit": str(about["commit"])} if about.get("commit") else {}
        sources.append(Source(release, release, release / "runs", release.name, str(about.get("date", "")), commit))
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


def _results(source: Source, facts: set[frozenset]) -> Iterator[Result]:
    """A source's results; `facts` are those that need no data and are tracked already, to which its own are added."""
    lock = Lock(source.root)
    for folder in sorted(path for path in (source.reports / "metrics").glob("*") if path.is_dir()):
        # Beside metrics files lie files of facts that are not metrics, such as layer descriptions.
        files = {path: metrics.read(path) for path in sorted(folder.glob("*.json")) if "schema" in _read_json(path)}
        for path, file in files.items():
            if file.dataset is None:
                own = frozenset((file.chapter, file.experiment, record.identity, record.value) for record in file.records)
                if own in facts:
                    continue
                facts.add(own)
            yield from _runs_of_file(source, path, file, lock)
        if files and any((source.reports / kind / folder.name).is_dir() for kind in ("tables", "figures")):
            yield _tables_and_figures(source, folder, files, lock)


def _runs_of_file(source: Source, path: Path, file: MetricsFile, lock: Lock) -> Iterator[Result]:
    curves = _read_curves(path)
    runs: dict[tuple, list[Record]] = defaultdict(list)
    for record in file.records:
        runs[record.dataset, record.model, record.encoder, record.seed].append(record)
    for records in runs.values():
        first = records[0]
        # A network's curve also where a record's model is the network with how it was asked, as cycle:adaptive.
        names = first.model, Path(first.trained or "").name
        curve = next((curves[name, first.seed] for name in names if (name, first.seed) in curves), {})
        yield _result(source, path, file, records, curve, lock)


def _result(source: Source, path: Path, file: MetricsFile, records: list[Record], curve: Points, lock: Lock) -> Result:
    first = records[0]
    about = {
        "experiment": file.experiment, "model": first.model, "encoder": first.encoder, "seed": first.seed,
        "dataset": first.dataset or (file.dataset and file.dataset.name),
        "dataset_kind": file.dataset and file.dataset.kind, "scale": file.scale, "protocol": file.protocol,
    }  # fmt: skip
    params = {key: str(value) for key, value in about.items() if value is not None}
    parts = [file.experiment, first.dataset, first.model, None if first.seed is None else f"seed {first.seed}"]
    name, encoder = " ".join(part for part in parts if part), f" ({first.encoder})" if first.encoder else ""
    stage = _stage(lock, file, records, REPORTS / path.relative_to(source.reports))
    if stage:
        # Where a file says what was trained, what is none of it has no training behind it: Canny, a ready network.
        untrained = not any(record.trained for record in records) and _says_trained(file)
        params = {**_flat(lock.params(stage, trainings=not untrained)), **params}
    made = _execution(source, lock, stage)
    tags = {
        **_tags(source, file.scale, name + encoder), **made.tags, "group": f"{file.experiment}, {_label(source, file.scale)}",
        "metrics_file": path.as_posix(), "determinism": ", ".join(sorted({record.determinism for record in records})),
    }  # fmt: skip
    return Result(
        file.chapter, f"{name}, {_label(source, file.scale)}{encoder}", params, _points(records, curve), tags, made.facts, made.started,
        made.milliseconds, _dataset(lock, file),
    )  # fmt: skip


def _tables_and_figures(source: Source, folder: Path, files: dict[Path, MetricsFile], lock: Lock) -> Result:
    """The run of a chapter's files: its tables, figures, and what of its metrics has no iterations."""
    chapter, scale = folder.name, next(iter(files.values())).scale
    places = {kind: source.reports / kind / chapter for kind in ("tables", "figures", "metrics")}
    artifacts = {
        f"{kind}/{path.relative_to(place).as_posix()}": path
        for kind, place in places.items()
        for path in sorted(place.rglob("*"))
        if path.is_file() and path not in files and not _is_training_curve(path)
    }
    made = _execution(source, lock, lock.maker(f"reports/tables/{chapter}"))
    name = "tables and figures"
    return Result(
        chapter, f"{name}, {_label(source, scale)}", {"scale": scale}, {}, {**_tags(source, scale, name), **made.tags}, made.facts,
        made.started, made.milliseconds, artifacts=artifacts,
    )  # fmt: skip


def _label(source: Source, scale: str) -> str:
    return source.release or scale


def _tags(source: Source, scale: str, name: str) -> dict[str, str]:
    release = {"release": source.release} if source.release else {}
    return {"identity": " | ".join([name, scale, source.release or "at hand"]), "scale": scale, **release}


def _says_trained(file: MetricsFile) -> bool:
    return any(record.trained for record in file.records)


def _stage(lock: Lock, file: MetricsFile, records: list[Record], metrics_file: Path) -> str | None:
    """The stage that trained what the records are of; else the one that made the predictions, else the metrics file."""
    trained = [record.trained for record in records if record.trained]
    predictions = [record.predictions for record in records if record.predictions]
    makers = [lock.maker(path) for path in trained]
    if not _says_trained(file):
        makers += [_training_by_name(lock, path) for path in predictions]
    makers += [lock.maker(path) for path in [*predictions, metrics_file.as_posix()]]
    return next((maker for maker in makers if maker), None)


def _training_by_name(lock: Lock, predictions: str) -> str | None:
    """The one training just before the predictions whose output has their name, such as "cfn-a-seed0".

    That is how releases tell whose predictions they are that are older than the records' key `trained`.
    """
    maker = lock.maker(predictions)
    names = {Path(predictions).name, Path(predictions).stem}
    outs = {stage: [out["path"] for out in lock.stages[stage].get("outs", [])] for stage in (lock.before(maker) if maker else ())}
    named = [stage for stage, paths in outs.items() if is_training(paths) and any(Path(path).name in names for path in paths)]
    return named[0] if len(named) == 1 else None


def _execution(source: Source, lock: Lock, stage: str | None) -> Execution:
    """What is known of how a stage was executed; without a run record not when, nor where."""
    run: dict[str, Any] = {}
    tags: dict[str, str] = {}
    if stage:
        entry = lock.stages[stage]
        tags = {"stage": stage, "stage_lock_sha256": digest(entry), "mlflow.source.name": entry["cmd"]}
        run = run_records.read(stage, entry, source.runs) or {}
    return Execution(tags, {**_facts(run), **source.commit}, *_when(run, source.date))


def _dataset(lock: Lock, file: MetricsFile) -> DataSet | None:
    """The data set of a metrics file, with the checksum and command of its source, if the lock has one under its name."""
    if file.dataset is None:
        return None
    name, profile = file.dataset.name, {"kind": file.dataset.kind, "note": file.dataset.note, "scale": file.scale}
    source = f"data/{file.scale}/sources/{name}"
    maker = lock.maker(source)
    return DataSet(name, lock.hashes.get(source) or digest([name, profile])[:32], lock.stages[maker]["cmd"] if maker else "", profile)


def _points(records: list[Record], curve: Points) -> Points:
    last = max((step for _, step in curve), default=0)
    points = {**curve, **{(record.metric, last): record.value for record in records}}
    size = next((record.parameters for record in records if record.parameters is not None), None)
    return points if size is None else {("parameters", last): float(size), **points}


def _when(run: dict[str, Any], date: str) -> tuple[int, int]:
    """Start and duration of an execution in milliseconds, from its run record; without one the source's date, or now, and 0."""
    started = run.get("started") or date
    seconds = datetime.fromisoformat(started).timestamp() if started else time()
    last = run.get("duration_s", 0)
    # The record of a resumed training is of its last part; the loop has counted the others too.
    duration = run.get("train_seconds", last) if run.get("resumed") else last
    return int((seconds + last - duration) * 1000), int(duration * 1000)


def _facts(run: dict[str, Any]) -> dict[str, str]:
    """A run record's own entries (duration, memory, ...) and its machine, as tags."""
    values = {**run, **{f"machine.{key}": value for key, value in run.get("machine", {}).items()}}
    return {key: str(value) for key, value in values.items() if isinstance(value, str | int | float) and key not in ("stage", "cmd")}


def _is_training_curve(path: Path) -> bool:
    """By its name, or under the old one by its column `iteration`."""
    training, old = CURVES
    return path.name.endswith(training) or (path.name.endswith(old) and "iteration" in path.read_text().partition("\n")[0].split(","))


def _read_curves(metrics_file: Path) -> dict[tuple[str, int | None], Points]:
    """The training curves beside a metrics file, by model and seed; none if there is no such file."""
    files = [metrics_file.with_suffix(suffix) for suffix in CURVES]
    path = next((path for path in files if path.exists() and _is_training_curve(path)), None)
    curves: dict[tuple[str, int | None], Points] = defaultdict(dict)
    if path is None:
        return curves
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = CURVE_COLUMNS - set(reader.fieldnames or [])
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", help="where `mlflow ui` will show the store: print the addresses of its runs")
    address = parser.parse_args().address
    uri = os.environ.get("MLFLOW_TRACKING_URI") or STORE
    try:
        results = collect()
        if not results:
            raise UserError(f"there are no metrics files in {REPORTS}/metrics or {RELEASES}: run `dvc repro` first")
        logged, experiments = mlflow_store.log(results, uri)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}; mend that and run `python -m workflow.track` again")
    print(f"{logged} runs logged, {len(results) - logged} unchanged, experiment(s) {', '.join(experiments)}, at {without_password(uri)}")
    if shown_at := without_password(uri) if uri.startswith("http") else address:
        for chapter, number in experiments.items():
            print(f"  {chapter}: {RUNS_PAGE.format(address=shown_at.rstrip('/'), number=number)}")
        print('  (MLflow opens for applications of language models: to stay with the runs choose "Model training", top left, once)')


if __name__ == "__main__":
    main()
