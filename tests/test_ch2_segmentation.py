"""The stages of Section 2.4.4: images in their order, training by hand and resumed, predictions, metrics, the figure, wrong inputs."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import composed
import numpy as np
import pandas as pd
import pytest
import stage_runs
import torch
from conftest import REPOSITORY
from PIL import Image

from stages.ch2_segmentation import evaluate, panels, predict, train
from stages.ch2_segmentation.data import TrainingImages, pixels_of
from stages.ch2_segmentation.model import initial_model, trained_model
from stages.ch2_segmentation.training_settings import Network, Training, Variant
from stages.core import figures, loop, metrics, runtime, settings
from stages.core.ahead import in_turn
from stages.core.errors import UserError
from stages.core.seeds import generator, seed_for
from stages.datasets import pictures, voc2012
from stages.encoders.fcn8s import count_parameters
from stages.encoders.vgg16 import normalise, weights_of
from stages.metrics.segmentation import mean_iou
from stages.miniatures import vgg16 as vgg16_miniature
from stages.miniatures import vgg16_imagenet as vgg16_imagenet_miniature
from stages.miniatures import voc2012 as voc2012_miniature

torch.set_num_threads(1)
SMALL: dict[str, Any] = {
    "seeds": [0, 1],
    "variants": {"fcfn": {"score_std": 0.01, "score_bias": 1}},
    "network": {"size": [60, 64], "fc": 12, "skip_scales": [1, 1]},
    "training": {"iterations": 6, "learning_rate": 1e-3, "fusion_rate": 10, "mirror": True, "log_every": 2, "checkpoint_every": 2},
    "figures": {"images": 2},
}
MODELS = ("fcn-8s", "fcfn")
PARAMS = composed.params(ch2_segmentation=SMALL)["ch2_segmentation"]
NETWORK = settings.build(Network, PARAMS["network"])
TRAINING = settings.build(Training, PARAMS["training"])
VARIANTS = {name: settings.build(Variant, variant) for name, variant in PARAMS["variants"].items()}
SOURCE = Path("data/mini/sources/voc2012")
MODELS_FOLDER = Path("data/mini/models/ch2_segmentation/voc2012")
PREDICTIONS = Path("data/mini/predictions/ch2_segmentation/voc2012")


def run(module: ModuleType, words: str = "", **changes: Any) -> stage_runs.Here:
    """Run a stage's main on voc2012, with `changes` of sections of the chapter's parameters. Returns its job."""
    changed = {key: PARAMS[key] | value if isinstance(value, dict) else value for key, value in changes.items()}
    return stage_runs.run_main(module, f"voc2012 {words}", {"ch2_segmentation": PARAMS | changed})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the data set, both kinds of weights, trained networks, their predictions, metrics and figure."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sources = Path("data/mini/sources")
        voc2012_miniature.write(sources / "voc2012", train=3, val=4, extra=2, width=64, height=60, seed=0)
        vgg16_miniature.write(sources / "vgg16", widths=[4, 4, 6, 8, 8], seed=1)
        vgg16_imagenet_miniature.write(sources / "vgg16_imagenet", widths=[4, 4, 6, 8, 8], fc=12, seed=1)
        for name in ("voc2012", "vgg16", "vgg16_imagenet"):
            (sources / name / "provenance.json").write_text(json.dumps({"dataset": name, "kind": "miniature", "note": "made"}))
        for model in MODELS:
            for seed in (0, 1):
                for module in (train, predict):
                    run(module, f"{model} --seed {seed}")
        for module in (evaluate, panels):
            run(module)
    return folder


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    shutil.rmtree("data/checkpoints", ignore_errors=True)  # of an earlier training, which this one would go on from
    return world


def test_an_iteration_has_its_image_whenever_it_is_asked_for(here):
    examples = voc2012.train_examples(SOURCE)
    images = TrainingImages(voc2012, examples, loop.batches(len(examples), 1, ("order",), torch.device("cpu")), ("mirror",))
    batches = in_turn(images.batch, 12, threads=2)
    whole = [batches(iteration) for iteration in range(12)]
    later = in_turn(images.batch, 12, threads=2)
    for iteration in (7, 8):
        assert all(torch.equal(*pair) for pair in zip(later(iteration), whole[iteration], strict=True))
    mirrored = set()
    for iteration, (pixels, labels) in enumerate(whole):
        image, truth = voc2012.read_pair(examples[int(images.rows_of(iteration))])
        turned = not torch.equal(pixels, pixels_of(image))
        assert torch.equal(pixels, pixels_of(image[:, ::-1] if turned else image))
        assert np.array_equal(labels[0].numpy(), truth[:, ::-1] if turned else truth)
        mirrored.add(turned)
    assert mirrored == {True, False}
    plain = dataclasses.replace(images, seed=None)
    assert torch.equal(plain.batch(3)[0], pixels_of(voc2012.read_pair(examples[int(images.rows_of(3))])[0]))


def test_images_are_checked_before_the_training(here, tmp_path, monkeypatch):
    shutil.copytree("data/mini/sources", tmp_path / "data/mini/sources")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train.loop, "train", lambda *parts: pytest.fail("it was trained"))
    last = voc2012.val_examples(SOURCE)[-1]
    labels = np.asarray(Image.open(last.labels)).copy()
    with pytest.raises(UserError, match=r"pixels, more than the 30 x 60 that ch2_segmentation\.network\.size has weights for"):
        run(train, "fcfn --seed 0", network={"size": [60, 30]})
    labels[0, 0] = 77
    Image.fromarray(labels).save(last.labels)
    with pytest.raises(UserError, match=rf"{last.name}\.png .*77"):
        run(train, "fcn-8s --seed 0")


def test_nothing_is_mirrored_unless_it_is_asked_for(here):
    images = train.training_images(voc2012, SOURCE, dataclasses.replace(TRAINING, mirror=False), (60, 64), 0)
    for iteration in range(12):
        image, _ = voc2012.read_pair(images.examples[int(images.rows_of(iteration))])
        assert torch.equal(images.batch(iteration)[0], pixels_of(image))


def test_each_seed_has_its_own_predictions_and_metrics(here):
    found = metrics.read(Path("reports/metrics/ch2_segmentation/voc2012.json"))
    for model in MODELS:
        maps = [{file.name: file.read_bytes() for file in (PREDICTIONS / f"{model}-seed{seed}").iterdir()} for seed in (0, 1)]
        assert maps[0].keys() == maps[1].keys()
        assert maps[0] != maps[1] or model == "fcn-8s"  # whose scores, after so few steps from 0, may all be background's
        for seed in (0, 1):
            record = next(each for each in found.records if (each.model, each.seed, each.metric) == (model, seed, "pixel_accuracy"))
            right = of = 0
            for example in voc2012.val_examples(SOURCE):
                truth, said = (
                    np.asarray(Image.open(file)) for file in (example.labels, PREDICTIONS / f"{model}-seed{seed}/{example.name}.png")
                )
                right, of = right + int((truth == said).sum()), of + int((truth != 255).sum())
            assert record.value == pytest.approx(100 * right / of)
            assert record.encoder == "VGG-16 (vgg16_imagenet), miniature weights"
    table = pd.read_csv("reports/figures/ch2_segmentation/figure_2_14.csv").set_index("image")
    example = voc2012.val_examples(SOURCE)[0]
    first = evaluate.confusion_of_image(voc2012, example, PREDICTIONS / "fcfn-seed0")
    assert table.loc[example.name, "fcfn"] == pytest.approx(100 * mean_iou(first), abs=1e-4)


def test_a_training_leaves_what_made_it(here):
    folder = MODELS_FOLDER / "fcfn-seed0"
    before = (folder / "model.pt").read_bytes()
    job = run(train, "fcfn --seed 0")
    assert (folder / "model.pt").read_bytes() == before
    assert pd.read_csv(folder / "curve.csv").iteration.tolist() == [2, 4, 6]
    about = json.loads((folder / "about.json").read_text())
    assert (about["iterations"], about["determinism"], about["encoder"]) == (6, "bitwise", "VGG-16 (vgg16_imagenet), miniature weights")
    assert about["parameters"] == count_parameters(trained_model(VARIANTS["fcfn"], runtime.load(folder / "model.pt"), NETWORK))
    assert job.notes["train_seconds"] > 0


@pytest.mark.parametrize("name", MODELS)
def test_resumed_equals_uninterrupted(name, here, monkeypatch):
    """Stopped in the middle of its fourth step, and begun again: order, mirroring, dropout and momentum are as if it had not been."""
    folder = MODELS_FOLDER / f"{name}-seed0"
    expected = {file.name: file.read_bytes() for file in folder.iterdir()}
    steps = []
    original = train.segmentation_loss

    def failing(*args: Any) -> torch.Tensor:
        steps.append(len(steps))
        if len(steps) == 4:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(train, "segmentation_loss", failing)
    with pytest.raises(KeyboardInterrupt):
        run(train, f"{name} --seed 0")
    job = run(train, f"{name} --seed 0")
    assert job.notes["resumed"] and len(steps) == 4 + 4  # the third step and the fourth are made again
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == expected


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_first_steps_are_sgd_by_hand(here, reduction):
    """Three steps of FCFN: order, mirroring, normalisation, dropout, loss, momentum, decay, and the rates of biases and fusions."""
    changes = {"iterations": 3, "reduction": reduction, "learning_rate": 1e-3 if reduction == "mean" else 1e-6}
    run(train, "fcfn --seed 3", training=changes)
    found = runtime.load(MODELS_FOLDER / "fcfn-seed3/model.pt")
    shutil.rmtree(MODELS_FOLDER / "fcfn-seed3")
    weights = weights_of("vgg16_imagenet")
    random = generator(train.NAME, 3, "fcfn", "weights")
    vgg16 = runtime.load(Path("data/mini/sources/vgg16_imagenet/vgg16.pth"))
    model = initial_model(VARIANTS["fcfn"], vgg16, weights, NETWORK, 21, random)
    examples = voc2012.train_examples(SOURCE)
    rows = loop.batches(len(examples), 1, (train.NAME, 3), torch.device("cpu"))
    speed = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    torch.manual_seed(seed_for(train.NAME, 3, "fcfn", "dropout"))
    for iteration in range(3):
        image, labels = voc2012.read_pair(examples[int(rows(iteration))])
        if torch.rand((), generator=generator(train.NAME, 3, "mirror", iteration)) < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        deviations = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        log_p = model(torch.from_numpy(deviations.copy()).float().permute(2, 0, 1)[None]).log_softmax(1)[0]
        labels = torch.from_numpy(labels.astype(np.int64))
        places = (labels != 255).nonzero(as_tuple=True)
        losses = -log_p[(labels[places], *places)]
        model.zero_grad()
        (losses.mean() if reduction == "mean" else losses.sum()).backward()
        with torch.no_grad():
            for name, value in model.named_parameters():
                if name.startswith("upscore"):
                    continue
                bias = name.endswith("bias")
                speed[name] = 0.9 * speed[name] + value.grad + (0 if bias else 1e-4) * value
                value -= changes["learning_rate"] * (2 if bias else 1) * (10 if name.startswith("fuse") else 1) * speed[name]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5)


def test_a_training_from_convolutions_alone(here):
    folder = MODELS_FOLDER / "fcn-8s-seed7"
    run(train, "fcn-8s --seed 7", weights="vgg16", training={"iterations": 2, "learning_rate": 1e-5})
    state = runtime.load(folder / "model.pt")
    assert state["fc6.weight"].shape == (12, 8, 7, 7)
    start = runtime.load(Path("data/mini/sources/vgg16/vgg16_features.pth"))
    torch.testing.assert_close(state["blocks.0.0.weight"], start["features.0.weight"], rtol=0, atol=1e-4)
    shutil.rmtree(folder)


def test_predictions_are_the_most_likely_classes(here):
    examples = voc2012.val_examples(SOURCE)
    for name in MODELS:
        state = runtime.load(MODELS_FOLDER / f"{name}-seed0/model.pt")
        model = trained_model(VARIANTS[name], state, NETWORK)
        for example in examples:
            pixels = pixels_of(pictures.read_image(example.image))
            with torch.no_grad():
                expected = model(normalise(pixels, weights_of("vgg16_imagenet")))[0].argmax(0)
            with Image.open(PREDICTIONS / f"{name}-seed0/{example.name}.png") as stored:
                assert stored.mode == "L"
                assert np.array_equal(np.asarray(stored), expected)
        assert json.loads((PREDICTIONS / f"{name}-seed0/provenance.json").read_text())["kind"] == "miniature"
        assert json.loads((PREDICTIONS / f"{name}-seed0/about.json").read_text())["iterations"] == 6


def test_metrics_of_all_classes(here):
    found = metrics.read(Path("reports/metrics/ch2_segmentation/voc2012.json"))
    assert (found.chapter, found.experiment, found.dataset.kind) == ("ch2_segmentation", "voc2012", "miniature")
    assert {record.model for record in found.records} == set(MODELS)
    assert {(record.n, record.unit, record.encoder) for record in found.records} == {(4, "%", "VGG-16 (vgg16_imagenet), miniature weights")}
    curves = pd.read_csv("reports/metrics/ch2_segmentation/voc2012.training.csv")
    assert curves.groupby("model").size().to_dict() == {"fcn-8s": 6, "fcfn": 6}


def test_table_2_7_s_heads_are_voc_s_classes():
    assert set(evaluate.HEADS) < set(voc2012.CLASSES)
    assert list(voc2012.CLASSES)[1:] == sorted(voc2012.CLASSES[1:])  # VOC numbers them by name
    table = next((REPOSITORY / "stages/tables/published").rglob("table_2_7.yaml")).read_text()
    assert [name for name in voc2012.CLASSES[1:] if f"metric: iou_{evaluate.HEADS.get(name, name)}\n" not in table.replace(",", "\n")] == []


def test_metrics_of_a_table_of_counts_by_hand():
    confusion = np.zeros((21, 21), int)
    confusion[0, 0], confusion[0, 20], confusion[20, 20], confusion[15, 0] = 6, 2, 3, 1
    values = evaluate.values_of(confusion, voc2012.CLASSES)
    background, tv = 100 * 6 / 9, 100 * 3 / 5
    expected = {"iou_background": background, "iou_tv": tv, "iou_person": 0, "mean_iou": (background + tv) / 3, "mean_iou_20": tv / 2,
                "pixel_accuracy": 100 * 9 / 12}  # fmt: skip
    assert values == pytest.approx(expected)  # and nothing of the 18 classes that are nowhere
    assert "mean_iou_20" not in evaluate.values_of(np.eye(21, dtype=int) * (np.arange(21) == 0), voc2012.CLASSES)
    of_two = {"iou_sky": 50, "iou_tree": 75, "mean_iou": 62.5, "pixel_accuracy": 80}  # which is no background, and has a mean of its own
    assert evaluate.values_of(np.array([[1, 0], [1, 3]]), ("sky", "tree")) == pytest.approx(of_two)


def test_the_truth_scores_100(here):
    folder = PREDICTIONS / "fcfn-seed0"
    kept = {file: file.read_bytes() for file in folder.glob("*.png")}
    try:
        for example in voc2012.val_examples(SOURCE):
            truth = voc2012.read_labels(example.labels)
            predict.write_labels(folder / f"{example.name}.png", np.where(truth == 255, np.uint8(0), truth))
        run(evaluate)
        records = metrics.read(Path("reports/metrics/ch2_segmentation/voc2012.json")).records
        assert {record.value for record in records if (record.model, record.seed) == ("fcfn", 0)} == {100}
        assert {record.value for record in records if (record.model, record.seed) == ("fcfn", 1)} != {100}
        run(panels)
        table = pd.read_csv("reports/figures/ch2_segmentation/figure_2_14.csv")
        assert (table.fcfn == 100).all()
        assert table["fcn-8s"].is_monotonic_increasing and table.shown.tolist() == [1, 1, 0, 0]
    finally:
        for file, content in kept.items():
            file.write_bytes(content)
        run(evaluate)
        run(panels)


def test_panels_show_vocs_colours(here):
    examples = voc2012.val_examples(SOURCE)
    folders = {name: PREDICTIONS / f"{name}-seed0" for name in MODELS}
    row = panels.scores(voc2012, examples, folders)[0]
    found = panels.panels_of(voc2012, row, folders, {"fcn-8s": "FCN-8s", "fcfn": "FCFN"})
    assert [title.split(",")[0] for title, _ in found] == [f"image {row[0].name}", "ground truth", "FCN-8s", "FCFN"]
    truth = voc2012.read_labels(row[0].labels)
    assert (found[1][1][truth == 255] == [224, 224, 192]).all() and not found[1][1][truth == 0].any()
    assert len(figures.grid([found, found]).axes) == 8
    assert Image.open("reports/figures/ch2_segmentation/figure_2_14.png").format == "PNG"


def test_wrong_predictions_and_settings(here):
    example = voc2012.val_examples(SOURCE)[0]
    file = PREDICTIONS / f"fcn-8s-seed0/{example.name}.png"
    kept = file.read_bytes()
    try:
        predict.write_labels(file, np.zeros((3, 4), np.uint8))
        with pytest.raises(UserError, match=rf"{example.name}\.png is of \(3, 4\) pixels and .* predict again"):
            run(evaluate)
        predict.write_labels(file, np.full_like(voc2012.read_labels(example.labels), 255))
        with pytest.raises(UserError, match=rf"{example.name}\.png leaves pixels without a class: predict again"):
            run(evaluate)
    finally:
        file.write_bytes(kept)
        run(evaluate)
    with pytest.raises(UserError, match=r"Figure 2\.14 shows fcn-8s and fcfn of one seed, and no seed has both: train them"):
        run(panels, seeds=[5])
    with pytest.raises(UserError, match=r"has \d+ x \d+ pixels, more than the 48 x 48 that"):
        run(train, "fcfn --seed 9", network={"size": [48, 48]})
