"""What the tables are filled from: the metrics at hand ("this run"), those of releases, what either has for a cell."""

import json
import statistics
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.metrics import Dataset, MetricsFile, Record

THIS_RUN = "this run"
# Scales whose releases a table shows, in the order in which they are judged.
RELEASE_SCALES = ("real", "paper", "real_cpu", "figures")
GENERATED = "generated figures, not people"
UNJUDGED = {"shortened": "shortened schedule", "assumed": "assumed lengths of training", "generated": GENERATED}  # protocols in words
DRAWN = ("miniature", "generated")  # kinds of data, and protocols, that are evidence of nothing but themselves


@dataclass(frozen=True)
class Results:
    """The numbers at hand or those of one release. `layers` lists each network's layers, `runs` the run records."""

    source: str
    metrics: dict[str, MetricsFile]
    layers: dict[str, list[str]] = field(default_factory=dict)
    scale: str = ""
    day: str = ""
    runs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Measurement:
    """What one source has for a cell: values by seed (seed None for what has no seed), or a layer's description.

    `experiment` is the metrics file that the values are in, `encoder` and `better` what its records name as theirs.
    """

    source: str
    scale: str
    protocol: str
    dataset: Dataset | None
    values: dict[int | None, float]
    sizes: frozenset[int | None] = frozenset()
    layers: str = ""
    flaw: str = ""
    experiment: str = ""
    encoder: str = ""
    better: str = ""

    @property
    def mean(self) -> float:
        """Mean over seeds, rounded to ten decimals so that binary noise decides no tie of the printed rounding."""
        return round(statistics.fmean(self.values.values()), 10)

    @property
    def sd(self) -> float | None:
        """Sample deviation over seeds (n - 1); None for a single value."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None

    @property
    def obstacle(self) -> str:
        """Why this value cannot be judged against the thesis; empty if it can."""
        if self.dataset and self.dataset.kind != "official":
            note = f": {self.dataset.note}" if self.dataset.note and self.dataset.kind not in DRAWN else ""
            return GENERATED if self.dataset.kind == "generated" else f"{self.dataset.kind}{note}"
        return ("" if self.protocol == "full" else UNJUDGED.get(self.protocol, self.protocol)) or self.flaw


def load_results(folder: Path) -> Results:
    """The metrics files of one chapter (`<experiment>.json`) and its layers.json, as "this run".

    Without run records, hence times: a table would then differ from run to run.
    """
    return Results(THIS_RUN, *_load_metrics(folder))


def load_releases(folder: Path, chapter: str) -> list[Results]:
    """The releases that tables may show, best first: by RELEASE_SCALES, then the newest."""
    releases = []
    for file in sorted(folder.glob("[!.]*/release.json")):  # a name with a dot is one that is being written
        facts = _read_json(file)
        if facts.get("scale") not in RELEASE_SCALES:
            continue
        try:
            day = date.fromisoformat(str(facts.get("date"))).isoformat()
        except ValueError:
            raise UserError(f"{file}: date is {facts.get('date')!r}; it must be a day such as 2025-01-31.") from None
        runs = tuple(_read_json(run) for run in sorted((file.parent / "runs").glob("*.json")))
        metrics_and_layers = _load_metrics(file.parent / "metrics" / chapter)
        releases.append(Results(file.parent.name, *metrics_and_layers, scale=facts["scale"], day=day, runs=runs))
    releases.sort(key=lambda release: (release.day, release.source), reverse=True)
    return sorted(releases, key=lambda release: RELEASE_SCALES.index(release.scale))


def trainings(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a run record what it says of each network that its stage has trained: itself, or for several, one after the other
    (`stages.matching.blocks`), the stage's own with those of each network. None of a stage that trains nothing."""
    several = [{**record, **training} for training in record.get("trainings", {}).values()]
    return [one for one in several or [record] if "train_seconds" in one]


def records_of(file: MetricsFile, model: str | None, metric: str, dataset: str | None = None) -> tuple[Record, ...]:
    """The records of one metric of one model, of all seeds; `dataset` where a file has several."""
    return tuple(r for r in file.records if (r.model, r.metric, r.dataset) == (model, metric, dataset))


def measure(results: Results, experiment: str, model: str, metric: str, dataset: str | None = None) -> Measurement | None:
    """What `results` says of one metric of one model, by seed; None if nothing."""
    file = results.metrics.get(experiment)
    records = records_of(file, model, metric, dataset) if file else ()
    if file is None or not records:
        return None
    values = {record.seed: record.value for record in records}
    if len(values) < len(records):
        raise UserError(f"{experiment}.json: {model}, {metric} has several encoders, and the table does not say which.")
    sizes = frozenset(record.n for record in records)
    encoder = " / ".join(sorted({record.encoder for record in records if record.encoder}))
    about = {"experiment": experiment, "encoder": encoder, "better": records[0].better}
    return Measurement(results.source, file.scale, file.protocol, file.dataset, values, sizes, **about)


def as_stand_in(measurement: Measurement | None) -> Measurement | None:
    """The measurement with its data set called a stand-in, which is never judged, however official its bytes.

    What is generated stays so.
    """
    if measurement is None or (measurement.dataset and measurement.dataset.kind in DRAWN):
        return measurement
    data = measurement.dataset or Dataset(measurement.experiment, "")
    return replace(measurement, dataset=replace(data, kind="stand-in"))


def _load_metrics(folder: Path) -> tuple[dict[str, MetricsFile], dict[str, list[str]]]:
    files, layers = {}, {}
    for file in sorted(folder.glob("*.json")):
        if file.name == "layers.json":
            layers = _read_layers(file)
            continue
        files[file.stem] = metrics.read(file)
        if files[file.stem].experiment != file.stem:
            raise UserError(f"{file}: experiment is {files[file.stem].experiment!r}; it must be the file's name.")
    return files, layers


def _read_layers(file: Path) -> dict[str, list[str]]:
    content = _read_json(file)
    for network, layers in content.items():
        if not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
            raise UserError(f"{file}: {network}: must be a list of layer descriptions.")
    return content


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not valid JSON ({error}).") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: must be an object.")
    return content


def label(found: Measurement) -> str:
    """What a value is, if not the thesis's own experiment, in a word or two: "miniature"; empty if it is."""
    if found.dataset and found.dataset.kind != "official":
        return found.dataset.kind
    return "" if found.protocol == "full" else found.protocol


def number_text(value: float | None) -> str:
    """A number for CSV: at most six decimals, a count without any."""
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def value_text(found: Measurement | None) -> str:
    """A measured value for CSV: the mean, unrounded, or a layer's description; empty if there is none."""
    return (number_text(found.mean) if found.values else found.layers) if found else ""
