"""Section 2.4.1's tables: rows that stand in two of them, sums and differences, and the counts by arithmetic."""

from decimal import Decimal

from table_world import PUBLISHED, not_borne_out, tables

from stages.tables import claims
from stages.tables.printed import compare, printed_number


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
        return compare(printed_number(text), value, 0.0) == "exact"

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


def test_the_thesis_s_own_numbers_bear_out_its_claims():
    """Parameters of Table 2.2 and errors; of fusing predictions and of fusion weights no number is printed."""
    assert not_borne_out("ch2_fusion", list(tables().values())) == {}


def test_the_margin_and_the_bounds_are_printed_numbers():
    cases = {claim.id: claim.cases for claim in claims.load_claims(PUBLISHED, "ch2_fusion")}
    errors = {row.id: Decimal(row.cells["cifar10"]) for row in tables()["table_2_2"].rows}
    assert {Decimal(str(case.margin)) for case in cases["eflp-equals-eplf"]} == {errors["cnn-conv-b"] - errors["cfn-b"]}
    # (0.074M + 768) / 1.287M = 5.8 %, (0.025M + 768) / 0.224M = 11.5 %, rounded up
    assert {(case.model, case.below) for case in cases["few-added-parameters"]} == {("cfn-a", 0.12), ("cfn-b", 0.06)}
    # two networks that are compared are of one size
    pairs = [case for found in cases.values() for case in found if hasattr(case, "a")]
    assert all(case.a.removesuffix("-eplf")[-1] == case.b.removesuffix("-eplf")[-1] for case in pairs)
