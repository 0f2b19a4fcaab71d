"""Verdicts of cells: tolerances by hand, what may be judged, stand-ins and costs."""

import csv
import dataclasses
import io

import pytest
from table_world import COSTS, EDGES, RETRIEVAL, architectures, cell, edge_results, errors, made, resolve, stand_in, tables

from stages.core.errors import UserError
from stages.core.metrics import MetricsFile, Record
from stages.tables import ledger, render, results
from stages.tables.printed import compare, printed_number


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
    assert compare(printed_number(printed), value, 0.0) == verdict


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


def test_a_baseline_of_ours_is_shown_beside_the_table_without_verdict(tmp_path):
    def with_baseline(content):
        content["rows"].append({"id": "sobel", "label": "Sobel", "model": "sobel"})

    table = made(tmp_path, EDGES, with_baseline)
    run = edge_results({"networks": {"sobel": 0.5234, "rds": 0.79}})
    released = edge_results({"networks": {"sobel": 0.6}}, source="real-1", scale="real", protocol="shortened")
    cells = ledger.resolve(table, run, [released])
    found = cell(cells, "sobel", "ods")
    assert (found.printed, found.verdict, found.difference, found.tolerance) == ("", "", None, None)
    assert (found.run.mean, found.releases["real"].mean, found.judged.source) == (0.5234, 0.6, "this run")
    assert cell(cells, "sobel", "ap").run is None
    assert ledger.counts(cells) == ledger.counts(ledger.resolve(made(tmp_path, EDGES), run, [released]))
    files = render.render_table(table, run, [released])
    # with as many decimals as its column has, below the thesis's rows and not among them
    assert "| Sobel | – | 0.523 | 0.600 [a] | – | networks, official | a baseline of ours |" in files["md"]
    assert files["md"].count("| Sobel |") == 2  # ODS and AP
    row = next(row for row in csv.DictReader(io.StringIO(files["csv"])) if row["row"] == "sobel")
    assert (row["thesis"], row["run"], row["verdict"], row["tolerance"]) == ("", "0.5234", "", "")


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
        stand_in("covers", 3.37, "miniature", source=results.THIS_RUN, scale="mini", protocol="miniature"),
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
    several = results.measure(results.Results("r", {"x": MetricsFile("c", "x", "real", "full", None, records)}), "x", "m", "map")
    assert (several.encoder, several.experiment) == ("a / b", "x")


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
        ({"kind": "generated", "protocol": "generated", "scale": "figures", "note": "drawn"}, "generated figures, not people"),
        ({"kind": "generated"}, "generated figures, not people"),
        ({"protocol": "generated"}, "generated figures, not people"),
        ({"protocol": "shortened"}, "shortened schedule"),
        ({"protocol": "assumed"}, "assumed lengths of training"),
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
    assert "8.27" in render.render_table(tables()["table_2_2"], results.load_results(tmp_path / "metrics"), [])["md"]


def test_what_is_generated_has_no_difference_and_a_shortened_run_has(tmp_path):
    for kind in results.DRAWN:
        errors(tmp_path / "metrics", {"cfn-b": [9.27]}, kind=kind, protocol=kind)
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
