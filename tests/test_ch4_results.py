"""What is made of rankings: scores, Table 4.4, and figures, by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deepindex_world import HOLIDAYS, OWN, UKB, make_rankings, make_words, query_of, run, write_predictions
from stage_runs import make_world

from stages.ch4_deepindex import complexity, evaluate, figures, panels, store
from stages.ch4_deepindex.rankings import Model
from stages.ch4_deepindex.settings import IndexedSet, Panel
from stages.core import metrics
from stages.core.settings import build


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the data sets, their features, codebooks, rankings and scores."""
    return make_world(tmp_path_factory.mktemp("world"), make_words, make_rankings)


# Scores


def evaluated(dataset: str) -> tuple[metrics.MetricsFile, dict[tuple[str, str], metrics.Record]]:
    run(evaluate, dataset)
    file = metrics.read(Path(f"reports/metrics/ch4_deepindex/{dataset}.json"))
    return file, {(record.model, record.metric): record for record in file.records}


def test_paris_ignores_junk_and_counts_good_and_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without junk, 8 and 9, the two are at places 1 and 3: (1 + 1) / 2 / 2 + (1/2 + 2/3) / 2 / 2; then at none, and at 1 alone."""
    monkeypatch.chdir(tmp_path)
    queries = [query_of(1, [1, 2], [8, 9]), query_of(3, [3], [])]
    models = {
        Model("dpi-6-18", ("fc6", "fc18"), 0, assignments=5): [[8, 1, 9, 5, 2], []],
        Model("gis", ("fc6", "fc18"), 0): [[8, 1], [3]],
        Model("dpi-7-sweep", ("fc7",), 0, words=12): [[1, 2], [3]],
        Model("dpi-6-18-sweep", ("fc6", "fc18"), 0, alpha=4): [[2], [0, 3]],
    }
    write_predictions("paris6k", "official", queries, models)
    file, records = evaluated("paris6k")
    assert (file.scale, file.protocol, file.dataset) == ("mini", "miniature", metrics.Dataset("paris6k", "official", "a note"))
    assert set(records) == {("dpi-6-18", "map_ma5"), ("gis", "map")}
    first = records["dpi-6-18", "map_ma5"]
    assert first.value == pytest.approx(100 * (0.5 + 7 / 24) / 2)
    assert records["gis", "map"].value == pytest.approx(100 * (0.5 + 1) / 2)
    assert (first.unit, first.better, first.n, first.seed, first.encoder) == ("%", "higher", 2, 0, "alexnet fc6 + vgg19 fc18")
    assert (first.determinism, first.precision) == ("bitwise", "fp32")
    assert first.predictions == "data/mini/predictions/ch4_deepindex/paris6k"
    curves = pd.read_csv("reports/metrics/ch4_deepindex/paris6k.sweep.csv")
    assert curves.model.tolist() == ["dpi-7", "dpi-6-18"]
    assert (curves.words[0], curves.alpha[1]) == (12, 4) and math.isnan(curves.words[1]) and math.isnan(curves.alpha[0])
    # (0 + 1/2) / 2 of the first query's two, and (0 + 1/2) / 2 of the second's one
    assert curves["map"].tolist() == pytest.approx([100, 100 * (0.5 + 0.25) / 2])


def test_holidays_does_not_find_the_query_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = Model("flat-fc18", ("fc18",))
    write_predictions("holidays", "official", [query_of(4, [5], [4]), query_of(7, [8, 9], [7])], {model: [[4, 5, 6], [8, 7, 9]]})
    _, records = evaluated("holidays")
    assert set(records) == {("flat-fc18", "map")}
    assert records["flat-fc18", "map"].value == pytest.approx(100)
    assert (records["flat-fc18", "map"].seed, records["flat-fc18", "map"].encoder) == (None, "vgg19 fc18")


def test_groups_of_four_have_an_ns_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of four, two among the first four, and one that is all there is."""
    monkeypatch.chdir(tmp_path)
    queries = [query_of(image, [0, 1, 2, 3], []) for image in (0, 1, 2)]
    found = [[0, 3, 2, 1], [1, 9, 0, 8, 2, 3], [2]]
    write_predictions("ukb", "unverified", queries, {Model("gis", ("fc6", "fc18"), 1): found}, by_four=True)
    file, records = evaluated("ukb")
    assert file.dataset is not None and file.dataset.kind == "unverified"
    assert (records["gis", "ns"].value, records["gis", "ns"].unit, records["gis", "ns"].n) == (pytest.approx(7 / 3), "N-S", 3)
    second = (1 + (1 / 2 + 2 / 3) / 2 + (2 / 4 + 3 / 5) / 2 + (3 / 5 + 4 / 6) / 2) / 4
    assert records["gis", "map"].value == pytest.approx(100 * (1 + second + 1 / 4) / 3)


@pytest.mark.parametrize(
    ("kind", "provenance", "shown", "note"),
    [
        ("official", {"stands_in_for": "ukb"}, "stand-in", "stands in for ukb; a note"),
        ("altered", {"stands_in_for": "ukb"}, "stand-in", "stands in for ukb; a note"),
        ("miniature", {}, "miniature", "a note"),
    ],
)
def test_dvd_covers_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, provenance: dict[str, str], shown: str, note: str
) -> None:
    """The query itself is not among the four that a cover's picture should find."""
    monkeypatch.chdir(tmp_path)
    models = {Model("gis", ("fc6", "fc18"), 0): [[0, 1, 2, 9, 3]]}
    write_predictions("smvs_dvd", kind, [query_of(0, [1, 2, 3, 4], [0])], models, by_four=True, **provenance)
    file, records = evaluated("smvs_dvd")
    assert records["gis", "ns"].value == 3
    assert file.dataset is not None and (file.dataset.name, file.dataset.kind) == ("smvs_dvd", shown)
    assert file.dataset.note == note


def test_metrics_of_the_world_say_whose_they_are(here: Path) -> None:
    for name, count in (("holidays", 7), ("ukb", 20)):
        file = metrics.read(Path(f"reports/metrics/ch4_deepindex/{name}.json"))
        assert file.dataset == metrics.Dataset(name, "miniature", "made")
        assert {record.n for record in file.records} == {count}
        assert {record.metric.partition("_")[0] for record in file.records} == ({"map", "ns"} if name == "ukb" else {"map"})
        encoders_of = {record.model: record.encoder for record in file.records}
        assert (encoders_of["dpi-7-17"], encoders_of["pca-16"]) == (
            "alexnet fc7, miniature weights + vgg19 fc17, miniature weights",
            "alexnet fc6, miniature weights + vgg19 fc18, miniature weights",
        )


# Table 4.4

HEADER = 128  # bytes before the values of a small .npy


@pytest.mark.parametrize(("images", "size", "count", "number", "column"), [(5, 200, 1, 1, 1), (300, 257, 2, 2, 2)])
def test_bytes_of_an_index_by_hand(tmp_path: Path, images: int, size: int, count: int, number: int, column: int) -> None:
    """`size` words in a codebook; all patches have the last one, so a count is up to 70 or 4200, a number up to 4 or 299."""
    codebook = np.eye(size, 8, dtype=np.float32)
    codebook[-1] = 5
    layers = [store.Layer("alexnet", place, "", codebook, signature="float16") for place in ("fc6", "fc7")]
    values = np.full((images, 14, 8), 5, np.float32)
    name = str(images)  # what size.json holds
    for chosen, more in ((layers[:1], 0), (layers, HEADER + 14 * images * column)):
        shard = store.shard_of(chosen, [values] * len(chosen), 0)
        store.write_index(tmp_path / "index", chosen, [shard], [f"x/{each}" for each in range(images)], {"idf": "ratio"})
        found = complexity.bytes_of(tmp_path / "index", images)
        signatures = len(chosen) * (HEADER + images * 8 * 2)
        lists = (HEADER + size * count) + (HEADER + 14 * images * number) + more + len(name)
        assert found == pytest.approx(
            {"image_id": lists / images, "signature": signatures / images, "total": (lists + signatures) / images}
        )


@pytest.mark.parametrize(("assignments", "listed", "images"), [(1, 14 + 7, 2), (2, 14 + 7 + 7, 2)])
def test_numbers_that_a_query_reads_by_hand(assignments: int, listed: int, images: int) -> None:
    """Words 0, 1, 2. Image 0 has 14 patches of word 0, image 1 has 7 of 0 and 7 of 1, image 2 has 14 of 2; the query is like image 0, and
    its second word is 1. Of the signatures of 3 numbers it reads two, without an index all.
    """
    codebook = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]], np.float32)
    first, second, third = codebook
    pictures = np.stack([np.stack([first] * 14), np.stack([first] * 7 + [second] * 7), np.stack([third] * 14)])
    layer = store.Layer("alexnet", "fc6", "", codebook, signature="float32")
    shard = store.shard_of([layer], [pictures], 0)
    read = complexity.numbers_read([layer], shard, [pictures], [0], assignments)
    assert read == {"dpi": listed + 3 * images, "flat": 9}


def test_table_4_4_is_of_the_files(here: Path) -> None:
    job = run(complexity, "holidays")
    records = metrics.read(Path("reports/metrics/ch4_deepindex/complexity.json")).records
    found = {(record.model, record.metric): record.value for record in records}
    assert set(found) == {
        (f"dpi-{name}{kind}", f"bytes_{part}")
        for name in ("1d", "2d") for kind in ("", "-float16", "-pq") for part in ("image_id", "signature", "total")
    } | {(f"{what}-{name}", "numbers_read") for what in ("dpi", "flat") for name in ("1d", "2d")}  # fmt: skip
    assert (found["flat-1d", "numbers_read"], found["flat-2d", "numbers_read"]) == (20 * 8, 20 * 16)  # images, components
    assert all(found[f"dpi-{name}", "numbers_read"] > 0 for name in ("1d", "2d"))
    for kind, each in (("", 8 * 4), ("-float16", 8 * 2), ("-pq", 1)):  # of 8 components
        assert found[f"dpi-1d{kind}", "bytes_signature"] == pytest.approx((HEADER + 20 * each) / 20)
        assert found[f"dpi-2d{kind}", "bytes_signature"] == pytest.approx(2 * (HEADER + 20 * each) / 20)
    # 24 words, 280 patches of which a word has fewer than 256, 20 images, columns below 24, "20"
    assert found["dpi-1d", "bytes_image_id"] == pytest.approx((2 * HEADER + 24 + 280 + 2) / 20)
    assert found["dpi-2d", "bytes_image_id"] == pytest.approx((3 * HEADER + 24 + 2 * 280 + 2) / 20)
    of_bytes = [record for record in records if record.metric != "numbers_read"]
    encoders_of = {record.model: (record.encoder, record.n, record.unit, record.better) for record in of_bytes}
    assert encoders_of["dpi-1d"] == ("vgg19 fc18, miniature weights", 20, "B/image", "lower")
    both = "alexnet fc6, miniature weights + vgg19 fc18, miniature weights"
    assert encoders_of["dpi-2d-pq"] == (both, 20, "B/image", "lower")
    for name in ("1d", "2d"):
        assert 0 < job.notes[f"search_seconds_{name}"] < job.notes[f"query_seconds_{name}"]
    assert job.notes["threads"] == 1


# Figures


def test_scaling_keeps_the_distances_of_what_is_three_dimensional() -> None:
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.standard_normal((10, 3)))
    points = rng.random((20, 3)) @ axes.T + rng.random(10)
    found = figures.embedded(points.astype(np.float32))
    apart = [np.linalg.norm(each[:, None] - each, axis=-1) for each in (points, found)]
    np.testing.assert_allclose(apart[0], apart[1], atol=1e-4)
    assert (found.max(axis=0) >= -found.min(axis=0)).all()
    assert (np.diff(found.std(axis=0)) < 0).all()  # the widest axis first


def test_figure_4_2_has_14_points_an_image(here: Path) -> None:
    points = figures.group_points(HOLIDAYS, "fc18", 3)
    assert points.groupby("group", sort=False).size().to_dict() == {"100000": 28, "100100": 42, "100200": 56}
    assert points.image.unique().tolist() == [f"jpg/{name}" for name in (100000, 100001, *range(100100, 100103), *range(100200, 100204))]
    assert points.patch.tolist() == list(range(1, 15)) * 9
    values = np.load(HOLIDAYS / "fc18.npy")[:9].reshape(-1, 24).astype(float)
    shown = points[["x", "y", "z"]].to_numpy()
    apart, true = (np.linalg.norm(each[:, None] - each, axis=-1) for each in (shown, values))
    assert (apart <= true + 1e-4).all()  # a projection
    groups = figures.group_points(UKB, "fc18", 2)  # its four pictures ask for the same four
    assert groups.groupby("group", sort=False).size().to_dict() == {"ukbench00000": 56, "ukbench00004": 56}


def test_figure_4_6_shows_every_curve(here: Path) -> None:
    run(figures, "holidays")
    table = pd.read_csv("reports/figures/ch4_deepindex/figure_4_6.csv")
    assert table.groupby("dataset", sort=False).size().to_dict() == {"holidays": 4 * 2 + 2, "ukb": 4 * 2 + 2}
    curves = pd.read_csv("reports/metrics/ch4_deepindex/ukb.sweep.csv")
    assert table[table.dataset == "ukb"].ns.tolist() == curves.ns.tolist()
    assert len(pd.read_csv("reports/figures/ch4_deepindex/figure_4_2.csv")) == 9 * 14
    for number in ("4_2", "4_6"):
        assert "MINIATURE" in Path(f"reports/figures/ch4_deepindex/figure_{number}.svg").read_text().upper()
    names = ("holidays", "ukb")
    scored = {name: pd.read_csv(f"reports/metrics/ch4_deepindex/{name}.sweep.csv") for name in names}
    drawn = figures.draw_curves(scored, {name: Panel("a", name) for name in names}, 1)
    assert [len(axes.get_lines()) for axes in drawn.axes] == [4, 4, 1, 1]  # the last two: alpha by mAP, and by N-S
    means = table[(table.dataset == "holidays") & (table.model == "dpi-7")].sort_values("words")["map"].to_numpy()
    np.testing.assert_allclose(np.asarray(drawn.axes[0].get_lines()[1].get_ydata(), float), means)


def test_figure_4_7_shows_the_query_that_gains_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second dimension gains nothing for the first query, which is perfect, .73 for the second, and loses with the third.

    Rankings of other methods and multiple assignments do not count.
    """
    monkeypatch.chdir(tmp_path)
    queries = [query_of(0, [1], [0]), query_of(2, [3, 4], [2]), query_of(5, [6], [5])]
    worse, better = [[0, 1], [2, 9, 8, 7, 3], [6]], [[0, 1], [2, 3, 9, 4], [9, 6]]
    models = {
        Model("dpi-18", ("fc18",), 0, assignments=1): better,
        Model("dpi-18", ("fc18",), 0, assignments=3): worse,
        Model("dpi-6", ("fc6",), 0, assignments=3): better,
        Model("dpi-6-18", ("fc6", "fc18"), 0, assignments=3): better,
        Model("no-gis", ("fc6", "fc18"), 0): worse,
        Model("dpi-6-18", ("fc6", "fc18"), 0, assignments=1): worse,
        Model("dpi-18", ("fc18",), 0, assignments=5): better,
    }
    write_predictions("holidays", "miniature", queries, models)
    own = build(IndexedSet, OWN)
    rows = panels.results("holidays", Path("data/mini/predictions/ch4_deepindex/holidays"), own, 0, 3)
    assert [(row.dataset, row.method, row.query) for row in rows] == [("holidays", "dpi-18", "x/2"), ("holidays", "dpi-6-18", "x/2")]
    assert rows[0].found == [("x/9", False), ("x/8", False), ("x/7", False)]
    assert rows[1].found == [("x/3", True), ("x/9", False), ("x/4", True)]
    # Found at place 4 of two: (0 + 1/4) / 4. At places 1 and 3: 1/2 + (1/2 + 2/3) / 4.
    assert [row.precision for row in rows] == pytest.approx([1 / 16, 0.5 + 7 / 24], abs=1e-6)


def test_panels_are_drawn_from_what_they_list(here: Path) -> None:
    run(panels, "holidays")
    boxes = pd.read_csv("reports/figures/ch4_deepindex/figure_4_1.csv")
    assert boxes.patch.tolist() == list(range(1, 15))
    assert boxes.iloc[[0, 2, 13], 1:].to_numpy().tolist() == [[0, 0, 64, 48], [32, 0, 64, 24], [42, 32, 64, 48]]
    table = pd.read_csv("reports/figures/ch4_deepindex/figure_4_7.csv")
    assert table.groupby(["dataset", "method"], sort=False).size().index.tolist() == [
        ("holidays", "dpi-18"), ("holidays", "dpi-6-18"), ("ukb", "dpi-18"), ("ukb", "dpi-6-18"),
    ]  # fmt: skip
    for row in table.itertuples():
        if row.dataset == "holidays":
            assert row.right == (row.image[:8] == row.query[:8] and row.image != row.query)  # jpg/1002
        else:
            first, second = (int(name.removeprefix("full/ukbench")) // 4 for name in (row.image, row.query))
            assert row.right == (first == second)
    gains = table.groupby("dataset").apply(lambda each: each.ap.iloc[-1] - each.ap.iloc[0], include_groups=False)
    assert (gains >= 0).all()
