"""From trained networks to numbers and figures: predictions, metrics, curves, drawings."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score

from stages.ch2_fusion import data, evaluate, figures, predict
from stages.ch2_fusion.model import build
from stages.ch2_fusion.training_settings import Network, Variant
from stages.core import figures as core_figures
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.metrics.classification import error_percent

torch.set_num_threads(1)
NETWORK = Network(width=0.1, dropout=0.5, side_after_dropout=True, side_kernel_cifar100_b=3, conv_std=0.15, fc_std=0.1, fusion_init=0.333)


@pytest.fixture(scope="module")
def images():
    pixels = torch.randint(256, (30, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    labels = torch.arange(30) % 10
    return data.Images(pixels, labels, pixels.float().mean(dim=(1, 2, 3)), torch.full((30,), 60.0))


@pytest.fixture(scope="module")
def cfn():
    return build(Variant(base="a", fusion="local"), 10, NETWORK, torch.Generator().manual_seed(1))


def test_error_equals_another_librarys():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(500, 7)), rng.integers(7, size=500)
    assert error_percent(scores, labels) == pytest.approx(100 * (1 - accuracy_score(labels, scores.argmax(1))))


def test_error_is_unmoved_by_rescaled_scores():
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(200, 5)), rng.integers(5, size=200)
    assert error_percent(scores, labels) == error_percent(np.exp(3 * scores) + 2, labels)


def test_scores_do_not_depend_on_the_batch_and_leave_the_mode(cfn, images):
    cfn.train()
    runtime = Runtime("cpu", 1, "fp32")
    whole, parts = (data.scores_of(cfn, images, runtime, batch_size=size) for size in (30, 7))
    torch.testing.assert_close(whole, parts)
    assert cfn.training
    cfn.eval()
    torch.testing.assert_close(whole, cfn(images.batch(torch.arange(30))[0]).detach())


def test_top_maps_are_each_pictures_most_active(cfn, images):
    top = predict.top_maps(cfn, images)
    assert [maps.shape for maps in top.values()] == [(30, 4, 16, 16), (30, 4, 8, 8), (30, 4, 8, 8)]
    with torch.no_grad():
        maps = cfn.branch_maps(images.batch(torch.arange(30))[0])[2].numpy()
    for picture in (0, 17):
        activity = [maps[picture, channel].mean() for channel in range(maps.shape[1])]
        best = sorted(range(len(activity)), key=lambda channel: -activity[channel])[:4]
        np.testing.assert_array_equal(top["branch_3"][picture], maps[picture, best])


def test_figure_2_1_shows_the_first_picture_of_each_class(images):
    chosen = predict.first_of_each_class(data.Images(images.pixels, images.labels.flip(0), images.mean, images.divisor))
    assert chosen.labels.tolist() == list(range(10))
    assert torch.equal(chosen.pixels[9], images.pixels[0]) and torch.equal(chosen.pixels[0], images.pixels[9])


def test_records_by_hand(tmp_path):
    np.savez(tmp_path / "p.npz", scores=np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]), labels=np.array([1, 0, 0, 0]))
    curve = [{"iteration": "1", "fusion_weight_1": "0.3"}, {"iteration": "2", "fusion_weight_1": "0.25", "fusion_weight_1_sd": "0.1"}]
    about = {"determinism": "bitwise", "parameters": 12, "precision": "fp32"}
    records = evaluate.records_of("cfn-a", 3, Path("models/cfn-a-seed3"), tmp_path / "p.npz", curve, about)
    assert {record.trained for record in records} == {"models/cfn-a-seed3"}
    found = {record.metric: (record.value, record.n, record.seed, record.parameters) for record in records}
    assert found == {"error": (25.0, 4, 3, 12), "fusion_weight_1": (0.25, None, 3, 12)}


def test_scores_that_are_not_finite_are_no_result(tmp_path):
    np.savez(tmp_path / "p.npz", scores=np.array([[np.nan, 0.9]]), labels=np.array([1]))
    with pytest.raises(UserError, match="scores that are not finite: the training of cfn-a, seed 3"):
        evaluate.records_of("cfn-a", 3, Path("models/cfn-a-seed3"), tmp_path / "p.npz", [{}], {})


def curves() -> pd.DataFrame:
    rows = [
        {"model": model, "seed": seed, "iteration": iteration, "train_loss": 2.0 - iteration / 10 + seed, "test_error": error}
        | {f"fusion_weight_{branch}{suffix}": 0.1 * branch + seed for branch in (1, 2, 3) for suffix in ("", "_sd")}
        for model in ("cnn-a", "cfn-a")
        for seed in (0, 1)
        for iteration, error in ((5, np.nan), (10, 40.0 + 10 * seed))
    ]
    return pd.DataFrame(rows)


def test_curves_are_means_over_seeds_where_something_was_measured():
    losses = figures.mean_curve(curves(), "train_loss", ["cnn-a", "cfn-a"])
    assert list(losses) == ["cnn-a", "cfn-a"] and losses.loc[5, "cnn-a"] == pytest.approx((1.5 + 2.5) / 2)
    errors = figures.mean_curve(curves(), "test_error", ["cfn-a"])
    assert list(errors.index) == [10] and errors.loc[10, "cfn-a"] == 45
    assert core_figures.fusion_weight_curve(curves(), "cfn-a", 3).loc[10, "fusion_weight_3"] == pytest.approx(0.8)


def test_figures_say_what_they_are_worth_and_have_stable_bytes(tmp_path):
    table, colours = figures.mean_curve(curves(), "train_loss", ["cnn-a", "cfn-a"]), {"cnn-a": "#1f77b4", "cfn-a": "#d62728"}
    texts = []
    for name in ("one.svg", "two.svg"):
        core_figures.save(figures.draw_figure_2_7(table, table, colours), tmp_path / name, "miniature")
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert "Miniature: generated data" in texts[0] and "CFN-A" in texts[0] and "<dc:date>" not in texts[0]
    core_figures.save(figures.draw_figure_2_7(table, table, colours), tmp_path / "full.svg", "full")
    assert "Miniature" not in (tmp_path / "full.svg").read_text()


def test_figure_2_1_and_its_rows(cfn, images, tmp_path):
    chosen = predict.first_of_each_class(images)
    stored = {"cfn-a": {"images": chosen.pixels.numpy(), **predict.top_maps(cfn, chosen)}}
    rows = figures.activation_rows(stored)
    assert len(rows) == 10 * 3 * 4
    first = next(row for row in rows if (row["branch"], row["picture"], row["rank"]) == ("2", 3, 1))
    values = np.array([float(value) for value in first["values"].split()])
    np.testing.assert_allclose(values, stored["cfn-a"]["branch_2"][3, 0].ravel(), atol=6e-4)
    core_figures.save(figures.draw_figure_2_1(stored), tmp_path / "figure.png", "miniature")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_curve_files_are_read_as_written(tmp_path):
    from stages.core.files import read_csv, write_csv

    write_csv(tmp_path / "c.csv", [{"iteration": 1, "train_loss": 0.1 + 0.2}, {"iteration": 2, "train_loss": 1e-17, "test_error": 5.0}])
    assert read_csv(tmp_path / "c.csv") == [
        {"iteration": "1", "train_loss": "0.30000000000000004", "test_error": ""},
        {"iteration": "2", "train_loss": "1e-17", "test_error": "5.0"},
    ]
    with (tmp_path / "c.csv").open() as file:
        assert json.dumps(next(csv.reader(file))) == '["iteration", "train_loss", "test_error"]'
