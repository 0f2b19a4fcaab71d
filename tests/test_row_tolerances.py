"""Cells of m ± s, judged by their own deviation, and rows with a tolerance of their own."""

from decimal import Decimal

import pytest
from table_world import EDGES, edge_results, made

from stages.core.errors import UserError
from stages.tables import ledger, render
from stages.tables.printed import Printed, printed_number, with_decimals_of

FIXED = {"kind": "fixed", "half_width": 0.2, "n": 200, "origin": "of this row alone"}


def by_deviation(content):
    """The printed deviation judges all of ODS but the row of RDS, which has none and a tolerance of its own."""
    content["columns"][0]["tolerance"] = {"kind": "deviation", "origin": "the deviation that is printed with it"}
    del content["columns"][1]
    for row, cells in zip(content["rows"], ({"ods": "2.40 ± 0.05"}, {"ods": "2.45 ± 0.12"}, {"ods": "0.717"}), strict=True):
        row["cells"] = cells
    content["rows"][2]["tolerance"] = FIXED


def test_a_number_with_its_deviation():
    assert printed_number("2.65 ± 0.09") == Printed(Decimal("2.65"), Decimal("0.01"), Decimal("0.09"))
    assert printed_number("3 ± .5") == Printed(Decimal(3), Decimal(1), Decimal("0.5"))
    assert printed_number("2.65").deviation is None
    assert [printed_number(text) for text in ("2.65 ±", "± 0.09", "2.65 ± 0.09 ± 0.1", "2.65±0.09", "2.65 +- 0.09")] == [None] * 5
    assert with_decimals_of("2.65 ± 0.09", 2.7049) == "2.70"


@pytest.mark.parametrize(
    ("canny", "rds", "verdicts"),
    [
        (2.404, 0.7172, ["exact", "exact"]),
        (2.45, 0.9, ["within", "within"]),
        (2.35, 0.517, ["within", "within"]),
        (2.4501, 0.9171, ["outside", "outside"]),
    ],
)
def test_verdicts_by_each_row_s_own(tmp_path, canny, rds, verdicts):
    table = made(tmp_path, EDGES, by_deviation)
    cells = ledger.resolve(table, edge_results({"detectors": {"canny": canny}, "networks": {"rds": rds}}), [])
    judged = [cell for cell in cells if cell.verdict]
    assert [cell.verdict for cell in judged] == verdicts
    assert [cell.tolerance for cell in judged] == [0.05, 0.2]


def test_a_row_s_tolerance_of_other_test_items_judges_nothing(tmp_path):
    table = made(tmp_path, EDGES, by_deviation)
    results = edge_results({"detectors": {"canny": 2.4}, "networks": {"rds": 0.717}}, images=100)
    canny, _, rds = ledger.resolve(table, results, [])
    assert (canny.verdict, rds.verdict, rds.reason) == ("exact", "not run", "evaluated on n = 100, not 200")


def test_what_the_rendered_table_says_of_tolerances(tmp_path):
    made(tmp_path, EDGES, by_deviation)
    (tmp_path / "ch9_edges").mkdir()
    (tmp_path / "table_9_9.yaml").rename(tmp_path / "ch9_edges/table_9_9.yaml")
    (tmp_path / "references.yaml").write_text('1: "Canny: Edges. 1986"\n2: "Somebody: DeepEdge. 2015"\n')
    files, _ = render.render_chapter("ch9_edges", tmp_path / "none", tmp_path / "none", tmp_path)
    page = files["table_9_9.md"]
    assert "Tolerance of ODS: the deviation that is printed with it." in page
    assert "Tolerance of the row RDS: ±0.2, of this row alone." in page
    assert "2.40 ± 0.05 / –" in page
    origins = [line.partition(",")[0] + ("own" if "of this row alone" in line else "") for line in files["table_9_9.csv"].splitlines()]
    assert origins == ["table", "9.9", "9.9", "9.9own"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c["rows"][0]["cells"].update(ods="2.40"), "row 1 (canny): cells: ods is '2.40', which has no ± to judge by"),
        (lambda c: c["rows"][2].pop("tolerance"), "row 3 (rds): cells: ods is '0.717', which has no ± to judge by"),
        (lambda c: c["rows"][2]["tolerance"].pop("n"), "row 3 (rds): tolerance: key 'n' is missing"),
        (
            lambda c: c["rows"][2].update(tolerance={"kind": "binomial", "n": 9, "confidence": 0.95, "origin": "-"}),
            "row 3 (rds): column ods: unit must be '%' for a binomial tolerance",
        ),
    ],
)
def test_a_tolerance_that_does_not_fit_is_one_sentence(tmp_path, change, sentence):
    with pytest.raises(UserError) as caught:
        made(tmp_path, EDGES, lambda content: (by_deviation(content), change(content)))
    assert sentence in str(caught.value)
