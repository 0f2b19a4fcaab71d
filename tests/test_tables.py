"""The ledger: transcribed tables, verdicts and renderings, on metrics made by hand."""

import csv
import dataclasses
import io
import json
import re
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.metrics import Dataset, MetricsFile, Record
from stages.tables import ledger, render, transcript
from stages.tables.transcript import printed_number

PUBLISHED = Path("stages/tables/published")
CLAIMS = Path("stages/tables/claims.yaml")


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
chapter: ch9_edges
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
chapter: ch9_edges
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
chapter: ch9_edges
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


def edge_results(values, *, source=ledger.THIS_RUN, scale="", runs=(), protocol="full", images=200):
    """Results of two metrics files: {experiment: {model: ODS}}."""
    files = {}
    for experiment, found in values.items():
        records = tuple(Record(model, "ods", value, "F", "higher", "numeric", n=images) for model, value in found.items())
        files[experiment] = MetricsFile("ch9_edges", experiment, scale, protocol, Dataset(experiment, "official"), records)
    return ledger.Results(source, files, scale=scale, runs=tuple(runs))


def release(folder, name, scale, date, values, **others):
    errors(folder / name / "metrics" / "ch2_fusion", values, scale=scale, **others)
    (folder / name / "release.json").write_text(json.dumps({"scale": scale, "date": date}))
    return folder / name


def resolve(tmp_path, factor=1.0, table="table_2_2"):
    live = ledger.load_results(tmp_path / "metrics")
    releases = ledger.load_releases(tmp_path / "releases", "ch2_fusion")
    return ledger.resolve(tables()[table], live, releases, factor)


def cell(cells, row, column):
    return next(one for one in cells if (one.row.id, one.column.id) == (row, column))


# --- what is printed ---------------------------------------------------------------------------------------------------


def test_printed_numbers():
    assert printed_number("15.57") == transcript.Printed(Decimal("15.57"), Decimal("0.01"))
    assert printed_number("8.27%") == transcript.Printed(Decimal("8.27"), Decimal("0.01"))
    assert printed_number("0.224M") == transcript.Printed(Decimal(224000), Decimal(1000))
    assert printed_number("768") == transcript.Printed(Decimal(768), Decimal(1))
    assert printed_number(".600") == transcript.Printed(Decimal("0.6"), Decimal("0.001"))
    assert printed_number(".762") == printed_number("0.762") == transcript.Printed(Decimal("0.762"), Decimal("0.001"))
    # whole numbers multiplied; 1,024 bytes in a KB: 2.06 * 1024 = 2109.44, in steps of 10.24
    assert printed_number("4×500") == transcript.Printed(Decimal(2000), Decimal(1))
    assert printed_number("512×4×2") == transcript.Printed(Decimal(4096), Decimal(1))
    assert printed_number("2.06KB") == transcript.Printed(Decimal("2109.44"), Decimal("10.24"))
    assert printed_number("12KB") == transcript.Printed(Decimal(12288), Decimal(1024))
    assert [printed_number(text) for text in ("512×", "5.5×2", "×4", "512x4", "2.06kB", "4×2KB")] == [None] * 6
    assert printed_number("1,500") == transcript.Printed(Decimal(1500), Decimal(1))
    assert printed_number("1,234,567") == transcript.Printed(Decimal(1234567), Decimal(1))
    assert [printed_number(text) for text in ("1,50", "1500,000", ",500", "1,500.5", "1,500M")] == [None] * 5
    assert printed_number("-") is None
    assert printed_number("0.224M (basic)") is None


def test_transcribed_tables_agree_with_each_other_and_add_up():
    table_2_2, table_2_3 = tables()["table_2_2"], tables()["table_2_3"]
    for model in ("cnn-b", "cfn-b"):
        for column in ("cifar10", "cifar100"):
            assert table_2_2.row(model).cells[column] + "%" == table_2_3.row(model).cells[column]
    for row in table_2_2.rows:
        names = {"basic": "", "side": " (side)", "fusion": " (fusion)"}
        parts = [row.cells[name] + suffix for name, suffix in names.items() if name in row.cells]
        assert row.cells["parameters"].replace(" (basic)", "") == " + ".join(parts)
    # the thesis's "~1% improvements", and no cited method below CFN
    gains = [Decimal(table_2_2.row(f"cnn-{v}").cells[c]) - Decimal(table_2_2.row(f"cfn-{v}").cells[c])
             for v in "ab" for c in ("cifar10", "cifar100")]  # fmt: skip
    assert [str(gain) for gain in gains] == ["0.84", "1.08", "1.01", "1.21"]
    for column in ("cifar10", "cifar10_augmented", "cifar100"):
        printed = {row.id: printed_number(row.cells[column]).value for row in table_2_3.rows}
        assert min(printed, key=printed.get) == "cfn-b"
    assert [row.reference for row in table_2_3.rows] == [131, 122, 125, 132, 133, 134, None, None]
    # three branches: one weight per branch and a bias, for the whole layer or for each of 192 elements
    assert table_2_2.row("cnn-conv-b").cells["fusion"] == str(3 + 1)
    assert table_2_2.row("cfn-b").cells["fusion"] == str(192 * (3 + 1))
    hours = {row.id: Decimal(row.cells["hours"]) for row in tables()["text_2_4_1"].rows}
    assert round(hours["cfn-b"] / hours["cnn-b"], 3) == hours["ratio"]


def test_printed_parameters_against_arithmetic_and_the_known_contradiction():
    def convolution(size, inputs, outputs):
        return size * size * inputs * outputs + outputs

    def exact(text, value):
        return ledger.compare(printed_number(text), value, 0.0) == "exact"

    rows = {row.id: row.cells for row in tables()["table_2_2"].rows}
    basic_a = convolution(5, 3, 64) + 2 * convolution(5, 64, 64) + convolution(1, 64, 192) + 192 * 10 + 10
    basic_b = convolution(3, 3, 96) + convolution(3, 96, 96) + convolution(3, 96, 192)
    basic_b += 3 * convolution(3, 192, 192) + convolution(1, 192, 192) + 192 * 10 + 10
    assert exact(rows["cfn-a"]["basic"], basic_a)
    assert exact(rows["cfn-a"]["side"], 2 * convolution(1, 64, 192))
    assert exact(rows["cfn-b"]["basic"], basic_b)
    # 0.074M is the sides' count for CIFAR-100's first layers, beside a basic count that is CIFAR-10's
    assert exact(rows["cfn-b"]["side"], 2 * (192 * 192 + 192))
    assert not exact(rows["cfn-b"]["side"], convolution(1, 96, 192) + convolution(1, 192, 192))
    assert not exact(rows["cfn-b"]["basic"], basic_b - 1930 + 192 * 100 + 100)
    notes = [note.text for note in tables()["table_2_2"].notes if note.covers("cfn-b", "side")]
    assert any("74,112" in text and "55,680" in text for text in notes)


# --- verdicts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "value", "verdict"),
    [
        ("8.27", 8.2749, "exact"),
        ("8.27", 8.2751, "outside"),
        ("8.27", 8.265, "exact"),
        ("8.27", 8.2649, "outside"),
        ("0.224M", 224499, "exact"),
        ("0.224M", 224501, "outside"),
        ("0.224M", 223499, "outside"),
        ("0", 0, "exact"),
        ("8", 9, "outside"),
        # half a step of 10.24 on either side of 2109.44
        ("2.06KB", 2104.33, "exact"),
        ("2.06KB", 2104, "outside"),
        ("2.06KB", 2114.55, "exact"),
        ("2.06KB", 2114.57, "outside"),
        ("512×4×2", 4096, "exact"),
        ("512×4×2", 4095, "outside"),
    ],
)
def test_exact_is_equality_at_the_printed_rounding(printed, value, verdict):
    assert ledger.compare(printed_number(printed), value, 0.0) == verdict


# Around 8.27 %: 1.959964 sqrt(0.0827 * 0.9173 / 10000) = 0.0053983, so 0.5398 points; 0.2699 at half, 1.0797 at double.
@pytest.mark.parametrize(
    ("value", "half", "stated", "double"),
    [
        (8.27, "exact", "exact", "exact"),
        (8.53, "within", "within", "within"),
        (8.54, "outside", "within", "within"),
        (8.80, "outside", "within", "within"),
        (7.74, "outside", "within", "within"),
        (8.81, "outside", "outside", "within"),
        (7.73, "outside", "outside", "within"),
        (9.34, "outside", "outside", "within"),
        (9.35, "outside", "outside", "outside"),
    ],
)
def test_binomial_tolerance_by_hand(tmp_path, value, half, stated, double):
    errors(tmp_path / "metrics", {"cfn-b": [value]})
    found = [cell(resolve(tmp_path, factor), "cfn-b", "cifar10") for factor in (0.5, 1.0, 2.0)]
    assert [one.verdict for one in found] == [half, stated, double]
    assert found[1].tolerance == pytest.approx(0.53983, abs=1e-5)
    assert found[1].difference == pytest.approx(value - 8.27)


@pytest.mark.parametrize(
    ("value", "half", "stated", "double"),
    [
        (0.7924, "exact", "exact", "exact"),
        (0.802, "within", "within", "within"),
        (0.8021, "outside", "within", "within"),
        (0.812, "outside", "within", "within"),
        (0.772, "outside", "within", "within"),
        (0.7719, "outside", "outside", "within"),
        (0.833, "outside", "outside", "outside"),
    ],
)
def test_fixed_tolerance_by_hand(tmp_path, value, half, stated, double):
    table, run = made(tmp_path, EDGES), edge_results({"networks": {"rds": value}})
    found = [cell(ledger.resolve(table, run, [], factor), "rds", "ods") for factor in (0.5, 1.0, 2.0)]
    assert [one.verdict for one in found] == [half, stated, double]
    assert [one.tolerance for one in found] == [0.01, 0.02, 0.04]
    assert found[1].difference == pytest.approx(value - 0.792)


def test_a_score_over_fewer_images_is_not_judged(tmp_path):
    table, run = made(tmp_path, EDGES), edge_results({"networks": {"rds": 0.792}}, images=100)
    found = cell(ledger.resolve(table, run, []), "rds", "ods")
    assert (found.verdict, found.reason) == ("not run", "evaluated on n = 100, not 200")


def test_a_cited_method_that_is_computed_too_has_verdicts_and_its_own_metrics_file(tmp_path):
    table = made(tmp_path, EDGES)
    # the columns' file has a model of that name too, which is not meant
    run = edge_results({"detectors": {"canny": 0.61}, "networks": {"canny": 0.9, "rds": 0.9}})
    cells = ledger.resolve(table, run, [])
    assert {(one.row.id, one.column.id): one.verdict for one in cells} == {
        ("canny", "ods"): "within", ("canny", "ap"): "not run", ("deepedge", "ods"): "",
        ("rds", "ods"): "outside", ("rds", "ap"): "not run",
    }  # fmt: skip
    assert cell(cells, "canny", "ods").run.mean == 0.61
    assert cell(ledger.resolve(table, edge_results({"networks": {"canny": 0.6}}), []), "canny", "ods").verdict == "not run"
    files = render.render_table(table, run, [])
    assert "| Canny [1] | .600 / 0.610 (within) | .580 / – |" in files["md"]
    assert "| DeepEdge [2] | .753 |  |" in files["md"]
    assert "| Canny [1] | .600 | 0.610 | +0.010 | detectors, official | within |" in files["md"]
    assert "- Tolerance of ODS, AP: ±0.02, twice what was measured." in files["md"]
    assert "- [1] Canny: Edges. 1986." in files["md"]
    row = next(csv.DictReader(io.StringIO(files["csv"])))
    expected = {"reference": "1", "run": "0.61", "run_dataset": "detectors", "tolerance": "0.02", "verdict": "within"}
    assert {key: row[key] for key in expected} == expected


def test_a_cost_is_a_fact_of_the_run_record_of_exactly_its_stage(tmp_path):
    cost = {"cmd": "python -m stages.ch9_edges.train", "train_seconds": 1800, "iterations": 10, "peak_memory_mb": 1024, "gpu": "H100"}
    runs = [
        {"stage": "relax@a", "images_per_second": 3.26},
        {"stage": "relax@a-0", "images_per_second": 99.0},
        {"stage": "relax@ab", "images_per_second": 98.0},
        {"stage": "train@rds-0", **cost},
    ]
    release = edge_results({"networks": {"rds": 0.79}}, source="real-1", scale="real", runs=runs)
    table = made(tmp_path, COSTS)
    cells = ledger.resolve(table, edge_results({"networks": {"rds": 0.79}}), [release])
    labels, training = cell(cells, "labels", "speed"), cell(cells, "training", "hours")
    assert (labels.run, labels.releases["real"].values) == (None, {None: 3.26})
    assert (training.run, training.releases["real"].mean) == (None, 0.5)
    assert {(one.verdict, one.reason, one.difference, one.tolerance) for one in cells} == {("cannot run", "other hardware", None, None)}
    text = render.render_table(table, edge_results({}), [release])["md"]
    assert "## speed (images/s)" in text
    assert "| labels | 2.5 | – | 3.3 [a] | – | networks, official [a] | cannot run: other hardware |" in text
    assert "Tolerance of" not in text


def test_a_fact_that_a_release_lacks_is_nothing_and_one_that_is_no_number_is_named(tmp_path):
    table = made(tmp_path, COSTS)

    def speed(record):
        release = edge_results({"networks": {"rds": 0.79}}, source="real-1", scale="real", runs=[record])
        return cell(ledger.resolve(table, edge_results({}), [release]), "labels", "speed")

    assert speed({"stage": "relax@a", "duration_s": 5}).releases == {}
    assert speed({"stage": "relax@b", "images_per_second": 5}).releases == {}
    sentence = r"release real-1: run record relax@a: images_per_second is 0; it must be a number above 0\."
    with pytest.raises(UserError, match=sentence):
        speed({"stage": "relax@a", "images_per_second": 0})


def test_a_column_s_times_are_not_judged_while_its_row_s_metrics_are(tmp_path):
    run = {"stage": "cost@a", "query_seconds": 0.031}
    release = edge_results({"ukb": {"ours": 3.4}}, source="real-1", scale="real", runs=[run])
    cells = ledger.resolve(made(tmp_path, RETRIEVAL), edge_results({}), [release])
    assert {(one.row.id, one.column.id): (one.verdict, one.reason) for one in cells} == {
        ("cited", "ns"): ("", ""), ("cited", "seconds"): ("", ""),
        ("ours", "ns"): ("within", ""), ("ours", "seconds"): ("cannot run", "other hardware"),
    }  # fmt: skip
    assert cell(cells, "ours", "seconds").releases["real"].values == {None: 0.031}


def stand_in(name, value, kind="stand-in", *, source="real-1", scale="real", experiment="covers", encoder="small net", protocol="full"):
    record = Record("ours", "ods", value, "N-S", "higher", "numeric", n=200, encoder=encoder)
    data = Dataset(name, kind, "other objects") if kind else None
    file = MetricsFile("ch9_edges", experiment, scale, protocol, data, (record,))
    return ledger.Results(source, {experiment: file}, scale=scale)


@pytest.mark.parametrize("kind", ["stand-in", "official", "altered", None])
def test_a_stand_in_is_shown_where_the_data_set_itself_is_not_and_never_judged(tmp_path, kind):
    table, release = made(tmp_path, RETRIEVAL), stand_in("covers", 3.37, kind)
    found = cell(ledger.resolve(table, edge_results({}), [release]), "ours", "ns")
    note = ": other objects" if kind else ""
    assert (found.verdict, found.reason, found.difference) == ("not run", f"stand-in{note}", None)
    files = render.render_table(table, edge_results({}), [release])
    assert "| Ours | 3.37 / – |" in files["md"]
    data = "covers, stand-in [a]; encoder small net"
    assert f"| Ours | 3.37 | – | 3.37 (covers) [a] | – | {data} | not run [a]: stand-in{note} |" in files["md"]
    assert "- [a] Release real-1, scale real. Encoders: small net. Stand-in data: covers" in files["md"]
    row = next(row for row in csv.DictReader(io.StringIO(files["csv"])) if (row["row"], row["column"]) == ("ours", "ns"))
    expected = {"real_dataset": "covers", "real_kind": "stand-in", "real_encoder": "small net", "run_encoder": "", "difference": ""}
    assert {key: row[key] for key in expected} == expected


def test_the_data_set_itself_is_shown_and_judged_before_its_stand_in(tmp_path):
    table, covers = made(tmp_path, RETRIEVAL), stand_in("covers", 3.9)
    own = edge_results({"ukb": {"ours": 3.4}}, source="paper-1", scale="paper")
    found = cell(ledger.resolve(table, edge_results({}), [covers, own]), "ours", "ns")
    assert (found.judged.source, found.verdict, sorted(found.releases)) == ("paper-1", "within", ["paper", "real"])
    text = render.render_table(table, edge_results({}), [covers, own])["md"]
    # the other value says itself what it is of
    assert "| Method | thesis | this run | release, real (stand-in) | release, paper | difference |" in text
    assert "| Ours | 3.37 | – | 3.90 (covers) [a] | 3.40 [b] | +0.03 | ukb, official [b] | within [b] |" in text
    # one source that has both
    both = dataclasses.replace(own, metrics=own.metrics | covers.metrics)
    assert cell(ledger.resolve(table, both, []), "ours", "ns").run.mean == 3.4
    # what is there, but lacks the model, is no reason to show another data set
    assert cell(ledger.resolve(table, dataclasses.replace(both, metrics=both.metrics | edge_results({"ukb": {"x": 1}}).metrics), []),
                "ours", "ns").run is None  # fmt: skip


def test_a_stand_in_s_miniature_is_a_miniature(tmp_path):
    table, run = (
        made(tmp_path, RETRIEVAL),
        stand_in("covers", 3.37, "miniature", source=ledger.THIS_RUN, scale="mini", protocol="miniature"),
    )
    assert cell(ledger.resolve(table, run, []), "ours", "ns").reason == "miniature"
    text = render.render_table(table, run, [])["md"]
    assert "> **Miniature: generated data at scale mini" in text
    assert "| Ours | 3.37 | 3.37 (covers) | – | covers, miniature; encoder small net | not run: miniature |" in text


def test_a_stand_in_encoder_on_the_thesis_s_data_is_named(tmp_path):
    table = made(tmp_path, RETRIEVAL)
    release = stand_in("ukb", 3.4, "official", experiment="ukb", protocol="shortened", encoder="small net / other net")
    text = render.render_table(table, edge_results({}), [release])["md"]
    assert "| Ours | 3.37 / – |" in text
    assert "| 3.40 [a] | +0.03 | ukb, official [a]; encoder small net / other net | not run [a]: shortened schedule |" in text
    assert "Encoders: small net / other net. Shortened schedule" in text
    # several seeds with one encoder each
    records = tuple(Record("m", "map", 1.0, "%", "higher", "numeric", seed=seed, encoder=name) for seed, name in enumerate("bab"))
    results = ledger.Results("r", {"x": MetricsFile("c", "x", "real", "full", None, records)})
    assert (ledger.measure(results, "x", "m", "map").encoder, ledger.measure(results, "x", "m", "map").experiment) == ("a / b", "x")


def test_counts_over_a_table_at_half_and_double(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.54], "cnn-b": [9.28], "cfn-a": [30.0]})
    architectures(tmp_path / "metrics", {("cfn-b", "parameters_side"): 55680, ("cfn-b", "parameters_basic"): 1286698})
    stated = {"exact": 2, "within": 1, "outside": 2, "not run": 31, "cannot run": 0}
    assert ledger.counts(resolve(tmp_path)) == stated
    assert ledger.counts(resolve(tmp_path, 0.5)) == {**stated, "within": 0, "outside": 3}
    assert ledger.counts(resolve(tmp_path, 2.0)) == stated


def test_mean_and_sample_deviation_over_seeds(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.0, 8.3, 8.6]})
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.run.mean, found.run.sd) == (8.3, pytest.approx(0.3))
    assert found.verdict == "within"
    assert found.difference == pytest.approx(0.03)
    # a mean that is a tie in decimals, though not in binary: 8.275 rounds up
    errors(tmp_path / "metrics", {"cfn-b": [8.27, 8.28]})
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert found.run.mean == 8.275
    assert found.verdict == "within"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kind": "miniature", "protocol": "miniature", "scale": "mini"}, "miniature"),
        ({"kind": "miniature"}, "miniature"),
        ({"protocol": "miniature"}, "miniature"),
        ({"protocol": "shortened"}, "shortened schedule"),
        ({"kind": "stand-in", "note": "JPEG copies"}, "stand-in: JPEG copies"),
        ({"kind": "altered", "note": "cropped"}, "altered: cropped"),
        ({"n": 500}, "evaluated on n = 500, not 10000"),
    ],
)
def test_only_official_data_under_the_full_protocol_are_judged(tmp_path, facts, reason):
    errors(tmp_path / "metrics", {"cfn-b": [8.27]}, **facts)
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.verdict, found.reason) == ("not run", reason)
    assert found.run.mean == 8.27
    assert "8.27" in render.render_table(tables()["table_2_2"], ledger.load_results(tmp_path / "metrics"), [])["md"]


def test_a_miniature_has_no_difference_and_a_shortened_run_has(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [9.27]}, kind="miniature", protocol="miniature")
    assert cell(resolve(tmp_path), "cfn-b", "cifar10").difference is None
    errors(tmp_path / "metrics", {"cfn-b": [9.27]}, protocol="shortened")
    assert cell(resolve(tmp_path), "cfn-b", "cifar10").difference == pytest.approx(1.0)


def test_nothing_there_is_not_run_and_cited_cells_have_no_verdict(tmp_path):
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.verdict, found.reason, found.judged) == ("not run", "", None)
    assert cell(resolve(tmp_path), "cfn-b", "parameters").verdict == ""
    cited = [one for one in resolve(tmp_path, table="table_2_3") if one.row.reference]
    assert len(cited) == 24
    assert all(one.verdict == "" and one.judged is None for one in cited)


# --- releases ----------------------------------------------------------------------------------------------------------


def test_the_newest_release_of_each_scale_is_shown_and_the_first_that_can_be_is_judged(tmp_path):
    releases = tmp_path / "releases"
    release(releases, "cpu-late", "real_cpu", "2025-09-01", {"cfn-b": [20.0], "cnn-b": [21.0]}, protocol="shortened")
    release(releases, "cpu-early", "real_cpu", "2025-08-01", {"cfn-b": [22.0], "cfn-a": [23.0]}, protocol="shortened")
    release(releases, "paper-1", "paper", "2025-12-01", {"cfn-b": [8.2], "cnn-a": [15.5]})
    release(releases, "real-old", "real", "2025-01-01", {"cfn-b": [9.0]})
    release(releases, "real-new", "real", "2025-02-01", {"cfn-b": [8.4]})
    release(releases, "mini", "mini", "2025-10-01", {"cfn-b": [1.0]}, protocol="miniature", kind="miniature")
    release(releases, ".real-2.partial", "real", "2025-12-31", {"cfn-b": [0.0]})

    def found(row):
        one = cell(resolve(tmp_path), row, "cifar10")
        shown = {scale: (m.source, m.mean) for scale, m in one.releases.items()}
        return list(shown.items()), one.judged.source, one.verdict, one.reason

    every = [("real", ("real-new", 8.4)), ("paper", ("paper-1", 8.2)), ("real_cpu", ("cpu-late", 20.0))]
    assert found("cfn-b") == (every, "real-new", "within", "")
    assert found("cnn-a") == ([("paper", ("paper-1", 15.5))], "paper-1", "within", "")
    # nothing that can be judged: the newest release that has it; an older one where the newest lacks it
    assert found("cnn-b") == ([("real_cpu", ("cpu-late", 21.0))], "cpu-late", "not run", "shortened schedule")
    assert found("cfn-a") == ([("real_cpu", ("cpu-early", 23.0))], "cpu-early", "not run", "shortened schedule")


def test_a_later_release_that_cannot_be_judged_does_not_hide_one_that_can(tmp_path):
    releases = tmp_path / "releases"
    release(releases, "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    release(releases, "real-2", "real", "2025-02-01", {"cfn-b": [20.0]}, protocol="shortened")
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.judged.source, found.releases["real"].source, found.verdict) == ("real-1", "real-1", "within")


def test_a_sound_run_at_hand_is_judged_before_a_release_and_a_miniature_is_not(tmp_path):
    release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    errors(tmp_path / "metrics", {"cfn-b": [12.0]}, kind="miniature", protocol="miniature", scale="mini")
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.run.mean, found.judged.source, found.verdict) == (12.0, "real-1", "within")
    errors(tmp_path / "metrics", {"cfn-b": [12.0]})
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.judged.source, found.verdict) == (ledger.THIS_RUN, "outside")


def timed(folder, times, iterations=120000, card="H200", resumed=False, **others):
    (folder / "runs").mkdir(exist_ok=True)
    for stage, seconds in times.items():
        record = {"stage": stage, "train_seconds": seconds, "iterations": iterations, "gpu": card}
        record |= {"machine": {"cores": 2}, "resumed": resumed, **others}
        (folder / "runs" / f"{stage}.json").write_text(json.dumps(record))


def test_training_times_come_from_releases_as_a_ratio(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.4]})
    folder = release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    timed(folder, {"ch2_train_cifar10@cnn-b-0": 900, "ch2_train_cifar10@cnn-b-1": 1100})
    timed(folder, {"ch2_train_cifar10@cfn-b-1": 3}, resumed=True)
    timed(folder, {"ch2_train_cifar10@cfn-b-0": 1250, "ch2_train_cifar10@cfn-b-eplf-0": 99999})
    cells = resolve(tmp_path, table="text_2_4_1")
    found = cell(cells, "ratio", "hours")
    # 1250 / mean(900, 1100) = 1.25; the printed hours give 2.085 / 1.665 - 2.08 / 1.67 = 0.00674 at most
    assert found.releases["real"].mean == pytest.approx(1.25)
    assert found.tolerance == pytest.approx(0.006743, abs=1e-6)
    assert (found.run, found.verdict) == (None, "within")
    assert cell(resolve(tmp_path, 0.5, "text_2_4_1"), "ratio", "hours").verdict == "outside"
    hours = cell(cells, "cnn-b", "hours")
    assert hours.releases["real"].mean == pytest.approx(1000 / 3600)
    assert hours.verdict == "cannot run"
    assert "TITAN X" in hours.reason


def test_times_of_different_machines_are_no_ratio(tmp_path):
    folder = release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    timed(folder, {"ch2_train_cifar10@cnn-b-0": 1000})
    timed(folder, {"ch2_train_cifar10@cfn-b-0": 1246}, card="other")
    found = cell(resolve(tmp_path, table="text_2_4_1"), "ratio", "hours")
    assert (found.verdict, found.reason) == ("not run", "timed on different machines or settings")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"scale": "real", "date": "May"}', "date is 'May'"),
        ('{"scale": "real", "date": ', "not valid JSON"),
        ("[]", "must be an object"),
    ],
)
def test_a_broken_release_is_named(tmp_path, content, sentence):
    (tmp_path / "releases" / "r").mkdir(parents=True)
    (tmp_path / "releases" / "r" / "release.json").write_text(content)
    with pytest.raises(UserError, match=r"r/release\.json") as caught:
        resolve(tmp_path)
    assert sentence in str(caught.value)


def test_a_metrics_file_under_another_name_is_refused(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.4]})
    (tmp_path / "metrics" / "cifar10.json").rename(tmp_path / "metrics" / "cifar100.json")
    with pytest.raises(UserError, match=r"cifar100\.json: experiment is 'cifar10'"):
        resolve(tmp_path)


# --- layers ------------------------------------------------------------------------------------------------------------

CNN_A = [
    "5x5x64 conv, ReLU", "3x3 max-pooling, stride 2", "dropout 0.5",
    "5x5x64 conv, ReLU", "3x3 average-pooling, stride 2", "dropout 0.5",
    "5x5x64 conv, ReLU", "1x1x192 conv, ReLU", "8x8 global average pooling", "dropout 0.5", "10-way fully-connected layer",
]  # fmt: skip


def layer_verdicts(tmp_path, layers):
    (tmp_path / "metrics").mkdir(exist_ok=True)
    (tmp_path / "metrics" / "layers.json").write_text(json.dumps({"cnn-a": layers}))
    cells = resolve(tmp_path, table="table_2_1")
    return {one.row.id: one.verdict for one in cells if one.column.id == "cnn-a"}


def test_table_2_1_row_by_row(tmp_path):
    verdicts = layer_verdicts(tmp_path, CNN_A)
    assert verdicts.pop("input") == verdicts.pop("softmax") == ""
    assert set(verdicts.values()) == {"exact"}
    assert len(verdicts) == 8


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (lambda layers: layers.__setitem__(3, "5x5x32 conv, ReLU"), "convolution-2"),
        (lambda layers: layers.pop(2), "pooling-1"),
        (lambda layers: layers.insert(11, "dropout 0.9"), "classifier"),
        (lambda layers: layers.insert(8, "batch norm"), "convolution-1x1"),
    ],
)
def test_a_changed_layer_spoils_its_own_row_only(tmp_path, change, row):
    layers = list(CNN_A)
    change(layers)
    assert [name for name, verdict in layer_verdicts(tmp_path, layers).items() if verdict == "outside"] == [row]


# --- renderings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def rendered(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [30.5, 31.5]}, kind="miniature", protocol="miniature", scale="mini", n=500)
    architectures(tmp_path / "metrics", {("cfn-b", "parameters_side"): 55680})
    release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.0, 8.3, 8.6], "cnn-b": [9.28]})
    folders = (tmp_path / "metrics", tmp_path / "releases", PUBLISHED, CLAIMS)
    return render.render_chapter("ch2_fusion", *folders)


def test_files_and_summary(rendered):
    files, summary = rendered
    names = {f"{table}.{suffix}" for table in tables() for suffix in ("md", "tex", "html", "csv")}
    assert set(files) == names | {"claims.md", "claims.json"}
    assert summary["ch2_fusion"]["cifar10"]["cfn-b"]["error"] == 31.0
    assert all(content.endswith("\n") and str(Path.cwd()) not in content for content in files.values())


def test_the_stage_writes_where_its_job_says(rendered, tmp_path):
    class Job:
        def dep(self, path):
            known = {"reports/metrics/ch2_fusion": tmp_path / "metrics", "reports/releases": tmp_path / "releases"}
            return known.get(path) or Path(path)

        def out(self, path):
            (tmp_path / "out" / path).parent.mkdir(parents=True, exist_ok=True)
            return tmp_path / "out" / path

    render.main(render.parser().parse_args(["ch2_fusion"]), Job())
    folder = tmp_path / "out" / "reports"
    assert {file.name: file.read_text() for file in (folder / "tables" / "ch2_fusion").iterdir()} == rendered[0]
    assert json.loads((folder / "metrics" / "ch2_fusion.summary.json").read_text()) == rendered[1]


def test_same_input_same_bytes(rendered, tmp_path):
    folders = (tmp_path / "metrics", tmp_path / "releases", PUBLISHED, CLAIMS)
    assert render.render_chapter("ch2_fusion", *folders) == rendered


def test_a_miniature_is_labelled_everywhere(rendered):
    label = "Miniature: generated data at scale mini"
    for suffix in ("md", "tex", "html", "csv"):
        assert label in rendered[0][f"table_2_2.{suffix}"]
        assert label in rendered[0][f"table_2_3.{suffix}"]
        assert suffix == "csv" or "this run (miniature)" in rendered[0][f"table_2_2.{suffix}"]
    assert label in rendered[0]["claims.md"]
    assert label in json.loads(rendered[0]["claims.json"])["labels"][0]
    # nothing of these two depends on data at hand
    assert label not in rendered[0]["table_2_1.md"]
    assert label not in rendered[0]["text_2_4_1.md"]


def test_a_label_stands_where_it_is_true(tmp_path):
    """Over all only where it is of all; beside a release's numbers, or counts that need no data, at its own column, cell and note."""
    errors(tmp_path / "metrics", {"cfn-b": [30.5]}, kind="miniature", protocol="miniature", scale="mini", n=500)
    run, table = ledger.load_results(tmp_path / "metrics"), tables()["table_2_2"]
    sentence = "Miniature: generated data at scale mini; these numbers show that the machinery works, not the thesis's results."
    alone = render.render_table(table, run, [])["md"]
    assert alone.splitlines()[2] == f"> **{sentence}**" and "This run:" not in alone
    release(tmp_path / "releases", "cpu-1", "real_cpu", "2025-09-01", {"cfn-b": [20.0]}, protocol="shortened")
    released = ledger.load_releases(tmp_path / "releases", "ch2_fusion")
    beside = render.render_table(table, run, released)
    assert "\n>" not in beside["md"] and 'class="label"' not in beside["html"] and rf"\textbf{{{sentence[:9]}" not in beside["tex"]
    assert f"\n- This run: {sentence}\n- [a] Release cpu-1" in beside["md"]
    assert "| Model | thesis | this run (miniature) | release, real\\_cpu (shortened) | difference" in beside["md"]
    assert "| CFN-B | 8.27 | 30.50 | 20.00 [a] | +11.73 | cifar10, official [a] | not run [a]: shortened schedule |" in beside["md"]
    # the counts of this run are no miniature's
    architectures(tmp_path / "metrics", {("cfn-b", "parameters_side"): 55680})
    counted = render.render_table(table, ledger.load_results(tmp_path / "metrics"), [])
    assert "\n>" not in counted["md"] and f"\n- This run: {sentence}\n" in counted["md"]
    blocks = {block.splitlines()[0]: block.splitlines()[2] for block in counted["md"].split("## ")[1:]}
    assert "| this run (miniature) |" in blocks["CIFAR-10 (%)"] and "| this run |" in blocks["side parameters"]
    rows = {(row["row"], row["column"]): row["run_label"] for row in csv.DictReader(io.StringIO(counted["csv"]))}
    assert (rows["cfn-b", "cifar10"], rows["cfn-b", "side"], rows["cnn-b", "cifar10"]) == (sentence, "", "")


def test_a_label_stands_at_the_cell_where_those_of_a_column_differ(tmp_path):
    run = edge_results({"networks": {"rds": 0.7}}, scale="real_cpu", protocol="shortened")
    run = dataclasses.replace(run, metrics=run.metrics | edge_results({"detectors": {"canny": 0.61}}, scale="real_cpu").metrics)
    text = render.render_table(made(tmp_path, EDGES), run, [])["md"]
    assert "| Method | thesis | this run | difference |" in text
    assert "| Canny [1] | .600 | 0.610 | +0.010 |" in text and "| RDS | .792 | 0.700 (shortened) | −0.092 |" in text
    assert "\n>" not in text and "\n- This run: Shortened schedule at scale real\\_cpu: shown, not judged against the thesis.\n" in text


def test_what_is_no_schedule_is_not_called_a_shortened_one(tmp_path):
    text = render.render_table(made(tmp_path, RETRIEVAL), edge_results({}), [stand_in("covers", 3.37, protocol="shortened")])["md"]
    assert "hortened" not in text and "- [a] Release real-1, scale real. Encoders: small net. Stand-in data: covers" in text


def test_a_column_for_each_scale_that_has_a_release_there(tmp_path):
    releases = tmp_path / "releases"
    release(releases, "cpu-1", "real_cpu", "2025-09-01", {"cfn-b": [20.0], "cfn-a": [31.0]}, protocol="shortened")
    release(releases, "real-1", "real", "2025-01-01", {"cfn-b": [8.0, 8.3, 8.6]})
    release(releases, "real-2", "real", "2025-02-01", {"cnn-b": [9.28]})
    release(releases, "paper-1", "paper", "2025-02-01", {"cfn-b": [30.7]}, experiment="cifar100")
    run = ledger.load_results(tmp_path / "metrics")
    files = render.render_table(tables()["table_2_2"], run, ledger.load_releases(releases, "ch2_fusion"))
    blocks = {block.splitlines()[0]: block.splitlines()[2:] for block in files["md"].split("## ")[1:]}
    assert blocks["CIFAR-10 (%)"][0] == (
        "| Model | thesis | this run | release, real | release, real\\_cpu (shortened) | difference | data set | verdict |"
    )
    # letters in the order of the notes: the scales', then the newest
    assert "| CFN-B | 8.27 | – | 8.30 ± 0.30 (3) [b] | 20.00 [d] | +0.03 | cifar10, official [b] | within [b] |" in blocks["CIFAR-10 (%)"]
    assert "| CNN-B | 9.28 | – | 9.28 [a] | – | 0.00 | cifar10, official [a] | exact [a] |" in blocks["CIFAR-10 (%)"]
    assert (
        "| CFN-A | 14.73 | – | – | 31.00 [d] | +16.27 | cifar10, official [d] | not run [d]: shortened schedule |" in blocks["CIFAR-10 (%)"]
    )
    assert blocks["CIFAR-100 (%)"][0] == "| Model | thesis | this run | release, paper | difference | data set | verdict |"
    assert blocks["side parameters"][0] == "| Model | thesis | this run | difference | data set | verdict |"
    notes = [line for line in files["md"].splitlines() if "Release " in line]
    assert [line.split(",")[0] for line in notes] == [
        "- [a] Release real-2", "- [b] Release real-1", "- [c] Release paper-1", "- [d] Release cpu-1",
    ]  # fmt: skip
    assert notes[3].endswith("Shortened schedule at scale real\\_cpu: shown, not judged against the thesis.")
    assert "hortened" not in notes[0]

    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    row = next(row for row in rows if (row["row"], row["column"]) == ("cfn-b", "cifar10"))
    expected = {
        "run": "", "real": "8.3", "real_sd": "0.3", "real_seeds": "3", "real_source": "real-1", "real_protocol": "full",
        "real_dataset": "cifar10", "real_kind": "official", "paper": "", "paper_source": "",
        "real_cpu": "20", "real_cpu_sd": "", "real_cpu_seeds": "1", "real_cpu_source": "cpu-1", "real_cpu_protocol": "shortened",
        "judged": "real-1",
    }  # fmt: skip
    assert {key: row[key] for key in expected} == expected
    assert len(rows[0]) == len(set(rows[0]))


def test_a_table_whose_columns_the_thesis_has_as_rows_is_laid_out_as_there(tmp_path):
    table = made(tmp_path, EDGES, lambda content: content.update(column_heading="Measure"))
    text = render.render_table(table, edge_results({"networks": {"rds": 0.79}, "detectors": {"canny": 0.6}}), [])["md"]
    assert "| Measure | Canny [1] | DeepEdge [2] | RDS |\n| --- | --- | --- | --- |\n" in text
    assert "| ODS | .600 / 0.600 (exact) | .753 | .792 / 0.790 (within) |\n| AP | .580 / – |  | .818 / – |\n" in text
    # a block of details for each row that has some
    assert "## Canny [1]\n\n| Measure | thesis | this run |" in text and "## DeepEdge" not in text
    assert "## RDS\n" in text and "| ODS (F) | .792 | 0.790 | −0.002 | networks, official | within |" in text


def test_markdown(rendered):
    text = rendered[0]["table_2_2.md"]
    row = next(line for line in text.splitlines() if line.startswith("| CFN-B | 8.27 |"))
    cells = [part.strip() for part in row.strip("|").split("|")]
    assert cells == [
        "CFN-B", "8.27", "31.00 ± 0.71 (2)", "8.30 ± 0.30 (3) [a]", "+0.03", "cifar10, official [a]", "within [a]",
    ]  # fmt: skip
    assert "| CFN-B | 0.074M | 55,680 | −18,320 | none needed | outside (note 1) |" in text
    assert "CIFAR-10\\*" in rendered[0]["table_2_3.md"]
    assert "Maxout Networks [131]" in rendered[0]["table_2_3.md"]
    for name in ("table_2_1", "table_2_2", "table_2_3", "text_2_4_1", "claims"):
        for block in re.findall(r"(?:^\|.*\n)+", rendered[0][f"{name}.md"], re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_latex_is_balanced_escaped_and_plain(rendered):
    for name in tables():
        text = rendered[0][f"{name}.tex"]
        assert text.isascii()
        stack = []
        for kind, environment in re.findall(r"\\(begin|end)\{(\w+)\}", text):
            if kind == "begin":
                stack.append(environment)
            else:
                assert stack.pop() == environment
        assert stack == []
        body = text.split("\n", 1)[1]
        assert len(re.findall(r"(?<!\\)\{", body)) == len(re.findall(r"(?<!\\)\}", body))
        assert len(re.findall(r"(?<!\\)\$", body)) % 2 == 0
        assert not re.search(r"(?<!\\)[%#_~^]", body)
        for spec, table in re.findall(r"\\begin\{tabular\}\{@\{\}([^\n]*)@\{\}\}\n(.*?)\\end\{tabular\}", body, re.DOTALL):
            columns = len(re.sub(r"p\{[^}]*\}", "p", spec))
            rows = [line for line in table.splitlines() if line.endswith(r"\\")]
            assert rows
            assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}
    assert r"\#Parameters" in rendered[0]["table_2_2.tex"]
    assert r"8.30 $\pm$ 0.30 (3)" in rendered[0]["table_2_2.tex"]
    assert r"$-$18,320" in rendered[0]["table_2_2.tex"]
    assert r"95 \% binomial" in rendered[0]["table_2_2.tex"]
    assert r"3$\times$3$\times$96 conv" in rendered[0]["table_2_1.tex"]


class Balance(HTMLParser):
    """Checks that tags close in order, and keeps the text of every table cell."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_html_is_whole_accessible_and_alone(rendered):
    for name in tables():
        text = rendered[0][f"{name}.html"]
        page = Balance()
        page.feed(text)
        page.close()
        assert page.open == []
        assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
        assert not re.search(r"(src|href)=|https?://|@import", text)
        assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
        tags = [tag for tag, _ in page.tags]
        assert tags.count("caption") == tags.count("table") > 0
        assert tags.count("h1") == tags.count("title") == 1
    page = Balance()
    page.feed(rendered[0]["table_2_2.html"])
    assert "8.30 ± 0.30 (3) [a]" in page.cells


def test_html_and_latex_escape_what_a_data_set_note_may_say(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.4]}, kind="stand-in", note="<b> 5 % of a_b & {c}")
    files = render.render_table(tables()["table_2_2"], ledger.load_results(tmp_path / "metrics"), [])
    assert "&lt;b&gt; 5 % of a_b &amp; {c}" in files["html"]
    assert r"$<$b$>$ 5 \% of a\_\allowbreak{}b \& \{c\}" in files["tex"]
    assert r"\<b\> 5 % of a\_b & {c}" in files["md"]


def test_csv_in_long_form(rendered):
    rows = list(csv.DictReader(io.StringIO(rendered[0]["table_2_2.csv"])))
    assert len(rows) == sum(len(row.cells) for row in tables()["table_2_2"].rows) == 44
    row = next(row for row in rows if (row["row"], row["column"]) == ("cfn-b", "cifar10"))
    expected = {
        "table": "2.2", "thesis": "8.27", "run": "31", "run_sd": "0.707107", "run_seeds": "2", "run_kind": "miniature",
        "run_scale": "mini", "real": "8.3", "real_sd": "0.3", "real_source": "real-1", "real_kind": "official",
        "judged": "real-1", "difference": "0.03", "tolerance": "0.539829",
        "verdict": "within", "verdict_half": "within", "verdict_double": "within",
    }  # fmt: skip
    assert {key: row[key] for key in expected} == expected
    assert "paper" not in row and "real_cpu" not in row
    cited = next(csv.DictReader(io.StringIO(rendered[0]["table_2_3.csv"])))
    assert (cited["reference"], cited["thesis"], cited["verdict"]) == ("131", "5", "")


def test_rendering_needs_no_torch():
    import subprocess

    code = "import sys, stages.tables.render; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- malformed transcriptions ------------------------------------------------------------------------------------------


def put(tmp_path, change):
    """Table 2.2, changed, in a folder of its own."""
    content = yaml.safe_load((PUBLISHED / "table_2_2.yaml").read_text())
    change(content)
    (tmp_path / "references.yaml").write_text((PUBLISHED / "references.yaml").read_text())
    (tmp_path / "table_2_2.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("caption"), "table_2_2.yaml: key 'caption' is missing"),
        (lambda c: c.update(colums=[]), "unknown key 'colums'"),
        (lambda c: c.update(rows=[]), "rows must be a list with at least one entry"),
        (lambda c: c["columns"][4].pop("metric"), "column 5 (cifar10): key 'metric' is missing"),
        (lambda c: c["columns"][4].update(source="metric"), "column 5 (cifar10): source is 'metric'"),
        (lambda c: c["columns"][4]["tolerance"].pop("n"), "column 5 (cifar10): tolerance: key 'n' is missing"),
        (lambda c: c["columns"][4]["tolerance"].pop("origin"), "tolerance: key 'origin' is missing"),
        (lambda c: c["columns"][4].pop("unit"), "unit must be '%'"),
        (lambda c: c["columns"].append(c["columns"][0]), "column 'parameters' is given twice"),
        (lambda c: c["rows"][0]["cells"].update(cifar10=15.57), "row 1 (cnn-a): cells: cifar10 is 15.57; quote it"),
        (lambda c: c["rows"][0]["cells"].update(cifar10="15,57"), "'15,57', which is not a number as printed"),
        (lambda c: c["rows"][0]["cells"].update(cifar11="1"), "cells has no column 'cifar11'"),
        (lambda c: c["rows"][0].pop("model"), "needs a model (computed here), a reference (cited), or both"),
        (
            lambda c: c["columns"][4]["tolerance"].update(half_width=0.5),
            "tolerance: unknown key 'half_width'; the keys are kind, origin, n",
        ),
        (lambda c: c["rows"][0].update(reference=999), "reference 999 is not in references.yaml"),
        (lambda c: c["notes"][0].update(rows=["cnn-z"]), "note 1: rows names 'cnn-z'"),
    ],
)
def test_a_malformed_table_is_one_sentence(tmp_path, change, sentence):
    folder = put(tmp_path, change)
    with pytest.raises(UserError) as caught:
        transcript.load_tables(folder, "ch2_fusion")
    assert sentence in str(caught.value)
    assert "table_2_2.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "change", "sentence"),
    [
        (EDGES, lambda c: c["columns"][0]["tolerance"].pop("half_width"), "column 1 (ods): tolerance: key 'half_width' is missing"),
        (EDGES, lambda c: c["columns"][0]["tolerance"].update(half_width=0), "half_width is 0; it must be a number above 0"),
        (EDGES, lambda c: c["columns"][0]["tolerance"].update(half_width="0.01"), "half_width is '0.01'; it must be a number above 0"),
        (EDGES, lambda c: c["columns"][0]["tolerance"].update(half_width=True), "half_width is True; it must be a number above 0"),
        (EDGES, lambda c: c["columns"][0]["tolerance"].update(half_width=float("nan")), "half_width is nan; it must be a number above 0"),
        (EDGES, lambda c: c["columns"][0]["tolerance"].update(n=0), "tolerance: n is 0; it must be the number of test items"),
        (
            EDGES,
            lambda c: c["columns"][0]["tolerance"].update(confidence=0.9),
            "unknown key 'confidence'; the keys are kind, origin, half_width",
        ),
        (EDGES, lambda c: c["columns"][0]["tolerance"].update(kind="fix"), "kind is 'fix'; it must be one of binomial, fixed, rounding"),
        (EDGES, lambda c: c["rows"][0].update(experiment=3), "row 1 (canny): experiment is 3; it must be a non-empty string"),
        (EDGES, lambda c: c["rows"][0].update(reference=3), "row 1 (canny): reference 3 is not in references.yaml"),
        (EDGES, lambda c: c["rows"][1]["cells"].update(ap="-"), "row 2 (deepedge): cells: ap is '-', which is not a number as printed"),
        (EDGES, lambda c: c["rows"][2].pop("model"), "row 3 (rds): needs a model (computed here), a reference (cited), or both"),
        (COSTS, lambda c: c["columns"][0].pop("experiment"), "column 1 (speed): key 'experiment' is missing"),
        (COSTS, lambda c: c["rows"][0].pop("stage"), "row 1 (labels): fact needs the stage whose run record has it"),
        (COSTS, lambda c: c["rows"][0].update(ratio=["training", "training"]), "row 1 (labels): fact needs the stage"),
        (COSTS, lambda c: c["rows"][0].update(fact=""), "row 1 (labels): fact is ''; it must be a non-empty string"),
        (COSTS, lambda c: c["rows"][0].pop("cannot_run"), "row 1 (labels): needs a ratio, or a stage and why"),
        (RETRIEVAL, lambda c: c["columns"][1].pop("cannot_run"), "row 2 (ours): needs a ratio, or a stage and why"),
        (RETRIEVAL, lambda c: c["rows"][0].pop("reference"), "row 1 (cited): needs a model (computed here), a reference"),
        (RETRIEVAL, lambda c: c["columns"][0].update(cannot_run="x"), "column 1 (ns): cannot_run is for the source times, not metrics"),
        (
            RETRIEVAL,
            lambda c: c["columns"][1].update(stand_in="covers"),
            "column 2 (seconds): stand_in is for the source metrics, not times",
        ),
        (RETRIEVAL, lambda c: c["columns"][0].update(stand_in=3), "column 1 (ns): stand_in is 3; it must be a non-empty string"),
        (
            COSTS,
            lambda c: c["rows"].append({"id": "r", "label": "r", "ratio": ["training", "training"], "cells": {"hours": "1"}}),
            "row r: a ratio is judged, and column hours has no tolerance",
        ),
        (
            COSTS,
            lambda c: c["rows"].append({"id": "r", "label": "r", "ratio": ["labels", "training"], "cells": {"hours": "1"}}),
            "row r: ratio must name two rows that have a stage, and no fact",
        ),
    ],
)
def test_a_malformed_row_or_tolerance_is_one_sentence(tmp_path, text, change, sentence):
    with pytest.raises(UserError, match=r"table_9_9\.yaml: ") as caught:
        made(tmp_path, text, change)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_yaml_that_is_none_or_loses_a_value(tmp_path):
    folder = put(tmp_path, lambda content: None)
    (folder / "table_2_2.yaml").write_text("table: [1")
    with pytest.raises(UserError, match=r"table_2_2\.yaml: not valid YAML.*line 1"):
        transcript.load_tables(folder, "ch2_fusion")
    (folder / "table_2_2.yaml").write_text("table: '2.2'\ntable: '2.3'\n")
    with pytest.raises(UserError, match=r"key 'table' is given twice.*line 2"):
        transcript.load_tables(folder, "ch2_fusion")


def test_an_unknown_chapter_is_named(tmp_path):
    with pytest.raises(UserError, match="no table has the chapter 'ch2_fuson'"):
        render.render_chapter("ch2_fuson", tmp_path, tmp_path, PUBLISHED, CLAIMS)


def test_a_release_says_what_it_cost():
    about = {"train_seconds": 1800, "peak_memory_mb": 1024, "gpu": None, "threads": 1, "machine": {"processor": "X"}}
    run, other = ({"cmd": f"python -m stages.{chapter}.train", **about} for chapter in ("ch2_fusion", "ch3_edges"))
    runs = (run, run | {"peak_memory_mb": 2048}, other, {"duration_s": 5})
    release = ledger.Results("r", {}, scale="real_cpu", day="2026-01-02", runs=runs)
    assert render._cost(release, "ch4_deepindex") == ""
    assert render._cost(release, "ch2_fusion") == (
        ": 2 trainings of the chapter, 1.00 hours together, each on 1 thread(s) of X, at most 2.0 GB of memory"
    )
    assert render._cost(dataclasses.replace(release, runs=({"duration_s": 5},)), "ch2_fusion") == ""
