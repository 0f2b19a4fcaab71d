"""Metrics files, schema 1: the one form in which an evaluation states its numbers.

Tables, claims, MLflow and the site are views of these files, so what they may hold is checked here, on writing and on
reading. A file's bytes depend on its content only: keys and records are sorted, one record per line, floats as Python's
shortest repr.
"""

import dataclasses
import json
import math
import numbers
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import provenance
from stages.core.errors import UserError
from stages.core.stage import Job

SCHEMA = 1
# generated: on generated data, as long as it takes; assumed: as full, by lengths of training that the thesis does not give
PROTOCOLS = ("miniature", "generated", "shortened", "assumed", "full")
KINDS = ("official", "unverified", "altered", "stand-in", "generated", "miniature")
BETTER = ("lower", "higher", "none")
OPTIONAL = ("dataset", "precision", "trained", "scored_by")  # keys of a record that stand only where they say something
DETERMINISM = ("bitwise", "numeric", "stochastic")


def least(*classes: str) -> str:
    """The determinism of what was made in steps of these: that of the least reproducible."""
    return max(classes, key=DETERMINISM.index)


def made_by(training: dict[str, Any], prediction: dict[str, Any]) -> dict[str, Any]:
    """What a training says of itself, as reproducible as the less reproducible of training and prediction."""
    return training | {"determinism": least(training["determinism"], prediction["determinism"])}


@dataclass(frozen=True)
class Dataset:
    """The data behind a file's numbers, and whether it is the thesis's own (`official`; `unverified`: no checksum is known)."""

    name: str
    kind: str
    note: str = ""


def dataset_of(folder: Path, name: str) -> Dataset:
    """The data set `name`, by what `folder` says of its bytes.

    It is a stand-in wherever the thesis has another, whatever its bytes are.
    """
    said = provenance.read(folder)
    if "stands_in_for" in said:
        role = f"stands in for {said['stands_in_for']}"
        return Dataset(name, "stand-in", "; ".join(filter(None, [role, said["note"]])))
    return Dataset(name, said["kind"], said["note"])


@dataclass(frozen=True)
class Record:
    """One number: `metric` of `model`, trained with `seed`, over `n` test items.

    `dataset` is set only where one file speaks of several data sets (parameter counts by number of classes), `precision`
    (fp32, bf16) where something was trained, `trained` where it lies: the folder of the network, forest or codebooks that the
    number is of; `scored_by` that of another network which the number is measured by.
    """

    model: str
    metric: str
    value: float
    unit: str
    better: str
    determinism: str
    seed: int | None = None
    n: int | None = None
    encoder: str | None = None
    parameters: int | None = None
    predictions: str | None = None
    dataset: str | None = None
    precision: str | None = None
    trained: str | None = None
    scored_by: str | None = None

    @property
    def networks(self) -> set[str]:
        """The folders of what was trained for it."""
        return {folder for folder in (self.trained, self.scored_by) if folder}

    @property
    def identity(self) -> tuple:
        """What no two records of a file may share; also their order in it."""
        seed = -1 if self.seed is None else self.seed
        return (self.dataset or "", self.model, self.encoder or "", self.metric, seed)


@dataclass(frozen=True)
class MetricsFile:
    """A whole file. `dataset` is None for facts that need no data, such as parameter counts."""

    chapter: str
    experiment: str
    scale: str
    protocol: str
    dataset: Dataset | None
    records: tuple[Record, ...]


def write(
    path: Path,
    *,
    chapter: str,
    experiment: str,
    scale: str,
    protocol: str,
    dataset: Dataset | None,
    records: Iterable[Record],
) -> None:
    """Check and write one metrics file; the same content gives the same bytes.

    Raises UserError, naming the record and the key, on anything that schema 1 refuses; then nothing is written.
    """
    document = {
        "schema": SCHEMA,
        "chapter": chapter,
        "experiment": experiment,
        "scale": scale,
        "protocol": protocol,
        "dataset": dataclasses.asdict(dataset) if dataset else None,
        "records": [_entry(record) for record in records],
    }
    checked = _parse(document, path)
    lines = [json.dumps(_entry(record), sort_keys=True) for record in sorted(checked.records, key=lambda r: r.identity)]
    text = json.dumps({**document, "records": []}, sort_keys=True, indent=2)
    path.write_text(text.replace('"records": []', '"records": [\n    ' + ",\n    ".join(lines) + "\n  ]") + "\n")


def publish(
    job: Job, chapter: str, experiment: str, dataset: Dataset | None, records: Iterable[Record], protocol: str | None = None
) -> None:
    """Write the stage's output reports/metrics/<chapter>/<experiment>.json.

    protocol : the run's, unless this experiment has another.
    """
    path, protocol = job.out(f"reports/metrics/{chapter}/{experiment}.json"), protocol or job.param("protocol")
    facts = {"chapter": chapter, "experiment": experiment, "scale": job.param("scale"), "protocol": protocol}
    write(path, **facts, dataset=dataset, records=records)


def read(path: Path) -> MetricsFile:
    """Read and check one metrics file. Raises UserError naming the file, the record and the key."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such metrics file; run the evaluation that writes it.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); run the evaluation that writes it again.") from None
    return _parse(document, path)


def summary(files: Iterable[MetricsFile]) -> dict[str, Any]:
    """Nest to {chapter: {experiment: {model: {metric: mean, metric_sd: deviation}}}}, for `dvc metrics diff`.

    Only metrics that are better lower or higher; the sample deviation (n - 1) is left out for a single value. An encoder
    joins its model's name, so that two numbers never share a place.
    """
    values: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for file in files:
        for record in file.records:
            if record.better != "none":
                model = f"{record.model} ({record.encoder})" if record.encoder else record.model
                values[file.chapter, file.experiment, model, record.metric].append(record.value)
    nested: dict[str, Any] = {}
    for (chapter, experiment, model, metric), numbers_ in sorted(values.items()):
        place = nested.setdefault(chapter, {}).setdefault(experiment, {}).setdefault(model, {})
        place[metric] = statistics.fmean(numbers_)
        if len(numbers_) > 1:
            place[f"{metric}_sd"] = statistics.stdev(numbers_)
    return nested


def _entry(record: Record) -> dict[str, Any]:
    entry = dataclasses.asdict(record)
    for key in OPTIONAL:
        if entry[key] is None:
            del entry[key]
    # numpy's scalars are numbers too, but json does not know them; a bool is left for the check to refuse
    if isinstance(record.value, numbers.Real) and not isinstance(record.value, bool):
        entry["value"] = int(record.value) if isinstance(record.value, numbers.Integral) else float(record.value)
    return entry


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _one_of(choices: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in choices, "one of " + ", ".join(choices)


_TEXT = (_is_text, "a non-empty string")
_TEXT_OR_NULL = (_or_none(_is_text), "a non-empty string or null")
_PATH = (_or_none(lambda value: _is_text(value) and not value.startswith("/")), "a path relative to the project, or null")

# key -> (check, what the value must be)
_FILE = {
    "schema": (lambda value: value == SCHEMA and _is_count(value), f"{SCHEMA}"),
    "chapter": _TEXT,
    "experiment": _TEXT,
    "scale": _TEXT,
    "protocol": _one_of(PROTOCOLS),
    "dataset": (_or_none(lambda value: isinstance(value, dict)), "an object with name, kind and note, or null"),
    "records": (lambda value: isinstance(value, list) and bool(value), "a list with at least one record"),
}
_DATASET = {"name": _TEXT, "kind": _one_of(KINDS), "note": (lambda value: isinstance(value, str), "a string")}
_RECORD = {
    "model": _TEXT,
    "metric": _TEXT,
    "value": (_is_finite, "a finite number"),
    "unit": _TEXT,
    "better": _one_of(BETTER),
    "determinism": _one_of(DETERMINISM),
    "seed": (_or_none(_is_count), "a whole number from 0, or null"),
    "n": (_or_none(lambda value: _is_count(value) and value > 0), "a whole number from 1, or null"),
    "encoder": _TEXT_OR_NULL,
    "parameters": (_or_none(_is_count), "a whole number from 0, or null"),
    "predictions": _PATH,
    "dataset": _TEXT_OR_NULL,
    "precision": _TEXT_OR_NULL,
    "trained": _PATH,
    "scored_by": _PATH,
}


def _parse(document: Any, path: Path) -> MetricsFile:
    _check(document, _FILE, str(path))
    dataset = document["dataset"]
    if dataset is not None:
        _check(dataset, _DATASET, f"{path}: dataset")
        dataset = Dataset(**dataset)
    records = []
    for number, entry in enumerate(document["records"], start=1):
        _check(entry, _RECORD, f"{path}: record {number}{_who(entry)}", optional=OPTIONAL)
        records.append(Record(**entry))
    _refuse_twins(records, path)
    fields = {key: document[key] for key in ("chapter", "experiment", "scale", "protocol")}
    return MetricsFile(**fields, dataset=dataset, records=tuple(records))


def _who(entry: Any) -> str:
    if not isinstance(entry, dict):
        return ""
    return f" ({entry.get('model')}, seed {entry.get('seed')}, {entry.get('metric')})"


def _check(value: Any, rules: dict, where: str, optional: tuple[str, ...] = ()) -> None:
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be an object with the keys {', '.join(rules)}.")
    for key in value:
        if key not in rules:
            raise UserError(f"{where}: unknown key {key!r}; the keys are {', '.join(rules)}.")
    for key, (check, must_be) in rules.items():
        if key not in value:
            if key not in optional:
                raise UserError(f"{where}: key {key!r} is missing; it must be {must_be}.")
        elif not check(value[key]):
            raise UserError(f"{where}: {key} is {value[key]!r}; it must be {must_be}.")


def _refuse_twins(records: list[Record], path: Path) -> None:
    seen: dict[tuple, int] = {}
    for number, record in enumerate(records, start=1):
        if record.identity in seen:
            raise UserError(
                f"{path}: record {number} ({record.model}, seed {record.seed}, {record.metric}) repeats record "
                f"{seen[record.identity]}; keep one value per model, seed, metric, encoder and data set."
            )
        seen[record.identity] = number
