"""Training of Chapter 7: a phase of Algorithm 3 trains what it says, resumes to the same bytes, and a block is its networks singly."""

import copy
import json
from pathlib import Path
from typing import Any

import mmc_world
import numpy as np
import pytest
import torch
from mmc_world import DATASET, FEATURES, MODELS, VARIANTS, files, small
from stage_runs import run_main

from stages.ch7_mmc import train
from stages.ch7_mmc.phases import phases
from stages.ch7_mmc.training_settings import Length, Variant
from stages.core import loop
from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.core.settings import build


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    mmc_world.write_features()
    return tmp_path


def planned(name: str, **changes: Any) -> list[tuple[int, tuple[str, ...], str, int]]:
    length = build(Length, small()["ch7_mmc"]["lengths"][DATASET] | changes)
    return [(one.number, one.losses, one.trains, one.iterations) for one in phases(build(Variant, VARIANTS[name]), length)]


def test_phases_are_those_of_algorithm_3_for_which_a_network_has_a_loss() -> None:
    both = ("matching", "classification")
    first, second = (1, ("matching",), "branches", 20), (2, ("classification",), "head", 20)
    assert planned("mmc") == [first, second, (3, both, "all", 20)]
    assert planned("mm") == planned("dspe") == [first, (3, ("matching",), "all", 20)]
    assert planned("mc") == planned("vision") == [(0, ("classification",), "all", 60)]
    assert planned("mmc-one-stage") == [(0, both, "all", 60)]


def test_all_at_once_falls_after_the_first_stages_share_of_steps() -> None:
    length = build(Length, small(iterations=(40, 20, 30))["ch7_mmc"]["lengths"][DATASET])
    (one,) = phases(build(Variant, VARIANTS["mmc-one-stage"]), length)
    assert (one.learning_rate, one.learning_rate_steps) == (0.2, (68,))  # 30 of 40 is 67.5 of 90; Python rounds to even


@pytest.mark.parametrize(("name", "phase", "lr"), [
    ("mmc", [1, 1, 2, 2, 3, 3], [0.2, 0.02, 0.1, 0.01, 0.05, 0.005]),
    ("mm", [1, 1, 3, 3], [0.2, 0.02, 0.05, 0.005]),
    ("mc", [0] * 6, [0.2, 0.2, 0.2, 0.2, 0.02, 0.02]),
])  # fmt: skip
def test_curve_has_the_rates_and_the_losses_of_each_phase(world: Path, name: str, phase: list[int], lr: list[float]) -> None:
    run_main(train, f"{DATASET} {name} --seed 0", small())
    rows = read_csv(MODELS / f"{name}-seed0/{name}/curve.csv")
    assert [int(row["phase"]) for row in rows] == phase
    assert [float(row["lr"]) for row in rows] == pytest.approx(lr)
    trained_by = {0: {"classification"}, 1: {"matching"}, 2: {"classification"}, 3: set(VARIANTS[name]["losses"])}
    for row in rows:
        assert {loss for loss in ("matching", "classification") if row.get(loss)} == trained_by[int(row["phase"])]
    validated = {"validation_recall": "matching", "validation_accuracy": "classification", "test_accuracy": "classification"}
    for column, loss in validated.items():  # of classes once a step has trained for them
        has = [loss in VARIANTS[name]["losses"] and at % 2 == 1 and (loss == "matching" or one != 1) for at, one in enumerate(phase)]
        assert [bool(row.get(column)) for row in rows] == has, column


def saved(monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], name: str) -> dict[int, dict[str, torch.Tensor]]:
    """The network's state, and as `random` the generator's, after each 10 steps but the last."""
    states, real = {}, loop._save

    def save(stateful, checkpoint, done, *rest) -> None:
        real(stateful, checkpoint, done, *rest)
        states[done] = copy.deepcopy(stateful["model"].state_dict()) | {"random": torch.get_rng_state()}

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_save", save)
        run_main(train, f"{DATASET} {name} --seed 0", params)
    return states


def test_networks_of_a_seed_start_with_the_same_branches_and_heads_of_their_own(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(name: str, seed: int = 0) -> dict[str, torch.Tensor]:
        """The network's state where its training begins."""
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as begun:
            patch.setattr(loop, "train", begin)
            run_main(train, f"{DATASET} {name} --seed {seed}", small(name))
        return begun.value.args[0]

    def begin(step, observe, stateful, *rest) -> None:
        raise KeyboardInterrupt(copy.deepcopy(stateful["model"].state_dict()))

    whole, other = start("mmc"), start("mmc", seed=1)
    branches = {key for key in whole if not key.startswith("head.")}
    for name in ("mm", "mc", "mmc-fc", "mmc-d-16", "mmc-batch-30", "dspe", "vision"):
        shared = branches & start(name).keys()
        assert shared and all(torch.equal(start(name)[key], whole[key]) for key in shared), name
    assert not torch.equal(start("mc")["head.hashes"], whole["head.hashes"])
    assert not torch.equal(other["head.hashes"], whole["head.hashes"])
    assert not torch.equal(other["texts.layers.fc1.fc.weight"], whole["texts.layers.fc1.fc.weight"])


@pytest.mark.parametrize("name", ["mmc", "mmc-fc", "mmc-bilinear"])
def test_each_phase_changes_what_it_trains_and_leaves_the_bytes_of_the_rest(
    world: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    states = saved(monkeypatch, small(), name)
    state = states[10]
    head = {key for key in state if key.startswith("head.") and state[key].is_floating_point() and not key.endswith(("sign", "signs"))}
    learnt = {key for key in head if not torch.equal(states[20][key], states[50][key])}
    assert learnt  # hashes and signs are drawn once
    branches = {key for key in state if key.startswith(("images.", "texts."))}
    assert any(key.endswith("running_var") for key in branches)

    def changed(before: int, after: int, keys: set[str]) -> set[str]:
        return {key for key in keys if not torch.equal(states[before][key], states[after][key])}

    assert (changed(10, 20, branches), changed(10, 20, head)) == (branches, set())
    assert (changed(20, 40, branches), changed(20, 40, learnt)) == (set(), learnt)
    assert (changed(40, 50, branches), changed(40, 50, learnt)) == (branches, learnt)
    # Dropout draws from the global generator: not in the second phase.
    assert (changed(10, 20, {"random"}), changed(20, 40, {"random"}), changed(40, 50, {"random"})) == ({"random"}, set(), {"random"})


@pytest.mark.parametrize("at", [10, 20, 30, 40, 50])
def test_killed_and_resumed_is_the_same_in_each_phase(world: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    params = small("mm", "mmc")
    run_main(train, f"{DATASET} some --seed 0", params)
    whole = files(MODELS / "some-seed0")
    ended, real = [], loop._save

    def save_and_die(stateful, checkpoint, done, *rest) -> None:
        real(stateful, checkpoint, done, *rest)
        if checkpoint.name.startswith("mmc") and done == at:
            ended.append(done)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            run_main(train, f"{DATASET} some --seed 0", params)
    job = run_main(train, f"{DATASET} some --seed 0", params)
    assert ended == [at]
    assert [job.notes["trainings"][name]["resumed"] for name in ("mm", "mmc")] == [True, True]
    assert files(MODELS / "some-seed0") == whole


def test_a_block_is_its_networks_one_by_one(world: Path) -> None:
    names = ("mm", "mc", "mmc", "mmc-one-stage", "mmc-batch-30", "mmc-d-16", "mmc-other", "dspe", "vision")
    job = run_main(train, f"{DATASET} some --seed 1", small(*names))
    block = files(MODELS / "some-seed1")
    assert set(block) == {f"{name}/{file}" for name in names for file in ("model.pt", "about.json", "curve.csv")}
    for name in names:
        run_main(train, f"{DATASET} {name} --seed 1", small())
        assert files(MODELS / f"{name}-seed1") == {key: content for key, content in block.items() if key.startswith(f"{name}/")}, name
    assert not list(Path("data/checkpoints").rglob("*.pt"))
    assert {name: notes["resumed"] for name, notes in job.notes["trainings"].items()} == dict.fromkeys(names, False)
    about = {name: json.loads(block[f"{name}/about.json"]) for name in names}
    assert [about[name]["iterations"] for name in ("mm", "mc", "mmc", "vision")] == [40, 60, 60, 60]
    assert [about[name].get("labels") for name in ("mm", "mmc", "vision")] == [None, "given", "given"]
    assert [about[name]["parameters_classification"] for name in ("mm", "mmc", "mmc-d-16", "vision")] == [0, 384, 96, 192]
    assert about["mmc"]["determinism"] == "bitwise"


def test_the_objective_is_eq_7_13_with_the_variants_own_beta() -> None:
    values = small()["ch7_mmc"]
    trainer = train.Trainer(
        *(build(kind, values[key]) for kind, key in ((train.Network, "network"), (train.Training, "training"))),
        build(train.PerSet, values["per_set"][DATASET]),
        build(Length, values["lengths"][DATASET]),
        train.Runtime("cpu", 1, "fp32"),
        torch.device("cpu"),
        (train.NAME, DATASET, 0),
    )
    losses = {"matching": torch.tensor(2.0), "classification": torch.tensor(3.0)}
    for beta, expected in ((None, 3.5), (0, 2), (1.2, 5.6)):
        assert trainer._objective(build(Variant, VARIANTS["mmc"] | {"beta": beta}), losses) == pytest.approx(expected)
    assert trainer._objective(build(Variant, VARIANTS["mc"]), {"classification": losses["classification"]}) == 3


def test_a_set_without_labels_trains_what_matches_alone(world: Path) -> None:
    for file in FEATURES.rglob("set.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"labels": None, "classes": []}))
    run_main(train, f"{DATASET} mm --seed 0", small())
    with pytest.raises(UserError, match="pets has no labels"):
        run_main(train, f"{DATASET} mmc --seed 0", small())


def test_a_part_without_images_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmc_world.write_features(sizes={"train": 120, "val": 0, "test": 40})
    run_main(train, f"{DATASET} mmc --seed 0", small())
    last = read_csv(MODELS / "mmc-seed0/mmc/curve.csv")[-1]
    assert last["test_accuracy"]
    assert not {"validation_recall", "validation_accuracy"} & set(last)


@pytest.mark.parametrize(("name", "per_set", "words"), [
    ("mmc", {"batch_size": 20, "negatives": 17},
     r"ch7_mmc\.per_set\.pets\.negatives is 17, and of a batch of 20 pairs 16 are sure to be of other"),
    ("mmc", {"batch_size": 5000}, r"ch7_mmc\.per_set\.pets\.batch_size is 5000, and pets has 361 training captions: lower it"),
    ("mmc-batch-30", {"negatives": 27}, r"negatives is 27, and of a batch of 30 pairs 26 are"),
])  # fmt: skip
def test_batches_that_are_too_small_or_too_large_are_one_sentence(world: Path, name: str, per_set: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        run_main(train, f"{DATASET} {name} --seed 0", small(**per_set))


def test_a_variants_batch_that_is_too_large_is_named_by_its_own_key(world: Path) -> None:
    params = small()
    params["ch7_mmc"]["variants"]["mmc"]["mmc"] = VARIANTS["mmc"] | {"batch_size": 362}
    with pytest.raises(UserError, match=r"ch7_mmc\.variants\.mmc\.mmc\.batch_size is 362, and pets has 361"):
        run_main(train, f"{DATASET} mmc --seed 0", params)


def test_a_class_without_a_training_image_is_one_sentence(world: Path) -> None:
    for file in FEATURES.rglob("set.json"):
        described = json.loads(file.read_text())
        described["labels"] = [[0] if own == [4] and image < 120 else own for image, own in enumerate(described["labels"])]
        file.write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"pets: the class class-4 has no image to train on"):
        run_main(train, f"{DATASET} mmc --seed 0", small())


def test_figure_7_11_of_images_of_several_labels_ends_before_its_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmc_world.write_features(single=False)
    monkeypatch.setattr(train.Trainer, "train", lambda *_: pytest.fail("it trains"))
    params = small()
    params["ch7_mmc"]["sets"]["swept_classes"] = [DATASET]
    with pytest.raises(
        UserError, match=r"sets\.swept_classes has pets, whose images have not one label each, and Figure 7\.11c is of sets"
    ):
        run_main(train, f"{DATASET} mmc-d-16 --seed 0", params)


def test_features_that_are_not_finite_are_one_sentence(world: Path) -> None:
    file = FEATURES / "texts/ear/features.npy"
    rows = np.load(file)
    rows[5, 0] = np.nan
    np.save(file, rows)
    with pytest.raises(UserError, match=r"row 5 of .*texts/ear/features.npy has numbers that are not finite"):
        run_main(train, f"{DATASET} mmc --seed 0", small())
