"""The drawing: what leads to a table, the layout, and whether the committed drawing is that of the pipeline."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from workflow import draw, graph
from workflow.graph import Step

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep")  # DVC's

ROOT = Path(__file__).parent.parent
DESCRIPTIONS = {
    "code": "Fingerprints",
    "download": "A data set",
    "ch2_prepare": "Arrays",
    "ch2_train": "Tables 2.2 and 2.3, Figures 2.1, 2.7 and 2.8a",
    "ch2_extra": "Table 2.3 with <more> & more",
    "ch2_evaluate": "Metrics, and the maps of Figure 2.1",
    "ch2_figures": "Figures 2.1, 2.7 and 2.8a",
    "tables": "Every table of a chapter",
    "conclusions": "What is concluded",
    "ch3_train": "Table 3.1",
}


def step(name: str, deps: list[str], outs: list[str], module: str = "core.x") -> Step:
    return Step(name, "command", [f"reports/code/{module}.json", *deps], outs, {})


STEPS = [
    Step("code", "command", ["stages"], ["reports/code"], {}),
    step("download@a", [], ["sources/a"], "download"),
    step("download@b", [], ["sources/b"], "download"),
    step("ch2_prepare@a", ["sources/a"], ["prepared/a"], "ch2_fusion.prepare"),
    step("ch2_prepare@b", ["sources/b"], ["prepared/b"], "ch2_fusion.prepare"),
    step("ch2_train@x-0", ["prepared/a"], ["models/a/x"], "ch2_fusion.train"),
    step("ch2_train@y-0", ["prepared/a"], ["models/a/y"], "ch2_fusion.train"),
    step("ch2_extra", ["prepared/b"], ["models/b/x"], "ch2_fusion.train"),
    step("ch2_evaluate@a", ["prepared/a", "models/a"], ["metrics/ch2/a"], "ch2_fusion.evaluate"),
    step("ch2_evaluate@b", ["prepared/b", "models/b"], ["metrics/ch2/b"], "ch2_fusion.evaluate"),
    step("ch2_figures", ["metrics/ch2/a"], ["figures"], "ch2_fusion.figures"),
    step("ch3_train", ["sources/b"], ["metrics/ch3"], "ch3_edges.train"),
    step("tables@ch2", ["metrics/ch2"], ["tables/ch2"], "tables.render"),
    step("tables@ch3", ["metrics/ch3"], ["tables/ch3"], "tables.render"),
    step("conclusions", ["tables"], ["conclusions.md"], "tables.conclusions"),
]
COMMON = {"code", "download@a", "ch2_prepare@a", "ch2_train@x-0", "ch2_train@y-0", "ch2_evaluate@a"}
EXTRA = {"download@b", "ch2_prepare@b", "ch2_extra", "ch2_evaluate@b"}


def test_names_of_tables_and_figures() -> None:
    text = "Table 2.1 and the counts of Tables 2.2 and 2.10, Figures 2.1, 2.7, and 2.8a; every table of 3.5"
    assert draw.items(text) == ["Table 2.1", "Table 2.2", "Table 2.10", "Figure 2.1", "Figure 2.7", "Figure 2.8a"]


@pytest.mark.parametrize(
    ("item", "stages"),
    [
        ("Table 2.2", COMMON | {"tables@ch2"}),
        ("Table 2.3", COMMON | EXTRA | {"tables@ch2"}),
        ("Figure 2.7", COMMON | {"ch2_figures"}),
        ("Figure 2.1", COMMON | {"ch2_figures"}),
        ("Table 3.1", {"code", "download@b", "ch3_train", "tables@ch3"}),
        ("ch2_train@x-0", {"code", "download@a", "ch2_prepare@a", "ch2_train@x-0"}),
        ("ch2_prepare", {"code", "download@a", "download@b", "ch2_prepare@a", "ch2_prepare@b"}),
        ("Table 9.9", set()),
    ],
)
def test_what_leads_to_a_table_a_figure_or_a_stage(item: str, stages: set[str]) -> None:
    assert draw.leading_to(draw.stage_graph(STEPS), DESCRIPTIONS, item) == stages


def test_a_chapter_is_drawn_with_what_it_shares() -> None:
    parts = draw.chapters(draw.stage_graph(STEPS))
    assert list(parts) == ["ch2_fusion", "ch3_edges"]
    assert set(parts["ch3_edges"]) == {"code", "download@b", "ch3_train", "tables@ch3", "conclusions"}
    assert not {"ch3_train", "tables@ch3"} & set(parts["ch2_fusion"])


def test_entries_are_counted_and_implied_arrows_left_out() -> None:
    part = draw.entries(draw.chapters(draw.stage_graph(STEPS[1:]))["ch2_fusion"])
    assert dict(part.nodes("count")) == {
        "download": 2, "ch2_prepare": 2, "ch2_train": 2, "ch2_extra": 1, "ch2_evaluate": 2, "ch2_figures": 1, "tables": 1,
        "conclusions": 1,
    }  # fmt: skip
    assert ("ch2_prepare", "ch2_train") in part.edges
    assert ("ch2_prepare", "ch2_evaluate") not in part.edges
    places = draw.columns(part)
    assert min(places.values()) == 0
    assert all(places[a] < places[b] for a, b in part.edges)


def test_svg_is_whole_and_boxes_do_not_overlap() -> None:
    drawing = draw.svg(draw.stage_graph(STEPS), DESCRIPTIONS)
    assert drawing == draw.svg(draw.stage_graph(STEPS), DESCRIPTIONS)
    root = ElementTree.fromstring(drawing)
    space = "{http://www.w3.org/2000/svg}"
    words = " ".join("".join(text.itertext()) for text in root.iter(f"{space}text"))
    assert all(name in words for name in DESCRIPTIONS) and "<more> & more" in words and "ch2_train × 2" in words
    page, *boxes = [tuple(float(box.get(key, 0)) for key in ("x", "y", "width", "height")) for box in root.iter(f"{space}rect")]
    assert len(boxes) == 8 + 4  # entries of the chapters, without `code`
    assert all(x + width <= page[2] and y + height <= page[3] for x, y, width, height in boxes)
    apart = [
        a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
        for place, a in enumerate(boxes)
        for b in boxes[:place]
    ]
    assert all(apart)


def test_the_committed_drawing_is_that_of_the_pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path))
    if yaml.safe_load(Path("params.yaml").read_text())["scale"] != "mini":
        pytest.skip("the drawing is of the scale mini, and params.yaml holds another")
    expected = draw.svg(draw.stage_graph(graph.resolve()), draw.descriptions())
    assert draw.OUT.read_text(encoding="utf-8") == expected, "dvc.yaml or a list in params.yaml has changed: run `make graph`"
