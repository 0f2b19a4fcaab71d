"""Chapter 4's tables: every printed number against a second transcription, and the arithmetic of the text."""

import re
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from stages.core.metrics import Dataset, MetricsFile, Record
from stages.tables import claims, ledger, render, transcript
from stages.tables.ledger import THIS_RUN, Results
from stages.tables.transcript import printed_number

PUBLISHED = Path("stages/tables/published")
CLAIMS = Path("stages/tables/claims.yaml")
CHAPTER = "ch4_deepindex"
TABLES = {table.name: table for table in transcript.load_tables(PUBLISHED, CHAPTER)}

# Typed from the text, not from the YAML: a row's heading, then its cells; "-" is a printed dash.
SECOND = {
    "table_4_1": """
        DPI 6 | 71.73 | 73.54 | 72.01 | 40.94 | 56.89 | 65.21 | 2.90 | 3.03 | 3.02
        DPI 7 | 72.34 | 74.90 | 73.58 | 41.24 | 57.45 | 65.78 | 3.05 | 3.12 | 3.04
        DPI 17 | 73.02 | 73.22 | 72.62 | 44.87 | 61.01 | 70.24 | 3.16 | 3.19 | 3.15
        DPI 18 | 76.31 | 76.72 | 75.63 | 45.03 | 61.23 | 71.33 | 3.21 | 3.25 | 3.19
        DPI 6+7 | 72.00 | 78.88 | 77.17 | 29.35 | 62.89 | 71.20 | 3.02 | 3.13 | 3.05
        DPI 17+18 | 75.75 | 79.96 | 79.34 | 32.28 | 63.29 | 71.69 | 3.16 | 3.25 | 3.26
        DPI 7+17 | 74.01 | 80.53 | 80.20 | 33.45 | 64.12 | 73.24 | 3.21 | 3.25 | 3.19
        DPI 6+17 | 73.32 | 81.62 | 81.15 | 33.95 | 65.08 | 74.35 | 3.22 | 3.26 | 3.22
        DPI 7+18 | 74.66 | 81.23 | 81.74 | 36.56 | 66.18 | 75.35 | 3.26 | 3.37 | 3.32
        DPI 6+18 | 73.82 | 81.64 | 82.38 | 34.12 | 65.40 | 74.52 | 3.19 | 3.23 | 3.29
    """,
    "table_4_2": """
        4096 | 83.30 | 78.24 | 3.68
        2048 | 84.11 | 79.45 | 3.72
        1024 | 84.63 | 80.65 | 3.74
        512 | 85.65 | 81.24 | 3.76
        256 | 83.67 | 78.75 | 3.71
        128 | 82.72 | 77.24 | 3.65
    """,
    # the last column is printed as "N-S(mAP)"
    "table_4_3": """
        [41] | Non-CNN | 78.90 | - | 3.50
        [177] | Non-CNN | 80.86 | - | 3.60
        [170] | Non-CNN | 81.30 | - | 3.42(87.8)
        [178] | Non-CNN | 82.20 | 78.20 | -
        [179] | Non-CNN | 83.90 | - | 3.54(90.7)
        [164] | Non-CNN | 84.02 | - | 3.71(94.7)
        [178] | Non-CNN | 88.00 | 80.50 | -
        [45] | CNN | 74.70 | - | 3.43
        [166] | CNN | 79.00 | - | 3.61
        [22] | CNN | 80.20 | - | -
        [6] | CNN | 84.30 | 79.50 | -(91.1)
        [42] | CNN | - | 86.83 | -
        Ours | CNN | 85.65 | 81.24 | 3.76
        [46] | SIFT-CNN | 85.30 | - | 3.79
        [46] | SIFT-CNN | 88.08 | - | 3.85
    """,
    # as printed, a row for each quantity: [46], 1-D, 2-D
    "table_4_4": """
        ImageID | 4×500 | 4×14 | 4×14
        Signature | 10.18KB | 512×4 | 512×4×2
        Total Memory | 12.13KB | 2.06KB | 4.06KB
        Query Time | 2.32 | 0.25 | 0.45
    """,
}
ONE = ("6", "7", "17", "18")
INTRA = ("6-7", "17-18")
INTER = ("7-17", "6-17", "7-18", "6-18")
SETS = {"holidays": (1, 3, 5), "paris": (1, 5, 10), "ukb": (1, 5, 10)}
ABOVE_ONE = [f"{name}_ma{ma}" for name, found in SETS.items() for ma in found[1:]]


def lines(name):
    return [[part.strip() for part in line.split("|")] for line in SECOND[name].strip().splitlines()]


def printed(row, columns, cells):
    assert row.cells == {column: cell for column, cell in zip(columns, cells, strict=True) if cell not in ("", "-")}


def test_the_transcribed_tables_are_these_four():
    assert set(TABLES) == set(SECOND)
    assert [(table.id, table.section) for table in TABLES.values()] == [
        ("4.1", "4.4.2"), ("4.2", "4.4.2"), ("4.3", "4.4.3"), ("4.4", "4.4.3"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["table_4_1", "table_4_2"])
def test_every_printed_number_of_the_own_tables_against_a_second_transcription(name):
    for row, (label, *cells) in zip(TABLES[name].rows, lines(name), strict=True):
        assert (row.label, row.reference) == (label, None)
        printed(row, [column.id for column in TABLES[name].columns], cells)


def test_every_printed_number_of_table_4_3_against_a_second_transcription():
    table = TABLES["table_4_3"]
    assert [column.id for column in table.columns] == ["group", "holidays", "paris", "ukb", "ukb_map"]
    for row, (heading, *cells, ukb) in zip(table.rows, lines("table_4_3"), strict=True):
        work = re.fullmatch(r"\[(\d+)\]", heading)
        assert (row.reference, row.model) == ((int(work[1]), None) if work else (None, "pca-512"))
        score, precision = re.fullmatch(r"([\d.]+|-)(?:\(([\d.]+)\))?", ukb).groups(default="-")
        printed(row, [column.id for column in table.columns], [*cells, score, precision])


def test_every_printed_number_of_table_4_4_against_a_second_transcription():
    table, columns = TABLES["table_4_4"], list(zip(*lines("table_4_4"), strict=True))
    assert [column.heading for column in table.columns] == list(columns[0])
    assert [(row.label, row.reference) for row in table.rows][1:] == [("1-D DPI", None), ("2-D DPI", None)]
    assert table.rows[0].reference == 46
    for row, cells in zip(table.rows, columns[1:], strict=True):
        printed(row, [column.id for column in table.columns], cells)


def test_cited_works_are_those_of_the_bibliography():
    cited = {row.reference: row.cited for table in TABLES.values() for row in table.rows if row.reference}
    starts = {
        41: "Wengert", 177: "Yang", 170: "Jégou", 178: "Tolias", 179: "Jégou", 164: "Zheng", 45: "Babenko", 166: "Sun", 22: "Gong",
        6: "Razavian", 42: "Wan", 46: "Zheng",
    }  # fmt: skip
    assert {number: work.split(",")[0] for number, work in cited.items()} == starts
    assert all(row.label.startswith(starts[row.reference]) for table in TABLES.values() for row in table.rows if row.reference)


def test_what_reproduces_each_row_and_column():
    models = {name: [row.model for row in table.rows if row.model] for name, table in TABLES.items()}
    assert models == {
        "table_4_1": [f"dpi-{variant}" for variant in (*ONE, *INTRA, *INTER)],
        "table_4_2": ["gis", "pca-2048", "pca-1024", "pca-512", "pca-256", "pca-128"],
        "table_4_3": ["pca-512"],
        "table_4_4": ["dpi-1d", "dpi-2d"],
    }
    where = {
        name: [(column.experiment, column.metric, column.unit, column.stand_in) for column in table.columns if column.metric]
        for name, table in TABLES.items()
    }
    files = {"holidays": ("holidays", "map", "%", None), "paris": ("paris6k", "map", "%", None), "ukb": ("ukb", "ns", "N-S", "smvs_dvd")}
    assert where["table_4_1"] == [
        (experiment, f"{metric}_ma{ma}", unit, stand_in)
        for name, (experiment, metric, unit, stand_in) in files.items()
        for ma in SETS[name]
    ]
    assert where["table_4_2"] == where["table_4_3"] == list(files.values())
    assert where["table_4_4"] == [("complexity", f"bytes_{what}", "B", None) for what in ("image_id", "signature", "total")]
    assert {row.id: (row.stage, row.fact) for row in TABLES["table_4_4"].rows} == {
        "46": (None, None),
        "dpi-1d": ("ch4_complexity", "query_seconds_1d"),
        "dpi-2d": ("ch4_complexity", "query_seconds_2d"),
    }


def test_tolerances_by_hand():
    """z sqrt(p (1 - p) / n), in percent for mAP; for N-S four times that with p = N-S / 4 at the best value of the table."""
    found = {(name, column.id): column.tolerance for name, table in TABLES.items() for column in table.columns if column.metric}
    assert {tolerance.n for (_, column), tolerance in found.items() if column.startswith("holidays")} == {500}
    assert {tolerance.n for (_, column), tolerance in found.items() if column.startswith("paris")} == {55}
    # 1.96 sqrt(.8238 * .1762 / 500) = 1.96 * .017039 = .033395; 1.96 sqrt(.7535 * .2465 / 55) = 1.96 * .058112 = .113898
    assert ledger.half_width(found["table_4_1", "holidays_ma5"], printed_number("82.38")) == pytest.approx(3.3395, abs=1e-3)
    assert ledger.half_width(found["table_4_1", "paris_ma10"], printed_number("75.35")) == pytest.approx(11.3898, abs=1e-3)
    for name, best, width in (("table_4_1", 3.37, 0.0283), ("table_4_2", 3.76, 0.0184), ("table_4_3", 3.76, 0.0184)):
        of_ukb = {tolerance for (table, column), tolerance in found.items() if table == name and column.startswith("ukb")}
        (tolerance,) = of_ukb
        share = best / 4
        assert (tolerance.kind, tolerance.n, tolerance.half_width) == ("fixed", 10200, width)
        assert round(4 * 1.96 * (share * (1 - share) / 10200) ** 0.5, 4) == width
        assert f"{best}" in tolerance.origin and f"{width}" in tolerance.origin
        own = [row.cells[c.id] for row in TABLES[name].rows if row.model for c in TABLES[name].columns if c.experiment == "ukb"]
        assert max(map(float, own)) == best
    for column in ("holidays", "paris", "ukb"):
        assert found["table_4_2", column] == found["table_4_3", column]


# --- the arithmetic of the text ----------------------------------------------------------------------------------------


def value(name, row, column):
    return printed_number(TABLES[name].row(row).cells[column]).value


def dpi(variant, column):
    return value("table_4_1", f"dpi-{variant}", column)


def noted(name, row, column, *parts):
    """Whether a note on the cell says all of `parts`."""
    return any(all(part in note.text for part in parts) for note in TABLES[name].notes if note.covers(row, column))


def pairs():
    """Each 2-D method with each of its two layers."""
    return [(variant, layer) for variant in (*INTRA, *INTER) for layer in variant.split("-")]


def test_what_the_text_repeats():
    best = {"holidays": ("6-18", 5, "82.38"), "paris": ("7-18", 10, "75.35"), "ukb": ("7-18", 5, "3.37")}
    for name, (variant, ma, text) in best.items():
        cells = {(v, m): dpi(v, f"{name}_ma{m}") for v in (*ONE, *INTRA, *INTER) for m in SETS[name]}
        assert max(cells, key=cells.get) == (variant, ma)
        assert cells[variant, ma] == Decimal(text)
        assert noted("table_4_1", f"dpi-{variant}", f"{name}_ma{ma}", "The best")
    gis = {"holidays": "83.3", "paris": "78.24", "ukb": "3.68"}
    for name, text in gis.items():
        assert value("table_4_2", "gis", name) == Decimal(text)
    gains = [value("table_4_2", "gis", name) - dpi(variant, f"{name}_ma{ma}") for name, (variant, ma, _) in best.items()]
    assert gains == [Decimal(".92"), Decimal("2.89"), Decimal(".31")]
    assert noted("table_4_2", "gis", "ukb", ".92, 2.89 and .31", "83.3, 78.24, 3.68", "DPI 7+18")


def test_2_d_against_1_d_with_one_assigned_word():
    """Section 4.4.2: "not better"; so on Paris only."""
    above = {name: [(v, o) for v, o in pairs() if dpi(v, f"{name}_ma1") > dpi(o, f"{name}_ma1")] for name in SETS}
    assert {name: len(found) for name, found in above.items()} == {"holidays": 8, "paris": 0, "ukb": 8}
    most = {name: max((dpi(v, f"{name}_ma1") - dpi(o, f"{name}_ma1") for v, o in found), default=0) for name, found in above.items()}
    assert (most["holidays"], most["ukb"]) == (Decimal("2.73"), Decimal(".32"))
    both = {name: [v for v in (*INTRA, *INTER) if [pair[0] for pair in found].count(v) == 2] for name, found in above.items()}
    assert both == {"holidays": ["7-17", "6-17"], "paris": [], "ukb": ["7-17", "6-17", "7-18"]}
    assert dpi("17-18", "ukb_ma1") == dpi("17", "ukb_ma1")
    best = {name: max(dpi(variant, f"{name}_ma1") for variant in ONE) for name in SETS}
    assert [v for v in (*INTRA, *INTER) if dpi(v, "ukb_ma1") > best["ukb"]] == ["6-17", "7-18"]
    assert not [v for v in (*INTRA, *INTER) for name in ("holidays", "paris") if dpi(v, f"{name}_ma1") > best[name]]
    for column in ("holidays_ma1", "ukb_ma1"):
        assert noted("table_4_1", "dpi-7-18", column, "8 of the 12", "2.73 and .32", "17+18 equals 17 on UKB")
    assert not noted("table_4_1", "dpi-7-18", "paris_ma1", "8 of the 12")


def test_2_d_against_1_d_with_several_assigned_words():
    compared = [(v, o, c) for (v, o), c in product(pairs(), ABOVE_ONE)]
    not_above = {(v, o, c): dpi(v, c) - dpi(o, c) for v, o, c in compared if dpi(v, c) <= dpi(o, c)}
    assert len(compared) == 72
    assert not_above == {("17-18", "18", "ukb_ma5"): 0, ("6-18", "18", "ukb_ma5"): Decimal("-.02")}
    for row in ("dpi-18", "dpi-17-18", "dpi-6-18"):
        assert noted("table_4_1", row, "ukb_ma5", "70 of 72", ".02 below")


def test_inter_cnn_against_intra_cnn():
    compared = list(product(INTER, INTRA, ABOVE_ONE))
    not_above = {(a, b, c): dpi(a, c) - dpi(b, c) for a, b, c in compared if dpi(a, c) <= dpi(b, c)}
    assert len(compared) == 48
    assert not_above == {
        ("7-17", "17-18", "ukb_ma5"): 0, ("6-18", "17-18", "ukb_ma5"): Decimal("-.02"),
        ("7-17", "17-18", "ukb_ma10"): Decimal("-.07"), ("6-17", "17-18", "ukb_ma10"): Decimal("-.04"),
    }  # fmt: skip
    for inter, _, column in not_above:
        assert noted("table_4_1", f"dpi-{inter}", column, "four of 48", ".02 below", ".07", ".04")
    below = [dpi("17-18", "holidays_ma1") - dpi(variant, "holidays_ma1") for variant in INTER]
    assert (min(below), max(below)) == (Decimal("1.09"), Decimal("2.43"))
    assert noted("table_4_1", "dpi-17-18", "holidays_ma1", "1.09 to 2.43")


def test_dimensions():
    for column in ("holidays", "paris", "ukb"):
        values = {row.id: value("table_4_2", row.id, column) for row in TABLES["table_4_2"].rows}
        assert max(values, key=values.get) == "pca-512"
        assert values["pca-512"] == value("table_4_3", "ours", column)
        assert values["gis"] < values["pca-2048"] < values["pca-1024"] < values["pca-512"] > values["pca-256"] > values["pca-128"]
    gains = [value("table_4_2", "pca-512", column) - value("table_4_2", "gis", column) for column in ("holidays", "paris", "ukb")]
    assert gains == [Decimal("2.35"), Decimal("3.00"), Decimal(".08")]
    assert noted("table_4_2", "pca-512", "paris", "2.35, 3.00 and .08")
    # 85.56 in the text
    assert value("table_4_3", "ours", "holidays") == Decimal("85.65")
    assert noted("table_4_2", "pca-512", "holidays", "85.56") and noted("table_4_3", "ours", "holidays", "85.56")
    # "desirable results compared with many of SIFT-based methods" at 128
    counts = {}
    for column in ("holidays", "paris", "ukb"):
        others = [value("table_4_3", row.id, column) for row in of_group("Non-CNN") if column in row.cells]
        counts[column] = (sum(value("table_4_2", "pca-128", column) > other for other in others), len(others))
    assert counts == {"holidays": (4, 7), "paris": (0, 2), "ukb": (4, 5)}
    assert noted("table_4_2", "pca-128", "ukb", "four of seven", "none of two", "four of five")


def of_group(group):
    return [row for row in TABLES["table_4_3"].rows if row.cells["group"] == group]


def test_comparison_with_other_methods():
    def best(column, *groups):
        rows = [row for group in groups for row in of_group(group) if column in row.cells and row.reference]
        return max((value("table_4_3", row.id, column), row.reference) for row in rows)

    ours = {column: value("table_4_3", "ours", column) for column in ("holidays", "paris", "ukb")}
    assert best("holidays", "CNN") == (Decimal("84.30"), 6) < (ours["holidays"],)
    assert best("holidays", "Non-CNN", "SIFT-CNN") == (Decimal("88.08"), 46)
    assert best("holidays", "Non-CNN") == (Decimal("88.00"), 178)
    better = [
        row.reference for row in TABLES["table_4_3"].rows if "paris" in row.cells and value("table_4_3", row.id, "paris") > ours["paris"]
    ]
    assert better == [42]
    assert value("table_4_3", "164", "ukb") < ours["ukb"] < value("table_4_3", "46a", "ukb")
    # "our results are inferior to those of [46]"
    assert ours["holidays"] - value("table_4_3", "46a", "holidays") == Decimal(".35")
    assert noted("table_4_3", "46a", "holidays", ".35 below")
    assert not noted("table_4_3", "46b", "holidays", ".35 below")


def test_memory():
    def of(row):
        return [value("table_4_4", row, column) for column in ("image_id", "signature", "total")]

    assert of("46") == [2000, Decimal("10.18") * 1024, Decimal("12.13") * 1024]
    assert of("dpi-1d") == [56, 2048, Decimal("2.06") * 1024]
    assert of("dpi-2d") == [56, 4096, Decimal("4.06") * 1024]
    # what the parts add up to, in KB of 1,024 bytes
    sums = [(ids + signature) / 1024 for ids, signature, _ in map(of, ("46", "dpi-1d", "dpi-2d"))]
    assert [str(round(total, 2)) for total in sums] == ["12.13", "2.05", "4.05"]
    # of 1,000 bytes, [46] would not add up
    assert round(Decimal(2000) / 1000 + Decimal("10.18"), 2) != Decimal("12.13")
    for row, total in (("dpi-1d", 2104), ("dpi-2d", 4152)):
        ids, signature, stated = of(row)
        assert ids + signature == total
        assert stated - total == Decimal("5.44") > Decimal("10.24") / 2
        assert noted("table_4_4", row, "total", f"{total:,} B", "5.44 B", "5.12 B")
    assert all(ours < theirs for row in ("dpi-1d", "dpi-2d") for ours, theirs in zip(of(row), of("46"), strict=True))
    seconds = [value("table_4_4", row, "seconds") for row in ("46", "dpi-1d", "dpi-2d")]
    assert round(seconds[0], 1) == Decimal("2.3") and max(seconds[1:]) < Decimal("0.5")


# --- the chapter's claims and renderings --------------------------------------------------------------------------------


def results(found, source=THIS_RUN, *, kinds=None, protocol="full", scale="paper", n=None, encoder=None, runs=()):
    """{experiment: {(model, metric): [value of seed 0, ...]}} as metrics files."""
    files = {}
    sizes = n or {"holidays": 500, "paris6k": 55, "ukb": 10200}
    for experiment, numbers in found.items():
        records = tuple(
            Record(model, metric, number, "-", "higher", "numeric", seed=seed, n=sizes.get(experiment), encoder=encoder)
            for (model, metric), values in numbers.items()
            for seed, number in enumerate(values)
        )
        data = Dataset(experiment, (kinds or {}).get(experiment, "official"), "")
        files[experiment] = MetricsFile(CHAPTER, experiment, scale, protocol, data, records)
    return Results(source, files, scale=scale, runs=runs)


def printed_values():
    """What our files would hold if our numbers were the printed ones, over two seeds."""
    found = {}
    for table in TABLES.values():
        for row in table.rows:
            for column in table.columns:
                if row.model and column.metric:
                    number = float(printed_number(row.cells[column.id]).value)
                    found.setdefault(column.experiment, {})[row.model, column.metric] = [number, number]
    for experiment, variant, metric in (("holidays", "6-18", "map_ma5"), ("paris6k", "7-18", "map_ma10"), ("ukb", "7-18", "ns_ma5")):
        plain = found[experiment][f"dpi-{variant}", metric]
        found[experiment]["no-gis", metric.partition("_")[0]] = plain
    return found


def test_the_printed_numbers_are_exact_against_themselves():
    cells = [cell for table in TABLES.values() for cell in ledger.resolve(table, results(printed_values()), [])]
    assert len(cells) == 90 + 18 + (15 + 14 + 5 + 10 + 4) + 12
    assert ledger.counts(cells) == {"exact": 90 + 18 + 3 + 6, "within": 0, "outside": 0, "not run": 0, "cannot run": 2}


def judged(*sources):
    found, confidence = claims.load_claims(CLAIMS, CHAPTER)
    return claims.judge(found, confidence, list(TABLES.values()), sources[0], list(sources[1:]))


def test_the_thesis_s_own_numbers_bear_out_its_claims_where_the_notes_do_not_say_otherwise():
    outcomes = judged(results(printed_values()))
    by_claim = {}
    for one in outcomes:
        if "smvs_dvd" not in one.case:
            by_claim.setdefault(one.claim, {}).setdefault(one.verdict, []).append(one.case)
    counts = {claim: {verdict: len(cases) for verdict, cases in found.items()} for claim, found in by_claim.items()}
    assert counts == {
        "2d-above-1d-with-ma": {"reproduced": 70, "contradicted": 1, "not decided": 1},
        "2d-not-above-1d-at-ma1": {"reproduced": 19, "contradicted": 16, "not decided": 1},
        "inter-above-intra": {"reproduced": 44, "contradicted": 3, "not decided": 1},
        "gis-helps": {"reproduced": 3},
        "pca-512-does-not-hurt": {"reproduced": 3},
        "pca-512-best": {"reproduced": 12},
        "less-memory-than-deep-embedding": {"not tried": 1},
        "faster-than-deep-embedding": {"not tried": 1},
    }
    assert by_claim["2d-above-1d-with-ma"]["contradicted"] == ["dpi-18 < dpi-6-18, ns_ma5, ukb"]
    assert by_claim["2d-not-above-1d-at-ma1"]["not decided"] == ["dpi-17-18 < dpi-17, ns_ma1, ukb"]
    # on the stand-in the same cases as on UKB
    stand_in = [one.case.replace("smvs_dvd", "ukb") for one in outcomes if "smvs_dvd" in one.case]
    assert stand_in == [one.case for one in outcomes if one.case.endswith(", ukb")]
    assert {one.reason for one in outcomes if "smvs_dvd" in one.case} == {"no result"}


@pytest.mark.parametrize("kind", ["stand-in", "official"])
def test_a_stand_in_s_numbers_are_shown_and_never_judged(kind):
    encoder = "squeezenet1_1 fire8 + efficientnet_lite0 conv_head"
    values = {("dpi-7-18", "ns_ma5"): [3.3, 3.4, 3.37], ("dpi-7", "ns_ma5"): [3.2, 3.3, 3.31]}
    release = results({"smvs_dvd": values}, "real-1", kinds={"smvs_dvd": kind}, scale="real", encoder=encoder)
    empty = Results(THIS_RUN, {})
    cells = ledger.resolve(TABLES["table_4_1"], empty, [release])
    (shown,) = [cell for cell in cells if cell.releases and cell.row.id == "dpi-7-18"]
    assert (shown.column.id, shown.verdict, shown.reason, shown.difference) == ("ukb_ma5", "not run", "stand-in", None)
    text = render.render_table(TABLES["table_4_1"], empty, [release])["md"]
    row = "| DPI 7+18 | 3.37 | – | 3.36 ± 0.05 (3) (smvs\\_dvd) [a] | – | smvs\\_dvd, stand-in [a]; encoder squeezenet1\\_1 fire8 + "
    assert row + "efficientnet\\_lite0 conv\\_head | not run [a]: stand-in (note" in text
    assert "Stand-in data: smvs\\_dvd; shown, not judged." in text
    assert "Encoders: efficientnet\\_lite0 conv\\_head; squeezenet1\\_1 fire8." in text
    found = {one.case: one for one in judged(empty, release) if one.observed}
    assert list(found) == ["dpi-7 < dpi-7-18, ns_ma5, smvs_dvd"]
    one = found["dpi-7 < dpi-7-18, ns_ma5, smvs_dvd"]
    assert (one.verdict, one.reason, one.p, one.test) == ("not tried", "stand-in", None, "")
    assert "; on smvs_dvd (stand-in): holds in 3 of 3 seeds, p = " in one.observed


def test_query_times_are_shown_and_not_judged_beside_bytes_that_are():
    stage = {"stage": "ch4_complexity@holidays", "query_seconds_1d": 0.021, "query_seconds_2d": 0.034}
    sizes = {("dpi-1d", "bytes_total"): [2104.0], ("dpi-1d", "bytes_image_id"): [56.0], ("dpi-2d", "bytes_signature"): [4097.0]}
    release = results({"complexity": sizes}, "real-1", scale="real", runs=(stage,))
    cells = {(c.row.id, c.column.id): c for c in ledger.resolve(TABLES["table_4_4"], Results(THIS_RUN, {}), [release])}
    assert {place: cell.verdict for place, cell in cells.items() if cell.releases} == {
        ("dpi-1d", "image_id"): "exact", ("dpi-1d", "total"): "outside", ("dpi-1d", "seconds"): "cannot run",
        ("dpi-2d", "signature"): "outside", ("dpi-2d", "seconds"): "cannot run",
    }  # fmt: skip
    assert cells["dpi-2d", "seconds"].releases["real"].mean == 0.034
    assert {cells["46", column].verdict for column in ("image_id", "signature", "total", "seconds")} == {""}
    text = render.render_table(TABLES["table_4_4"], Results(THIS_RUN, {}), [release])["md"]
    assert "| 1-D DPI | 2.06KB | – | 2,104 [a] | −5 | complexity, official [a] | outside [a] (note 1, 2) |" in text
    assert "| 1-D DPI | 0.25 | – | 0.02 [a] | – | complexity, official [a] | cannot run: the thesis timed" in text


def test_the_chapter_renders_before_anything_has_run(tmp_path):
    files, summary = render.render_chapter(CHAPTER, tmp_path, tmp_path, PUBLISHED, CLAIMS)
    assert set(files) == {f"{name}.{suffix}" for name in TABLES for suffix in ("md", "tex", "html", "csv")} | {"claims.md", "claims.json"}
    assert summary == {}
    assert all(content.isascii() for name, content in files.items() if name.endswith(".tex"))
    assert "| Razavian et al. [6] | CNN | 84.30 | 79.50 |  | 91.1 (note 6) |" in files["table_4_3.md"]
    assert r"512$\times$4$\times$2" in files["table_4_4.tex"]
