"""The stages of Section 2.4.1 on a set of noise: what each role of a set gets, and what an entry of the variants does."""

import json
from pathlib import Path
from types import ModuleType

import composed
import numpy as np
import pandas as pd
import pytest
import stage_runs
import torch

from stages.ch2_fusion import architectures, evaluate, experiments, figures, predict, prepare, train
from stages.core import metrics, runtime

torch.set_num_threads(1)
SET = "noise"  # a name that no code knows
PARAMS = composed.params(
    ch2_fusion={
        "sets": {"plain": [SET], "augmented": [SET], "shown": [SET]},
        "variants": {"mine": {"base": "a", "fusion": "conv", "late": True}},  # nor this one
        "models": {"plain": ["cnn-a", "mine"], "augmented": ["mine"]},
        "counted": {SET: 12},
        "network": {"width": 0.05},
        "training": {"iterations": 4, "batch_size": 10, "learning_rate_steps": [3], "log_every": 2, "test_every": 4, "checkpoint_every": 2},
        "figures": {"curves": ["cnn-a", "cfn-a", "mine"], "activations": ["mine"], "weights": "mine"},
    }
)["ch2_fusion"]


def run(module: ModuleType, words: str = "") -> None:
    stage_runs.run_main(module, words, {"ch2_fusion": PARAMS})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which everything has run."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepared, random = Path(f"data/mini/prepared/{SET}"), np.random.default_rng(0)
        prepared.mkdir(parents=True)
        for part, count in (("train", 40), ("test", 24)):
            images = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
            prepare.write_part(prepared, part, images, np.arange(count) % 12, 55)
        (prepared / "classes.txt").write_text("".join(f"class {number}\n" for number in range(12)))
        (prepared / "provenance.json").write_text(json.dumps({"dataset": SET, "kind": "miniature", "note": "made"}))
        for words in (f"{SET} cnn-a --seed 0", f"{SET} mine --seed 0", f"{SET}_augmented mine --seed 0"):
            run(train, words)
        for experiment in (SET, f"{SET}_augmented"):
            run(predict, experiment)
            run(evaluate, experiment)
        run(architectures, "cifar10")
        run(figures, SET)
    return folder


@pytest.fixture(autouse=True)
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


def test_an_experiment_is_a_set_with_or_without_augmentation() -> None:
    assert [experiments.dataset_of(name) for name in ("cifar10", "cifar10_augmented")] == ["cifar10", "cifar10"]
    assert [experiments.role_of(name) for name in ("cifar10", "cifar10_augmented")] == ["plain", "augmented"]


def test_each_role_has_its_networks_and_its_metrics() -> None:
    for experiment, models in ((SET, {"cnn-a", "mine"}), (f"{SET}_augmented", {"mine"})):
        file = metrics.read(Path(f"reports/metrics/ch2_fusion/{experiment}.json"))
        assert (file.experiment, file.dataset.name, file.dataset.kind) == (experiment, experiment, "miniature")
        assert {record.model for record in file.records} == models
        for record in file.records:
            assert record.trained == f"data/mini/models/ch2_fusion/{experiment}/{record.model}-seed0"
        curve = pd.read_csv(f"reports/metrics/ch2_fusion/{experiment}.training.csv")
        assert curve[curve.model == "mine"].iteration.tolist() == [2, 4]
        assert curve[curve.model == "mine"].lr.tolist() == pytest.approx([0.1, 0.01])


def test_augmentation_is_another_training() -> None:
    plain, augmented = (
        runtime.load(Path(f"data/mini/models/ch2_fusion/{experiment}/mine-seed0/model.pt")) for experiment in (SET, f"{SET}_augmented")
    )
    assert plain.keys() == augmented.keys()
    assert not torch.equal(plain["block1.0.weight"], augmented["block1.0.weight"])


def test_maps_are_stored_of_the_set_that_is_shown_only() -> None:
    stored = {file.parent.name for file in Path("data/mini/predictions/ch2_fusion").rglob("*-activations.npz")}
    assert stored == {SET}
    table = pd.read_csv("reports/figures/ch2_fusion/figure_2_1.csv")
    assert set(table.model) == {"mine"} and len(table) == 10 * 3 * 4


def test_figure_2_7_shows_what_is_trained_in_the_order_of_its_colours() -> None:
    assert list(pd.read_csv("reports/figures/ch2_fusion/figure_2_7b.csv", index_col="iteration")) == ["cnn-a", "mine"]
    drawn = Path("reports/figures/ch2_fusion/figure_2_7.svg").read_text()
    shown = [colour in drawn for colour in figures.COLOURS]
    assert shown == [True, False, True, False]  # cfn-a, the second, is not trained


def test_all_variants_are_counted() -> None:
    file = metrics.read(Path("reports/metrics/ch2_fusion/architectures.json"))
    assert (file.protocol, file.dataset) == ("full", None)
    assert {(record.model, record.dataset) for record in file.records} == {
        (model, dataset) for model in PARAMS["variants"] for dataset in ("cifar10", "cifar100", SET)
    }
    values = {(record.model, record.dataset, record.metric): record.value for record in file.records}
    basic = (5 * 5 * 3 * 64 + 64) + 2 * (5 * 5 * 64 * 64 + 64) + (64 * 192 + 192)
    assert (
        values["mine", SET, "parameters_total"] == basic + 2 * (64 * 192 + 192) + 3 * (192 * 12 + 12) + 3 + 1
    )  # three classifiers, three weights and a bias
    assert list(json.loads(Path("reports/metrics/ch2_fusion/layers.json").read_text())) == ["cnn-a", "cnn-b"]
