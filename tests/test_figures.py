"""What figures are worth stands below them, whole, whatever their width, and over nothing."""

import io
import re
from pathlib import Path
from textwrap import wrap
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

from stages.core import figures
from stages.tables import gallery

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"
LABELLED = ("miniature", "generated", "shortened", "assumed")
WIDTHS = (2, 4.6, 5.1, 6.2, 12.4)  # inches
DPI = 150


def drawn(width: float, protocol: str, kind: str) -> bytes:
    """A figure with a legend of its own at the lower end, as Figure 4.6 has, saved."""
    stored = io.BytesIO()
    stored.suffix = f".{kind}"  # type: ignore[attr-defined] # as a path has
    with matplotlib.rc_context(figures.STYLE | {"savefig.format": kind}):
        figure = Figure(figsize=(width, 2.4), layout="constrained")
        axes = figure.subplots()
        axes.plot([1, 2], label="a curve")
        axes.set(xlabel="iterations", title="Title")
        figure.legend(loc="outside lower right")
        figures.save(figure, stored, protocol)  # type: ignore[arg-type]
    return stored.getvalue()


def check_svg(content: bytes, protocol: str) -> None:
    """All words of the label are there, in lines inside the page, also in a font that is a tenth wider."""
    root = ElementTree.fromstring(content)
    left, top, right, bottom = map(float, root.get("viewBox", "").split())
    lines = [text for text in root.iter(f"{SVG}text") if f"fill: {figures.LABEL_COLOR}" in text.get("style", "")]
    assert " ".join("".join(line.itertext()) for line in lines) == figures.LABELS[protocol]
    for line in lines:
        # Several lines are moved to their beginnings; one is put by its middle, at x and y.
        x, y = map(float, re.findall(r"[\d.]+", line.get("transform", ""))[-2:])
        width = measured("".join(line.itertext()), 72)
        middle = x if "text-anchor: middle" in line.get("style", "") else x + width / 2
        assert left < middle - 0.55 * width and middle + 0.55 * width < right and top < y - figures.LABEL_SIZE and y < bottom


def check_png(content: bytes, protocol: str) -> None:
    """The strip below holds the label in as many lines as its words need, nothing else, and all of it inside."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    letters = int(72 * width / DPI / (0.7 * figures.LABEL_SIZE))
    count = len(wrap(figures.LABELS[protocol], letters))
    strip = pixels[height - round((count + 1) * figures.LABEL_LINE * DPI) :]
    red, green, blue = np.moveaxis(strip, -1, 0)
    assert (green == blue).all() and (np.abs((255 - red) - (255 - green) * 95 / 255) < 4).all()  # mixed of white and #a00000
    inked = green < 200
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    assert columns[0] >= 3 and columns[-1] < width - 3 and rows[0] >= 3 and rows[-1] < len(strip) - 3
    assert 1 + np.count_nonzero(np.diff(rows) > 3) == count
    # The words' own width: cut at an edge they would have less.
    widest = max(measured(text, DPI) for text in wrap(figures.LABELS[protocol], letters))
    assert columns[-1] - columns[0] == pytest.approx(widest, abs=6)


def measured(text: str, dpi: int) -> float:
    """The width of a label's line, in pixels."""
    return RendererAgg(10, 10, dpi).get_text_width_height_descent(text, FontProperties(size=figures.LABEL_SIZE), ismath=False)[0]


@pytest.mark.parametrize("protocol", LABELLED)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_label_is_whole_at_any_width(width: float, protocol: str) -> None:
    check_svg(drawn(width, protocol, "svg"), protocol)
    check_png(drawn(width, protocol, "png"), protocol)


@pytest.mark.parametrize("width", WIDTHS)
def test_above_the_label_the_figure_is_as_it_is_without(width: float) -> None:
    """So nothing lies over a legend, and nothing is moved."""
    plain, labelled = (np.asarray(Image.open(io.BytesIO(drawn(width, protocol, "png")))) for protocol in ("full", "miniature"))
    assert plain.shape[:2] == (360, round(width * DPI)) and len(labelled) > 360
    assert np.array_equal(labelled[:360], plain)
    assert b"Miniature" not in drawn(width, "full", "svg") and drawn(width, "full", "svg").count(b"a00000") == 0


def test_all_committed_figures_say_that_they_are_miniatures() -> None:
    if yaml.safe_load((ROOT / "params.yaml").read_text())["scale"] != "mini":
        pytest.skip("another scale is in force, whose figures these may be")
    files = sorted((ROOT / "reports/figures").rglob("figure_*.[sp][vn]g"))
    assert len(files) == 55
    for file in files:
        (check_svg if file.suffix == ".svg" else check_png)(file.read_bytes(), "miniature")


def test_a_figure_may_have_a_file_for_each_letter_and_for_each_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "figures/ch7_mmc"
    folder.mkdir(parents=True)
    for name in ("7_11b.svg", "7_11c.png", "7_12_cub200_texts.svg", "7_3.png", "7_3x3.png"):
        (folder / f"figure_{name}").touch()
    (folder / "figure_7_12_cub200_texts.csv").write_text("model,mean\n")
    lines = gallery.page(tmp_path / "figures").splitlines()
    assert [line for line in lines if line.startswith(("###", "!", "-"))] == [
        "### Figure 7.3", "![Figure 7.3](figures/ch7_mmc/figure_7_3.png)",
        "### Figure 7.11", "![Figure 7.11b](figures/ch7_mmc/figure_7_11b.svg)", "![Figure 7.11c](figures/ch7_mmc/figure_7_11c.png)",
        "### Figure 7.12", "![Figure 7.12, cub200_texts](figures/ch7_mmc/figure_7_12_cub200_texts.svg)",
        "- [figure_7_12_cub200_texts.csv](figures/ch7_mmc/figure_7_12_cub200_texts.csv): model, mean",
    ]  # fmt: skip


def test_fusion_weights_over_training_are_means_over_seeds() -> None:
    columns = ["model", "seed", "iteration", "fusion_weight_1", "fusion_weight_1_sd", "fusion_weight_2", "fusion_weight_2_sd"]
    rows = [
        ("cfn", 0, 10, 0.2, 0.0, 0.4, 0.1),
        ("cfn", 1, 10, 0.4, 0.2, 0.4, 0.3),
        ("cfn", 0, 20, 1, 0, 1, 0),
        ("other", 0, 10, 9, 9, 9, 9),
    ]
    curve = figures.fusion_weight_curve(pd.DataFrame(rows, columns=columns), "cfn", 2)
    assert curve.index.tolist() == [10, 20] and list(curve.columns) == columns[3:]
    np.testing.assert_allclose(curve.loc[10], [0.3, 0.1, 0.4, 0.2])


def test_feature_maps_as_rows() -> None:
    maps = np.array([[[[0.5, 1.23456]], [[2.0, 3.0]]]])  # of one picture two maps, 1 x 2
    rows = figures.map_rows({"branch_2": maps, "images": np.zeros((1, 8, 8, 3)), "branch_1": maps + 1})
    assert rows[1] == {"branch": "1", "picture": 0, "rank": 2, "size": 2, "values": "3.000 4.000"}
    assert rows[2] == {"branch": "2", "picture": 0, "rank": 1, "size": 2, "values": "0.500 1.235"} and len(rows) == 4
