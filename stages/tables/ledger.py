"""The ledger: every cell of the thesis's tables, what this project has beside it, and a verdict.

A cell's value comes from the metrics at hand ("this run") and from releases, whose numbers not every machine can
remake: of each scale the newest that has the cell. Its verdict is exact (equal at the printed rounding), within or
outside a tolerance fixed in the transcribed table, not run, or cannot run (with the reason). Only official data under
the full protocol earn one of the first three: a miniature, a stand-in or a shortened schedule is shown, labelled, and
not judged. Where a source lacks a column's metrics file, the one of the data set that stands in for it is shown.
"""

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.metrics import Dataset, MetricsFile
from stages.tables.transcript import Column, Printed, Row, Table, Tolerance, experiment_of, printed_number, read_yaml

VERDICTS = ("exact", "within", "outside", "not run", "cannot run")
THIS_RUN = "this run"
# Scales whose releases a table shows, in the order in which they are judged.
RELEASE_SCALES = ("real", "paper", "real_cpu")
# Times the stated tolerance.
FACTORS = {"stated": 1.0, "half": 0.5, "double": 2.0}
# What two run records must share for their times to compare.
TIMED_ON = ("machine", "gpu", "device", "precision", "threads")


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
            note = f": {self.dataset.note}" if self.dataset.note and self.dataset.kind != "miniature" else ""
            return f"{self.dataset.kind}{note}"
        return {"full": "", "shortened": "shortened schedule"}.get(self.protocol, self.protocol) or self.flaw


@dataclass(frozen=True)
class Cell:
    """One printed cell and what stands beside it; `judged` is the measurement that verdict and difference are about.

    `releases` holds one measurement of each scale that has the cell, in the order of RELEASE_SCALES. `verdict` is empty
    for cells that are not the project's to reproduce: methods that are only cited, and explanatory text.
    """

    row: Row
    column: Column
    printed: str
    run: Measurement | None = None
    releases: dict[str, Measurement] = field(default_factory=dict)
    judged: Measurement | None = None
    difference: float | None = None
    tolerance: float | None = None
    verdict: str = ""
    reason: str = ""


def chapters(published: Path) -> list[str]:
    """The chapters that have a transcribed table."""
    contents = [read_yaml(file) for file in sorted(published.glob("*.yaml")) if file.name != "references.yaml"]
    return sorted({content["chapter"] for content in contents if isinstance(content, dict) and "chapter" in content})


def load_results(folder: Path) -> Results:
    """The metrics files of one chapter (`<experiment>.json`) and its layers.json, as "this run"; without run records, hence times."""
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
        found = _load_metrics(file.parent / "metrics" / chapter)
        releases.append(Results(file.parent.name, *found, scale=facts["scale"], day=day, runs=runs))
    releases.sort(key=lambda release: (release.day, release.source), reverse=True)
    return sorted(releases, key=lambda release: RELEASE_SCALES.index(release.scale))


def resolve(table: Table, run: Results, releases: list[Results], factor: float = 1.0) -> list[Cell]:
    """All cells of a table, row by row, with verdicts at `factor` times the stated tolerances."""
    placed = {results.source: _place_layers(table, results.layers) for results in [run, *releases]}
    cells = []
    for row in table.rows:
        for column in table.columns:
            if column.id in row.cells:
                found = [_find(table, row, column, results, placed[results.source]) for results in [run, *releases]]
                shown = _newest([(r.scale, m) for r, m in zip(releases, found[1:], strict=True) if m], column)
                cells.append(_judge(table, row, column, found[0], shown, factor))
    return cells


def resolve_all(table: Table, run: Results, releases: list[Results]) -> dict[str, list[Cell]]:
    """The cells of a table at each of FACTORS."""
    return {name: resolve(table, run, releases, factor) for name, factor in FACTORS.items()}


def counts(cells: Iterable[Cell]) -> dict[str, int]:
    """How often each verdict occurs, in the order of VERDICTS; cited and explanatory cells are not counted."""
    found = Counter(cell.verdict for cell in cells)
    return {verdict: found[verdict] for verdict in VERDICTS}


def measure(results: Results, experiment: str, model: str, metric: str, dataset: str | None = None) -> Measurement | None:
    """What `results` says of one metric of one model, by seed; None if nothing."""
    file = results.metrics.get(experiment)
    if file is None:
        return None
    records = [r for r in file.records if (r.model, r.metric, r.dataset) == (model, metric, dataset)]
    if not records:
        return None
    values = {record.seed: record.value for record in records}
    if len(values) < len(records):
        raise UserError(f"{experiment}.json: {model}, {metric} has several encoders, and the table does not say which.")
    sizes = frozenset(record.n for record in records)
    encoder = " / ".join(sorted({record.encoder for record in records if record.encoder}))
    about = {"experiment": experiment, "encoder": encoder, "better": records[0].better}
    return Measurement(results.source, file.scale, file.protocol, file.dataset, values, sizes, **about)


def as_stand_in(found: Measurement | None) -> Measurement | None:
    """The measurement with its data set called a stand-in, which is never judged, however official its bytes; a miniature stays one."""
    if found is None or (found.dataset and found.dataset.kind == "miniature"):
        return found
    data = found.dataset or Dataset(found.experiment, "")
    return replace(found, dataset=replace(data, kind="stand-in"))


def half_width(tolerance: Tolerance, printed: Printed, operands: tuple[Printed, ...] = ()) -> float:
    """How far from the printed value still is within, in the printed unit.

    binomial: z sqrt(p (1 - p) / n), with p the printed percentage. fixed: as stated. rounding: half a step of the last digit.
    quotient_rounding: the farthest that two printed operands' quotient can lie from it, each within half a step.
    """
    if tolerance.kind == "binomial":
        assert tolerance.n and tolerance.confidence
        share = float(printed.value) / 100
        z = statistics.NormalDist().inv_cdf((1 + tolerance.confidence) / 2)
        return 100 * z * math.sqrt(share * (1 - share) / tolerance.n)
    if tolerance.kind == "fixed":
        assert tolerance.half_width
        return tolerance.half_width
    if tolerance.kind == "rounding":
        return float(printed.step / 2)
    (over, over_half), (under, under_half) = [(operand.value, operand.step / 2) for operand in operands]
    quotient = over / under
    high, low = (over + over_half) / (under - under_half), (over - over_half) / (under + under_half)
    return float(max(high - quotient, quotient - low))


def compare(printed: Printed, value: float, tolerance: float) -> str:
    """exact, within or outside."""
    ours = Decimal(repr(value))
    if (ours / printed.step).quantize(Decimal(1), ROUND_HALF_UP) * printed.step == printed.value:
        return "exact"
    return "within" if abs(ours - printed.value) <= Decimal(repr(tolerance)) else "outside"


def _load_metrics(folder: Path) -> tuple[dict[str, MetricsFile], dict[str, list[str]]]:
    found, layers = {}, {}
    for file in sorted(folder.glob("*.json")):
        if file.name == "layers.json":
            layers = _read_layers(file)
            continue
        found[file.stem] = metrics.read(file)
        if found[file.stem].experiment != file.stem:
            raise UserError(f"{file}: experiment is {found[file.stem].experiment!r}; it must be the file's name.")
    return found, layers


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


def _find(table: Table, row: Row, column: Column, results: Results, layers: dict) -> Measurement | None:
    if not _is_own(row, column):
        return None
    if column.source == "metrics":
        experiment = experiment_of(row, column)
        assert row.model and experiment and column.metric
        if column.stand_in and experiment not in results.metrics:
            return as_stand_in(measure(results, column.stand_in, row.model, column.metric, column.dataset))
        return measure(results, experiment, row.model, column.metric, column.dataset)
    if column.source == "times":
        return _time(table, row, column, results)
    found = layers.get((row.id, column.id))
    return None if found is None else Measurement(results.source, results.scale, "full", None, {}, layers=found)


def _is_own(row: Row, column: Column) -> bool:
    """Whether the cell is the project's to reproduce: neither of a method that is only cited nor explanatory text."""
    timed = bool(row.stage or row.ratio)
    own = {"metrics": row.model is not None, "layers": column.id in row.layers, "times": timed, "none": False}
    return own[column.source]


def _newest(found: list[tuple[str, Measurement]], column: Column) -> dict[str, Measurement]:
    """By scale, of (scale, measurement) with the newest first, the newest that can be judged, else the newest.

    So a later release of a shortened training does not hide what an earlier one has shown.
    """
    shown = {}
    for scale in RELEASE_SCALES:
        of_scale = [measurement for its_scale, measurement in found if its_scale == scale]
        if of_scale:
            shown[scale] = next((m for m in of_scale if not _obstacle(m, column)), of_scale[0])
    return shown


def _judge(table: Table, row: Row, column: Column, run: Measurement | None, releases: dict[str, Measurement], factor: float) -> Cell:
    """The cell with its verdict: about this run if that can be judged, else about the first release that can."""
    printed = row.cells[column.id]
    if not _is_own(row, column):
        return Cell(row, column, printed)
    candidates = [m for m in (run, *releases.values()) if m]
    # where none can be judged, the best release tells more than this run
    judged = next((m for m in candidates if not _obstacle(m, column)), next(iter(releases.values()), run))
    number = printed_number(printed)
    difference = tolerance = None
    if number and column.tolerance:
        operands = tuple(printed_number(table.row(other).cells[column.id]) for other in row.ratio)
        if column.tolerance.kind != "quotient_rounding" or operands:
            tolerance = factor * half_width(column.tolerance, number, operands)  # type: ignore[arg-type]
        # A number from other data has no meaningful distance from the thesis's.
        if judged and (judged.dataset is None or judged.dataset.kind == "official"):
            difference = round(judged.mean - float(number.value), 10)
    if cannot_run := row.cannot_run or column.cannot_run:
        verdict, reason = "cannot run", cannot_run
        difference = None
    elif judged is None or _obstacle(judged, column):
        verdict, reason = "not run", _obstacle(judged, column) if judged else ""
    elif column.source == "layers":
        verdict, reason = ("exact" if judged.layers == "; ".join(row.layers[column.id]) else "outside"), ""
    else:
        assert number and tolerance is not None
        verdict, reason = compare(number, judged.mean, tolerance), ""
    return Cell(row, column, printed, run, releases, judged, difference, tolerance, verdict, reason)


def _obstacle(measurement: Measurement, column: Column) -> str:
    if measurement.obstacle:
        return measurement.obstacle
    n = column.tolerance.n if column.tolerance else None
    if n and measurement.sizes != {n}:
        sizes = ", ".join(str(size) for size in sorted(measurement.sizes, key=str))
        return f"evaluated on n = {sizes}, not {n}"
    return ""


def _place_layers(table: Table, layers: dict[str, list[str]]) -> dict[tuple[str, str], str]:
    """Each network's layers set beside the table's rows: (row, column) -> descriptions, joined by "; ".

    The two sequences are aligned, so that a missing or an added layer spoils its own row only.
    """
    placed = {}
    for column in table.columns:
        rows = [row.id for row in table.rows for _ in row.layers.get(column.id, [])]
        if not rows or column.id not in layers:
            continue
        expected = [layer for row in table.rows for layer in row.layers.get(column.id, [])]
        by_row: dict[str, list[str]] = {row: [] for row in rows}
        actual = layers[column.id]
        for _, i1, i2, j1, j2 in SequenceMatcher(None, expected, actual, autojunk=False).get_opcodes():
            for offset, layer in enumerate(actual[j1:j2]):
                # what has no counterpart goes to the last row of its stretch, or to the row before it
                by_row[rows[max(0, min(i1 + offset, max(i1, i2) - 1))]].append(layer)
        placed.update({(row, column.id): "; ".join(found) for row, found in by_row.items()})
    return placed


def _time(table: Table, row: Row, column: Column, results: Results) -> Measurement | None:
    """From run records: a row's fact, mean hours of its trainings, or the quotient of two rows' mean times per iteration."""
    file = results.metrics.get(experiment_of(row, column) or "")
    if file is None:
        return None
    if row.fact:
        # a release may be older than the fact
        timed = [r for r in results.runs if row.stage in (name := str(r.get("stage")), name.partition("@")[0])]
        found = [_number(results, r, row.fact) for r in timed if row.fact in r]
        return Measurement(results.source, file.scale, file.protocol, file.dataset, {None: found[0]}) if found else None
    stages = [table.row(other).stage for other in row.ratio] or [row.stage]
    runs = [_runs_of(results, stage) for stage in stages if stage]
    if not all(runs):
        return None
    if row.ratio:
        over, under = [statistics.fmean(r["train_seconds"] / r["iterations"] for r in group) for group in runs]
        values: dict[int | None, float] = {None: over / under}
    else:
        values = {seed: r["train_seconds"] / 3600 for seed, r in enumerate(runs[0])}
    where = {json.dumps([r.get(key) for key in TIMED_ON], sort_keys=True) for group in runs for r in group}
    flaw = "timed on different machines or settings" if len(where) > 1 else ""
    return Measurement(results.source, file.scale, file.protocol, file.dataset, values, flaw=flaw)


def _runs_of(results: Results, stage: str) -> list[dict[str, Any]]:
    """The run records of one training stage, all seeds: `stage` followed by "-<seed>".

    A resumed run is left out: its time is that of its last part only.
    """
    found = []
    for record in results.runs:
        name, _, seed = str(record.get("stage")).rpartition("-")
        if name == stage and seed.isdigit() and not record.get("resumed"):
            for key in ("train_seconds", "iterations"):
                _number(results, record, key)
            found.append(record)
    return found


def _number(results: Results, record: dict[str, Any], key: str) -> float:
    """What a run record has under `key`, which must be a number above 0."""
    value = record.get(key)
    if not isinstance(value, int | float) or value <= 0:
        raise UserError(f"release {results.source}: run record {record['stage']}: {key} is {value!r}; it must be a number above 0.")
    return value
