"""Tables that are made up, and metrics files written by hand, for the tests of the ledger and of its renderings."""

import json
from pathlib import Path

import yaml

from stages.core import metrics
from stages.core.metrics import Dataset, MetricsFile, Record
from stages.tables import claims, ledger, results, transcript
from stages.tables.printed import printed_number

PUBLISHED = Path("stages/tables/published")
REFERENCES = {1: "Canny: Edges. 1986", 2: "Somebody: DeepEdge. 2015"}


def tables():
    return {table.name: table for table in transcript.load_tables(PUBLISHED, "ch2_fusion")}


def errors(folder, values, *, kind="official", protocol="full", scale="real", experiment="cifar10", n=10000, note=""):
    """A metrics file of errors: {model: [value of seed 0, of seed 1, ...]}."""
    records = [
        Record(model, "error", value, "%", "lower", "bitwise", seed=seed, n=n)
        for model, found in values.items()
        for seed, value in enumerate(found)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    metrics.write(
        folder / f"{experiment}.json",
        chapter="ch2_fusion",
        experiment=experiment,
        scale=scale,
        protocol=protocol,
        dataset=Dataset(experiment, kind, note),
        records=records,
    )


def architectures(folder, values):
    """A metrics file of counts: {(model, metric): value}, for CIFAR-10."""
    records = [
        Record(model, metric, value, "parameters", "none", "bitwise", dataset="cifar10") for (model, metric), value in values.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"chapter": "ch2_fusion", "experiment": "architectures", "scale": "mini", "protocol": "full"}
    metrics.write(folder / "architectures.json", dataset=None, records=records, **fields)


# A cited method that is computed too, in a metrics file of its own; one that is only cited, with a cell left out; our own.
EDGES = """
table: "9.9"
section: "9.9"
caption: A table
row_heading: Method
columns:
  - id: ods
    heading: ODS
    unit: F
    source: metrics
    experiment: networks
    metric: ods
    tolerance: &stated {kind: fixed, half_width: 0.02, n: 200, origin: twice what was measured}
  - {id: ap, heading: AP, source: metrics, experiment: networks, metric: ap, tolerance: *stated}
rows:
  - {id: canny, label: Canny, reference: 1, model: canny, experiment: detectors, cells: {ods: ".600", ap: ".580"}}
  - {id: deepedge, label: DeepEdge, reference: 2, cells: {ods: ".753"}}
  - {id: rds, label: RDS, model: rds, cells: {ods: ".792", ap: ".818"}}
"""
COSTS = """
table: costs
section: "9.9"
caption: Costs
row_heading: Step
columns:
  - {id: speed, heading: speed, unit: images/s, source: times, experiment: networks}
  - {id: hours, heading: time, unit: h, source: times, experiment: networks}
rows:
  - {id: labels, label: labels, stage: relax@a, fact: images_per_second, cannot_run: other hardware, cells: {speed: "2.5"}}
  - {id: training, label: training, stage: train@rds, cannot_run: other hardware, cells: {hours: "1"}}
"""


# A data set that another may stand in for; bytes that are judged beside times that are not, and a cited row that has both.
RETRIEVAL = """
table: "9.9"
section: "9.9"
caption: A table
row_heading: Method
columns:
  - id: ns
    heading: UKB
    unit: N-S
    source: metrics
    experiment: ukb
    metric: ods
    stand_in: covers
    tolerance: {kind: fixed, half_width: 0.05, n: 200, origin: stated}
  - {id: seconds, heading: time, unit: s, source: times, experiment: ukb, cannot_run: other hardware}
rows:
  - {id: cited, label: Cited, reference: 2, cells: {ns: "3.85", seconds: "2.32"}}
  - {id: ours, label: Ours, model: ours, stage: cost@a, fact: query_seconds, cells: {ns: "3.37", seconds: "0.25"}}
"""


def made(tmp_path, text, change=lambda content: None):
    """A table that is made up, changed."""
    content = yaml.safe_load(text)
    change(content)
    (tmp_path / "table_9_9.yaml").write_text(yaml.safe_dump(content))
    return transcript.load_table(tmp_path / "table_9_9.yaml", {1: "Canny: Edges. 1986", 2: "Somebody: DeepEdge. 2015"})


def edge_results(values, *, source=results.THIS_RUN, scale="", runs=(), protocol="full", images=200):
    """Results of two metrics files: {experiment: {model: ODS}}."""
    files = {}
    for experiment, found in values.items():
        records = tuple(Record(model, "ods", value, "F", "higher", "numeric", n=images) for model, value in found.items())
        files[experiment] = MetricsFile("ch9_edges", experiment, scale, protocol, Dataset(experiment, "official"), records)
    return results.Results(source, files, scale=scale, runs=tuple(runs))


def release(folder, name, scale, date, values, **others):
    errors(folder / name / "metrics" / "ch2_fusion", values, scale=scale, **others)
    (folder / name / "release.json").write_text(json.dumps({"scale": scale, "date": date}))
    return folder / name


def resolve(tmp_path, factor=1.0, table="table_2_2"):
    live = results.load_results(tmp_path / "metrics")
    releases = results.load_releases(tmp_path / "releases", "ch2_fusion")
    return ledger.resolve(tables()[table], live, releases, factor)


def cell(cells, row, column):
    return next(one for one in cells if (one.row.id, one.column.id) == (row, column))


def stand_in(name, value, kind="stand-in", *, source="real-1", scale="real", experiment="covers", encoder="small net", protocol="full"):
    record = Record("ours", "ods", value, "N-S", "higher", "numeric", n=200, encoder=encoder)
    data = Dataset(name, kind, "other objects") if kind else None
    file = MetricsFile("ch9_edges", experiment, scale, protocol, data, (record,))
    return results.Results(source, {experiment: file}, scale=scale)


def printed_results(tables, more=None, constant=(), better="lower"):
    """What the metrics files would hold if our numbers were the printed ones, over two seeds; of models in `constant`, without.

    more: {experiment: {(model, metric): value}} of what no table prints. better: one word, or a function of the metric.
    """
    values, sizes, layers = {}, {}, {}
    for table in tables:
        for row in table.rows:
            for column in table.columns:
                if column.id in row.layers:
                    layers.setdefault(column.id, []).extend(row.layers[column.id])
                if column.kind == "metrics" and column.id in row.cells and column.is_own(row):
                    experiment = column.experiment_of(row)
                    key = (row.model, column.metric, column.dataset)
                    values.setdefault(experiment, {})[key] = float(printed_number(row.cells[column.id]).value)
                    sizes[experiment, key] = getattr(column.tolerance, "n", None)
    for experiment, found in (more or {}).items():
        values.setdefault(experiment, {}).update({(model, metric, None): value for (model, metric), value in found.items()})
    files = {}
    for experiment, of_metrics in values.items():
        records = tuple(
            Record(model, metric, value, "-", better if isinstance(better, str) else better(metric), "numeric", seed=seed,
                   n=sizes.get((experiment, (model, metric, dataset))), dataset=dataset)
            for (model, metric, dataset), value in of_metrics.items()
            for seed in ((None,) if model in constant or experiment == "architectures" else (0, 1))
        )  # fmt: skip
        files[experiment] = MetricsFile("ch9_any", experiment, "paper", "full", Dataset(experiment, "official"), records)
    return results.Results(results.THIS_RUN, files, layers=layers)


def not_borne_out(chapter, tables, **others):
    """{claim: {verdict: its cases}} of a chapter's cases that the printed numbers try and do not reproduce; others: of printed_results."""
    judged = claims.judge(claims.load_claims(PUBLISHED, chapter), tables, printed_results(tables, **others), [])
    cases = {}
    for judgement in judged:
        if judgement.observed and judgement.verdict != "reproduced":
            cases.setdefault(judgement.claim, {}).setdefault(judgement.verdict, []).append(judgement.case)
    return cases
