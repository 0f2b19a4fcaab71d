"""Printed numbers and transcribed tables: what is read, and what is wrong with a malformed one."""

import dataclasses
from decimal import Decimal

import pytest
import yaml
from table_world import COSTS, EDGES, PUBLISHED, RETRIEVAL, made

from stages.core.errors import UserError
from stages.tables import printed, render, results, transcript
from stages.tables.printed import printed_number


def test_printed_numbers():
    assert printed_number("15.57") == printed.Printed(Decimal("15.57"), Decimal("0.01"))
    assert printed_number("8.27%") == printed.Printed(Decimal("8.27"), Decimal("0.01"))
    assert printed_number("0.224M") == printed.Printed(Decimal(224000), Decimal(1000))
    assert printed_number("768") == printed.Printed(Decimal(768), Decimal(1))
    assert printed_number(".600") == printed.Printed(Decimal("0.6"), Decimal("0.001"))
    assert printed_number(".762") == printed_number("0.762") == printed.Printed(Decimal("0.762"), Decimal("0.001"))
    # whole numbers multiplied; 1,024 bytes in a KB: 2.06 * 1024 = 2109.44, in steps of 10.24
    assert printed_number("4×500") == printed.Printed(Decimal(2000), Decimal(1))
    assert printed_number("512×4×2") == printed.Printed(Decimal(4096), Decimal(1))
    assert printed_number("2.06KB") == printed.Printed(Decimal("2109.44"), Decimal("10.24"))
    assert printed_number("12KB") == printed.Printed(Decimal(12288), Decimal(1024))
    assert [printed_number(text) for text in ("512×", "5.5×2", "×4", "512x4", "2.06kB", "4×2KB")] == [None] * 6
    assert printed_number("1,500") == printed.Printed(Decimal(1500), Decimal(1))
    assert printed_number("1,234,567") == printed.Printed(Decimal(1234567), Decimal(1))
    assert [printed_number(text) for text in ("1,50", "1500,000", ",500", "1,500.5", "1,500M")] == [None] * 5
    # about: zeros at the end are no digits, but for decimals
    assert printed_number("~41,000") == printed.Printed(Decimal(41000), Decimal(1000))
    assert printed_number("~820,000") == printed.Printed(Decimal(820000), Decimal(10000))
    assert printed_number("~120K") == printed.Printed(Decimal(120000), Decimal(10000))
    assert printed_number("~8 millions") == printed.Printed(Decimal(8000000), Decimal(1000000))
    assert printed_number("~7.0") == printed_number("7.0") == printed.Printed(Decimal(7), Decimal("0.1"))
    assert printed_number("41,000") == printed.Printed(Decimal(41000), Decimal(1))
    assert [printed.compare(printed_number("~820,000"), value, 0) for value in (819200, 814999)] == ["exact", "outside"]
    assert printed_number("-") is None
    assert printed_number("0.224M (basic)") is None


def put(tmp_path, change):
    """Table 2.2, changed, in a folder of its own."""
    content = yaml.safe_load((PUBLISHED / "ch2_fusion/table_2_2.yaml").read_text())
    change(content)
    (tmp_path / "references.yaml").write_text((PUBLISHED / "references.yaml").read_text())
    (tmp_path / "ch2_fusion").mkdir()
    (tmp_path / "ch2_fusion/table_2_2.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def test_references_that_are_no_mapping_are_one_sentence(tmp_path):
    (tmp_path / "references.yaml").write_text("- a work\n")
    with pytest.raises(UserError, match=r"references\.yaml: must be a mapping of numbers of the bibliography to quoted texts\.$"):
        transcript.load_tables(tmp_path, "ch2_fusion")


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
        (
            lambda c: c["rows"][0]["cells"].update(cifar10=15.57),
            "row 1 (cnn-a): cells: cifar10 is 15.57; it must be a non-empty string (quote numbers)",
        ),
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
            "unknown key 'confidence'; the keys are kind, origin, n, half_width",
        ),
        (EDGES, lambda c: c["columns"][0]["tolerance"].update(kind="fix"), "kind is 'fix'; it must be one of binomial, fixed, rounding"),
        (EDGES, lambda c: c["rows"][0].update(experiment=3), "row 1 (canny): experiment is 3; it must be a non-empty string"),
        (EDGES, lambda c: c["rows"][0].update(reference=3), "row 1 (canny): reference 3 is not in references.yaml"),
        (EDGES, lambda c: c["rows"][1]["cells"].update(ap="-"), "row 2 (deepedge): cells: ap is '-', which is not a number as printed"),
        (EDGES, lambda c: c["rows"][1].pop("cells"), "row 2 (deepedge): needs cells, as printed, or a model"),
        (EDGES, lambda c: c["rows"][2].pop("model"), "row 3 (rds): needs a model (computed here), a reference (cited), or both"),
        (EDGES, lambda c: c["columns"][1].pop("tolerance"), "row 1 (canny): cells are judged, and column ap has no tolerance"),
        (COSTS, lambda c: c["columns"][0].pop("experiment"), "column 1 (speed): key 'experiment' is missing"),
        (COSTS, lambda c: c["rows"][0].pop("stage"), "row 1 (labels): fact needs the stage whose run record has it"),
        (COSTS, lambda c: c["rows"][0].update(ratio=["training", "training"]), "row 1 (labels): fact needs the stage"),
        (COSTS, lambda c: c["rows"][0].update(fact=""), "row 1 (labels): fact is ''; it must be a non-empty string"),
        (COSTS, lambda c: c["rows"][0].pop("cannot_run"), "row 1 (labels): needs a ratio, or a stage and why"),
        (RETRIEVAL, lambda c: c["columns"][1].pop("cannot_run"), "row 2 (ours): needs a ratio, or a stage and why"),
        (RETRIEVAL, lambda c: c["rows"][0].pop("reference"), "row 1 (cited): needs a model (computed here), a reference"),
        (RETRIEVAL, lambda c: c["columns"][0].update(cannot_run="x"), "column 1 (ns): unknown key 'cannot_run'; the keys are source, id"),
        (
            RETRIEVAL,
            lambda c: c["columns"][1].update(stand_in="covers"),
            "column 2 (seconds): unknown key 'stand_in'",
        ),
        (RETRIEVAL, lambda c: c["columns"][0].update(stand_in=3), "column 1 (ns): stand_in is 3; it must be a non-empty string"),
        (
            COSTS,
            lambda c: c["rows"].append({"id": "r", "label": "r", "ratio": ["training", "training"], "cells": {"hours": "1"}}),
            "row 3 (r): a ratio is judged, and column hours has no tolerance",
        ),
        (
            COSTS,
            lambda c: c["rows"].append({"id": "r", "label": "r", "ratio": ["labels", "training"], "cells": {"hours": "1"}}),
            "row 3 (r): ratio must name two rows that have a stage, and no fact",
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
    (folder / "ch2_fusion/table_2_2.yaml").write_text("table: [1")
    with pytest.raises(UserError, match=r"table_2_2\.yaml: not valid YAML.*line 1"):
        transcript.load_tables(folder, "ch2_fusion")
    (folder / "ch2_fusion/table_2_2.yaml").write_text("table: '2.2'\ntable: '2.3'\n")
    with pytest.raises(UserError, match=r"key 'table' is given twice.*line 2"):
        transcript.load_tables(folder, "ch2_fusion")


def test_an_unknown_chapter_is_named(tmp_path):
    with pytest.raises(UserError, match="published/ch2_fuson: there is no table"):
        render.render_chapter("ch2_fuson", tmp_path, tmp_path, PUBLISHED)


def test_a_release_says_what_it_cost():
    about = {"train_seconds": 1800, "peak_memory_mb": 1024, "gpu": None, "threads": 1, "machine": {"processor": "X"}}
    run, other = ({"cmd": f"python -m stages.{chapter}.train", **about} for chapter in ("ch2_fusion", "ch3_edges"))
    runs = (run, run | {"peak_memory_mb": 2048}, other, {"duration_s": 5})
    release = results.Results("r", {}, scale="real_cpu", day="2026-01-02", runs=runs)
    assert render._cost(release, "ch4_deepindex") == ""
    assert render._cost(release, "ch2_fusion") == (
        ": 2 trainings of the chapter, 1.00 hours together, each on 1 thread(s) of X, at most 2.0 GB of memory"
    )
    assert render._cost(dataclasses.replace(release, runs=({"duration_s": 5},)), "ch2_fusion") == ""
