"""Chapter 3's stages on a world of a few small pictures: each against what its parts say, and one that learns."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import composed
import numpy as np
import pandas as pd
import pytest
import scipy.io
import stage_runs
import torch
from PIL import Image

from stages.ch3_edges import annotations, canny, data, detect, evaluate, figures, forest, labels, panels, predict, prepare, relax, train
from stages.ch3_edges.detection_settings import ForestSettings
from stages.ch3_edges.detectors import structured_edges
from stages.ch3_edges.training_settings import Variant
from stages.core import metrics, runtime, settings
from stages.core.errors import UserError
from stages.datasets import bsds500, nyud_v2, pascal_context
from stages.datasets.edges import read_boundaries
from stages.datasets.pictures import read_image
from stages.metrics.edge_maps import read_map, write_map
from stages.metrics.nms import thin_edges
from stages.miniatures.bsds500 import write as write_bsds500
from stages.miniatures.nyud_v2 import write as write_nyud_v2
from stages.miniatures.pascal_context import write as write_pascal_context
from stages.miniatures.vgg16 import write as write_vgg16

torch.set_num_threads(1)
EDGES: dict[str, Any] = composed.params(
    ch3_edges={
        "models": {"general": ["baseline-2", "fcfn"], "relaxed": [], "pretrained": [], "finetuned": [], "transferred": ["baseline-2"]},
        "forest": {"trees": 2, "samples": 600, "node_features": 20, "depth": 8, "min_leaf": 4, "pairs": 40, "components": 3},
        "detectors": {"canny_sigma": 2},
        "prepare": {"size": [48, 48]},
        "training": {"batch_size": 2, "log_every": 5, "checkpoint_every": 50},
        "variants": {"general": {"fcfn": {"recipe": {"iterations": 5, "learning_rate": 1e-6}}}},
        "recipes": {"general": {"iterations": 5}, "pretrained": {"iterations": 5}},
        "thresholds": 9,
        "figures": {"images": 1},
    }
)["ch3_edges"]
VARIANTS = [(kind, name) for kind, entries in EDGES["variants"].items() for name in entries]


PARAMS = stage_runs.PARAMS | {"ch3_edges": EDGES}


def run(module: ModuleType, words: str = "", **changes: Any) -> stage_runs.Here:
    """Run a stage's main; `changes` of the chapter's parameters. Returns its job."""
    return stage_runs.run_main(module, words, {"ch3_edges": EDGES | changes})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the data sets, prepared, relaxed, two trained networks, their maps and metrics."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sources = Path("data/mini/sources")
        write_bsds500(sources / "bsds500", train=4, val=1, test=2, width=64, height=48, seed=0)
        write_pascal_context(sources / "pascal_context", images=4, width=64, height=48, seed=1)
        write_nyud_v2(sources / "nyud_v2", train=1, val=1, test=2, width=64, height=48, seed=2)
        write_vgg16(sources / "vgg16", widths=[4, 4, 6, 8, 8], seed=3)
        for name in ("bsds500", "pascal_context", "nyud_v2", "vgg16"):
            (sources / name / "provenance.json").write_text(json.dumps({"dataset": name, "kind": "miniature", "note": "made"}))
        for module, words in (
            (prepare, "bsds500"), (prepare, "pascal_context"), (forest, "bsds500"), (relax, "bsds500"), (detect, "bsds500"),
            (train, "bsds500 baseline-2 --seed 0"), (train, "bsds500 fcfn --seed 0"), (train, "pascal_context cea --seed 0"),
            (predict, "bsds500"), (predict, "nyud_v2"),
            (evaluate, "bsds500 detectors"), (evaluate, "bsds500 networks"), (evaluate, "nyud_v2 networks"),
        ):  # fmt: skip
            run(module, words)
    return folder


def ready_maps(folder: Path) -> Path:
    """Where ready maps of bsds500 lie in `folder`."""
    (folder / "bsds500").mkdir(exist_ok=True)
    return folder / "bsds500"


def bits(file: str) -> np.ndarray:
    return np.unpackbits(np.load(file), axis=-1, count=48).view(bool)


def test_prepared_images_and_edges_are_those_of_the_data_set(here):
    folder = "data/mini/prepared/ch3_edges/bsds500"
    images, thin, thick = np.load(f"{folder}/images.npy"), bits(f"{folder}/truth.npy"), bits(f"{folder}/truth_dilated.npy")
    examples = bsds500.list_split(Path("data/mini/sources/bsds500"), "train")
    assert images.shape == (4, 3, 48, 48)
    assert Path(folder, "names.txt").read_text().split() == [example.name for example in examples]
    for row, example in enumerate(examples):
        agreed = read_boundaries(example.ground_truth).sum(axis=0) >= 3
        assert np.array_equal(thin[row], prepare.resize_edges(agreed, (48, 48)))
        assert (thick[row] & ~prepare.dilate(thin[row], 2)).sum() == 0
        assert thick[row].sum() > 1.8 * thin[row].sum()
        picture = Image.open(example.image).resize((48, 48), Image.Resampling.BILINEAR)
        assert np.array_equal(images[row], np.asarray(picture).transpose(2, 0, 1))


def test_coarse_edges_are_borders_of_classes(tmp_path):
    """Two classes side by side, the border at a third of the picture; whatever the prepared size."""
    (tmp_path / "trainval").mkdir()
    scipy.io.savemat(
        tmp_path / "trainval/a.mat", {"LabelMap": np.repeat(np.array([[3, 3, 3, 3, 9, 9, 9, 9, 9, 9, 9, 9]], np.uint16), 9, axis=0)}
    )
    edges = prepare.edges_in(pascal_context.read_truth(tmp_path / "trainval/a.mat"), 3)
    assert np.argwhere(edges).tolist() == [[row, 3] for row in range(9)]
    assert np.argwhere(prepare.resize_edges(edges, (9, 24)))[:, 1].tolist() == [6, 7] * 9


def test_an_annotation_of_another_size_or_of_too_few_is_named(here):
    example = bsds500.list_split(Path("data/mini/sources/bsds500"), "train")[0]
    with pytest.raises(UserError, match=rf"{example.ground_truth} is of \(48, 64\) pixels and {example.image} of \(48, 60\)"):
        prepare.edges_of(example, np.zeros((48, 60, 3), np.uint8), bsds500, 3)
    with pytest.raises(UserError, match=rf"{example.ground_truth}: annotators is 9, and \d marked the image"):
        prepare.edges_of(example, np.zeros((48, 64, 3), np.uint8), bsds500, 9)


def test_responses_are_the_detectors(here):
    images = np.load("data/mini/prepared/ch3_edges/bsds500/images.npy")
    folder = "data/mini/relaxed/ch3_edges/bsds500"
    found = {name: bits(f"{folder}/{name}.npy") for name in ("canny", "se", "gpb")}
    assert {responses.shape for responses in found.values()} == {(4, 5, 48, 48)}
    assert np.array_equal(found["canny"][2], canny.responses(images[2].transpose(1, 2, 0)))
    examples = bsds500.list_split(Path("data/mini/sources/bsds500"), "train")
    contours = bsds500.read_contours(Path("data/mini/sources/bsds500"), "train", examples[1].name)
    small = np.asarray(Image.fromarray(contours.astype(np.float32)).resize((48, 48), Image.Resampling.BILINEAR))
    for k, eta in enumerate((0.5, 1, 1.5, 2, 2.5)):
        assert np.array_equal(found["gpb"][1, k], small > eta * small.mean(dtype=float))
    assert 0 < found["se"].mean() < 0.5


def test_ready_maps_take_the_forests_place(here, tmp_path):
    examples = bsds500.list_split(Path("data/mini/sources/bsds500"), "train")
    rng = np.random.default_rng(0)
    maps = {example.name: rng.random((48, 64)) for example in examples}
    for name, edges in maps.items():
        np.save(ready_maps(tmp_path) / f"{name}.npy", edges)
    job = run(relax, "bsds500", structured_edges=str(tmp_path), relaxed={"canny_high": 0.7, "se_thinned": False})
    found = bits("data/mini/relaxed/ch3_edges/bsds500/se.npy")[0]
    resized = relax.resize_map(maps[examples[0].name], (48, 48))
    assert np.array_equal(found, labels.map_responses(resized))
    assert job.notes["se_images_per_second"] > 0
    run(relax, "bsds500", structured_edges=str(tmp_path))  # thinned first, at the original size
    thinned = relax.resize_map(thin_edges(maps[examples[0].name]), (48, 48))
    assert np.array_equal(bits("data/mini/relaxed/ch3_edges/bsds500/se.npy")[0], labels.map_responses(thinned))
    run(relax, "bsds500")  # as it was
    image = np.zeros((48, 64, 3), np.uint8)
    folder = ready_maps(tmp_path)
    ready = structured_edges(folder, settings.build(ForestSettings, EDGES["forest"]), [1])
    with pytest.raises(UserError, match=r"neither forest\.npz nor strange\.png"):
        ready("strange", image)
    np.save(folder / "strange.npy", np.zeros((5, 5)))
    with pytest.raises(UserError, match=r"strange\.npy is 5 x 5 and its image 48 x 64"):
        ready("strange", image)
    write_map(folder / "strange.png", np.zeros((48, 64)))
    with pytest.raises(UserError, match=r"has strange\.png and strange\.npy: it needs a forest, or one map an image"):
        ready("strange", image)


def test_a_set_without_gpbs_maps_is_one_sentence(here):
    with pytest.raises(
        UserError, match=r"^stages/datasets/nyud_v2\.py has no read_contours, .*: take nyud_v2 from ch3_edges\.sets\.train$"
    ):
        run(detect, "nyud_v2")


def test_a_batch_holds_images_labels_and_truth(here):
    prepared, responses = Path("data/mini/prepared/ch3_edges/bsds500"), Path("data/mini/relaxed/ch3_edges/bsds500/canny.npy")
    images = data.read(prepared, responses, dilated=True)
    rows = torch.tensor([3, 1])
    pixels, side_labels, truth = images.batch(rows, (1, 2, 3), torch.device("cpu"))
    thick, found = bits(str(prepared / "truth_dilated.npy"))[[3, 1]], bits(str(responses))[[3, 1]]
    assert np.array_equal(truth[:, 0].numpy(), thick)
    assert np.array_equal(side_labels.numpy(), labels.supervision(found, thick, (1, 2, 3)))
    first = np.load(prepared / "images.npy")[3].astype(np.float32) - np.array([122.67892, 116.66877, 104.00699]).reshape(3, 1, 1)
    np.testing.assert_allclose(pixels[0], first, rtol=1e-5, atol=1e-5)
    assert not (data.read(prepared, None, dilated=False).batch(rows, range(1, 6), torch.device("cpu"))[1] == 2).any()


def test_a_training_needs_no_more_than_torch_and_numpy():
    absent = ["scipy", "skimage", "sklearn", "PIL", "numba", "tqdm", "pandas", "matplotlib", "yaml"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import stages.ch3_edges.train"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent).returncode == 0


@pytest.mark.parametrize(("kind", "name"), VARIANTS)
def test_every_variant_reaches_every_parameter_that_it_supervises(kind, name, here):
    variant = settings.build(Variant, EDGES["variants"][kind][name])
    dataset = "pascal_context" if kind == "pretrained" else "bsds500"
    relaxed = Path(f"data/mini/relaxed/ch3_edges/{dataset}/{variant.relaxed}.npy") if variant.relaxed else None
    images = data.read(Path(f"data/mini/prepared/ch3_edges/{dataset}"), relaxed, variant.dilated)
    model = train.initial_model(variant, images.size, None, stage_runs.Here("", "", [], [], PARAMS))
    pixels, side_labels, truth = images.batch(torch.arange(2), variant.sides, torch.device("cpu"))
    for score in model.scores:  # they start at 0, where nothing below them would get a gradient
        torch.nn.init.normal_(score.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    sides, fused = model(pixels)
    train.loss.deep_supervision_loss(sides, fused, side_labels, truth).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    assert all(parameter.grad.any() for key, parameter in model.named_parameters() if key.endswith("weight"))
    assert all((side_labels[:, k - 1] == 2).all() != (k in variant.sides) for k in range(1, 6))


def test_fine_tuning_starts_from_the_pretrained_weights(here):
    job = stage_runs.Here("", "", [], [], PARAMS)
    start = runtime.load(Path("data/mini/models/ch3_edges/pascal_context/cea-seed0/model.pt"))
    model = train.initial_model(Variant(relaxed="se"), (48, 48), "pascal_context/cea-seed0", job)
    assert all(torch.equal(value, start[key]) for key, value in model.state_dict().items())
    fresh = train.initial_model(Variant(relaxed="se"), (48, 48), None, job)
    assert not torch.equal(fresh.state_dict()["blocks.0.0.weight"], start["blocks.0.0.weight"])


def test_a_fine_tuned_network_is_named_after_its_start(here):
    run(train, "bsds500 rds-se --start pascal_context/cea --seed 0")
    folder = Path("data/mini/models/ch3_edges/bsds500/rds-se-cea-seed0")
    assert json.loads((folder / "about.json").read_text())["iterations"] == EDGES["recipes"]["finetuned"]["iterations"]
    shutil.rmtree(folder)


def test_a_batch_of_more_images_than_there_are_is_one_sentence(here):
    with pytest.raises(UserError, match=r"training\.batch_size is 5, and bsds500 has 4 training images"):
        run(train, "bsds500 baseline-2 --seed 0", training=EDGES["training"] | {"batch_size": 5})


def test_a_training_learns_and_leaves_what_made_it(here):
    recipes = {"relaxed": {"iterations": 40, "learning_rate": 1e-6, "balanced": False}}
    job = run(train, "bsds500 rds-se --seed 0", recipes=recipes)
    folder = Path("data/mini/models/ch3_edges/bsds500/rds-se-seed0")
    curve = pd.read_csv(folder / "curve.csv")
    assert curve.iteration.tolist() == list(range(5, 41, 5))
    assert curve.train_loss.iloc[-1] < 0.9 * curve.train_loss.iloc[0]
    about = json.loads((folder / "about.json").read_text())
    assert (about["iterations"], about["determinism"], about["encoder"]) == (40, "bitwise", "VGG-16, miniature weights")
    assert job.notes["train_seconds"] > 0
    before = (folder / "model.pt").read_bytes()
    run(train, "bsds500 rds-se --seed 0", recipes=recipes)
    assert (folder / "model.pt").read_bytes() == before
    shutil.rmtree(folder)


def test_predictions_are_thinned_fusions_in_8_bits(here):
    example = bsds500.list_split(Path("data/mini/sources/bsds500"), "test")[0]
    folder = Path("data/mini/predictions/ch3_edges/bsds500/networks")
    vgg16 = runtime.load(Path("data/mini/sources/vgg16/vgg16_features.pth"))
    for name in ("baseline-2", "fcfn"):  # trained at 48 x 48, tested at 48 x 64
        model = predict.load(Path(f"data/mini/models/ch3_edges/bsds500/{name}-seed0"), vgg16, torch.device("cpu"))
        edges = predict.fused_map(model, read_image(example.image), runtime.Runtime("cpu", 1, "fp32"), torch.device("cpu"))
        assert np.abs(read_map(folder / "whole" / name / f"{example.name}.png") - edges).max() <= 0.5 / 255 + 1e-6
        stored = read_map(folder / f"{name}-seed0" / f"{example.name}.png")
        assert np.abs(stored - thin_edges(edges)).max() <= 0.5 / 255 + 1e-6
    assert len(list((folder / "whole").rglob("*.png"))) == 2  # of one image


def test_detectors_maps_are_thinned_where_they_are_thick(here, tmp_path):
    source, folder = Path("data/mini/sources/bsds500"), Path("data/mini/predictions/ch3_edges/bsds500/detectors")
    examples = bsds500.list_split(source, "test")
    rng = np.random.default_rng(1)
    maps = {example.name: rng.random((48, 64)) for example in examples}
    for name, edges in maps.items():
        np.save(ready_maps(tmp_path) / f"{name}.npy", edges)
    run(detect, "bsds500", structured_edges=str(tmp_path))
    for example in examples:
        found = {name: read_map(folder / name / f"{example.name}.png") for name in evaluate.DETECTORS}
        expected = {
            "se": thin_edges(maps[example.name]),
            "gpb-owt-ucm": bsds500.read_contours(source, "test", example.name),
            "canny": canny.strength(read_image(example.image), 2),
        }
        assert all(np.abs(found[name] - expected[name]).max() <= 0.5 / 255 + 1e-6 for name in found)
    run(evaluate, "bsds500 detectors")
    records = metrics.read(Path("reports/metrics/ch3_edges/detectors.json")).records
    assert {record.encoder for record in records if record.model == "se"} == {f"ready maps, {tmp_path}/bsds500"}
    run(detect, "bsds500")  # as it was
    run(evaluate, "bsds500 detectors")
    records = metrics.read(Path("reports/metrics/ch3_edges/detectors.json")).records
    assert {(record.model, record.encoder) for record in records} == {("canny", None), ("gpb-owt-ucm", None), ("se", "forest trained here")}


def test_metrics_files_name_models_and_their_origin(here):
    networks = metrics.read(Path("reports/metrics/ch3_edges/bsds500.json"))
    assert {record.model for record in networks.records} == {"baseline-2", "fcfn"}
    assert {record.n for record in networks.records} == {2}
    assert {record.encoder for record in networks.records} == {"VGG-16, miniature weights"}
    detectors = metrics.read(Path("reports/metrics/ch3_edges/detectors.json"))
    assert {record.model for record in detectors.records} == {"canny", "se", "gpb-owt-ucm"}
    nyud = metrics.read(Path("reports/metrics/ch3_edges/nyud_v2.json"))
    assert {record.metric for record in nyud.records} >= {"ods", "ods_011"}
    values = {record.metric: record.value for record in nyud.records}
    assert values["ods_011"] >= values["ods"]
    assert len(pd.read_csv("reports/metrics/ch3_edges/nyud_v2.pr.csv")) == 2 * 9


def test_the_truth_scores_1_and_nothing_scores_0(here):
    """NYUD has one annotator, whose edges are a perfect prediction; a constant map finds nothing."""
    folder = Path("data/mini/predictions/ch3_edges/nyud_v2/networks/baseline-2-seed0")
    kept = {file: file.read_bytes() for file in folder.iterdir()}
    try:
        for fill, expected in (("truth", 1), ("nothing", 0)):
            for example in nyud_v2.list_split(Path("data/mini/sources/nyud_v2"), "test"):
                truth = read_boundaries(example.ground_truth)[0].astype(float)
                write_map(folder / f"{example.name}.png", truth if fill == "truth" else 0 * truth)
            run(evaluate, "nyud_v2 networks")
            values = {record.metric: record.value for record in metrics.read(Path("reports/metrics/ch3_edges/nyud_v2.json")).records}
            assert values["ods"] == values["ois"] == values["ods_011"] == pytest.approx(expected)
    finally:
        for file, content in kept.items():
            file.write_bytes(content)
        run(evaluate, "nyud_v2 networks")


def test_a_shortened_schedule_shortens_no_detector(here, tmp_path):
    params = PARAMS | {"protocol": "shortened"}
    for experiment, part, protocol in (("detectors", "detectors", "full"), ("bsds500", "networks", "shortened")):
        kept = Path(f"reports/metrics/ch3_edges/{experiment}.json").read_bytes()
        stage_runs.run_main(evaluate, f"bsds500 {part}", params)
        assert metrics.read(Path(f"reports/metrics/ch3_edges/{experiment}.json")).protocol == protocol
        Path(f"reports/metrics/ch3_edges/{experiment}.json").write_bytes(kept)


def test_figure_3_8_has_every_curve_and_every_printed_score(here):
    shutil.copytree(Path(__file__).parent.parent / figures.PUBLISHED, figures.PUBLISHED, dirs_exist_ok=True)
    run(figures, "bsds500")
    table = pd.read_csv("reports/figures/ch3_edges/figure_3_8.csv")
    lines = table.dropna(subset="threshold")
    assert lines.groupby("model", sort=False).size().to_dict() == dict.fromkeys(["canny", "se", "gpb-owt-ucm", "baseline-2", "fcfn"], 9)
    curves = pd.read_csv("reports/metrics/ch3_edges/bsds500.pr.csv")
    expected = curves[curves.model == "fcfn"].precision.to_numpy()
    np.testing.assert_allclose(lines[lines.model == "fcfn"].precision, expected, atol=1e-12)
    points = table[table.threshold.isna()].set_index("model").f
    assert points["HED-multiscale"] == 0.79
    assert len(points) == 16
    assert "] Baseline 2<" in Path("reports/figures/ch3_edges/figure_3_8.svg").read_text()  # its title, by the parameters
    assert "RDS (ours) (as printed)" in Path("reports/figures/ch3_edges/figure_3_8.svg").read_text()


def test_curves_of_several_seeds_are_averaged():
    curves = pd.DataFrame({"model": "m", "seed": [0, 1], "threshold": 0.5, "recall": [0.2, 0.4], "precision": [0.5, 0.9], "f": [0.1, 0.3]})
    assert figures.mean_curves(curves, ["m"])[["recall", "precision", "f"]].iloc[0].tolist() == pytest.approx([0.3, 0.7, 0.2])


def test_relaxed_panels_paint_what_is_relaxed():
    truth = np.array([[True, False, False, False]])
    responses = np.zeros((5, 1, 4), bool)
    responses[0] = [[True, True, False, False]]
    _, _, (title, picture), *_ = panels.relaxed_panels(np.zeros((1, 4, 3), np.uint8), truth, {"canny": responses, "se": responses})
    assert title == "Canny, σ = 1: 25.0% relaxed"
    assert picture[0].tolist() == [[0.2] * 3, list(panels.BLUE), [1] * 3, [1] * 3]


def test_a_grid_shows_maps_dark_on_white():
    figure = panels.grid([[("photograph", np.full((2, 3, 3), 7, np.uint8)), ("map", np.array([[0, 1.0, 0.25], [0, 0, 0]]))]])
    photograph, map_ = (axes.images[0].get_array() for axes in figure.axes)
    assert photograph.shape == (2, 3, 3)
    assert map_[0].tolist() == [1, 0, 0.75]


def test_figures_show_the_networks_that_there_are(here):
    run(panels, "bsds500")
    shown = {number: pd.read_csv(f"reports/figures/ch3_edges/figure_{number}.csv") for number in ("2_15", "3_7", "3_9", "3_3")}
    assert shown["2_15"].panel.tolist() == ["ground truth", "FCFN"]  # without HED, which was not trained
    assert shown["3_7"].panel.tolist() == shown["3_9"].panel.tolist() == ["ground truth"]
    run(annotations, "bsds500 pascal_context")
    panel = pd.read_csv("reports/figures/ch3_edges/figure_3_6.csv").panel
    assert panel.tolist() == ["fine edge annotations", "segmentation", "coarse edge annotations"]
