"""Section 2.4.3's stages on a world of a few small pictures: against another program's way, loops over all pairs, values by hand."""

import itertools
import json
import shutil
import threading
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import composed
import numpy as np
import pandas as pd
import pytest
import stage_runs
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from stages.ch2_imagenet import examples, networks, transfer_evaluate, transfer_features, transfer_predict, transfer_sets
from stages.ch2_imagenet.training_settings import Network, Variant
from stages.ch2_imagenet.transfer_settings import Division, Svm
from stages.core import metrics, runtime
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.seeds import generator, seed_for
from stages.datasets.described import load_set
from stages.datasets.labelled import ClassifiedSet, Labelled
from stages.datasets.retrieval import Query, RetrievalSet
from stages.encoders import vision
from stages.miniatures import alexnet, cub200, flowers102, holidays, indoor67, scene15, ukb

torch.set_num_threads(1)
SIZE = {"width": 80, "height": 64, "seed": 0}
NETWORK = Network(width=0.03, fusion_init=0.25)
VARIANTS = {"cnn-11": Variant(), "cfn-11": Variant(sides="fused")}
COSTS = [10, 0.1, 1]
SETS = ("scene15", "indoor67", "flowers102", "cub200", "holidays", "ukb")  # of which the last two are retrieved in
CHAPTER: dict[str, Any] = {"seeds": [0, 1], "batch_size": 4, "network": asdict(NETWORK), "figures": {"shown": 3}}
TRANSFER: dict[str, Any] = {"division": {"train_per_class": 4}, "svm": {"costs": COSTS}, "depth": 5}
FEATURES, PREDICTIONS = Path("data/mini/features/ch2_imagenet"), Path("data/mini/predictions/ch2_imagenet")
NAMES = ("alexnet", "cnn-11-seed0", "cnn-11-seed1", "cfn-11-seed0", "cfn-11-seed1")


def run(module: ModuleType, words: str, svm: dict[str, Any] | None = None, **changes: Any) -> stage_runs.Here:
    """Run a stage's main on mini's parameters; `changes` of those under transfer, and of its SVM's. Returns its job."""
    transfer = TRANSFER | {"svm": TRANSFER["svm"] | (svm or {})} | changes
    return stage_runs.run_main(module, words, composed.params(ch2_imagenet=CHAPTER | {"transfer": transfer}))


ENCODERS = {
    "alexnet": "alexnet fc7, miniature weights", "cnn-11": "cnn-11 global average pooling", "cfn-11": "cfn-11 fused feature",
}  # fmt: skip


def write_sources(sources: Path) -> None:
    scene15.write(sources / "scene15", classes=3, images=7, **SIZE)
    indoor67.write(sources / "indoor67", classes=3, train=4, test=3, **SIZE)
    flowers102.write(sources / "flowers102", classes=3, train=2, val=1, test=2, **SIZE)
    cub200.write(sources / "cub200", classes=4, train=3, test=2, **SIZE)
    holidays.write(sources / "holidays", groups=4, **SIZE)  # of 2, 3, 4 and 2 pictures
    ukb.write(sources / "ukb", objects=3, **SIZE)
    alexnet.write(sources / "alexnet", widths=[4, 6, 8, 8, 6], fc=24, seed=0)
    for folder in list(sources.iterdir()):
        write_json(folder / "provenance.json", {"dataset": folder.name, "kind": "miniature", "note": "made"})


def write_networks(folder: Path) -> None:
    """A prepared ImageNet as far as it is needed, and networks that nobody trained, whose batch norms have seen something."""
    prepared = folder / "packed/imagenet_facts"
    prepared.mkdir(parents=True)
    np.save(prepared / "mean.npy", np.random.default_rng(0).uniform(80, 160, (72, 72, 3)).astype(np.float32))
    (prepared / "classes.txt").write_text("n01 a\nn02 b\n")
    for (name, variant), seed in itertools.product(VARIANTS.items(), (0, 1)):
        model = networks.build(variant, 2, NETWORK, generator(name, seed))
        model(torch.randn(8, 3, 64, 64, generator=generator(seed)) * 60)
        trained = folder / f"models/ch2_imagenet/imagenet/{name}-seed{seed}"
        runtime.save(model.state_dict(), trained / "model.pt")
        write_json(trained / "about.json", {"determinism": "stochastic" if seed else "bitwise"})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with all six sets' features, predictions and scores."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_sources(Path("data/mini/sources"))
        write_networks(Path("data/mini"))
        for name in SETS:
            for module in (transfer_features, transfer_predict, transfer_evaluate):
                run(module, name)
    return folder


@pytest.fixture
def copy(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The world, to be spoilt."""
    shutil.copytree(world / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data/mini"


def values_of(name: str) -> dict[tuple[str, str, int | None], metrics.Record]:
    found = metrics.read(Path(f"reports/metrics/ch2_imagenet/{name}.json")).records
    return {(record.model, record.metric, record.seed): record for record in found}


# Sets


def test_table_2_5_counts_what_was_read(here: Path) -> None:
    flowers = ClassifiedSet(
        ["a", "b"], Labelled([Path("x/1.jpg"), Path("x/2.jpg"), Path("x/3.jpg")], [0, 1, 1]), Labelled([Path("y/1.jpg")], [0])
    )
    assert transfer_sets.counts(flowers) == {"categories": 2, "train_images": 3, "test_images": 1}
    about = transfer_sets.described(flowers)
    assert (about["images"], about["labels"]) == (["x/1", "x/2", "x/3", "y/1"], [0, 1, 1, 0])
    assert (about["train"], about["test"]) == ([0, 1, 2], [3])
    images = [Path(f"jpg/{name}.jpg") for name in "abcde"]
    holidays = RetrievalSet(images, [Query("a", 0, None, (1,), (0,)), Query("c", 2, None, (3, 4), (2,))])
    assert transfer_sets.counts(holidays) == {"train_images": 3, "test_images": 2}  # as 991 and 500 are of 1,491
    ukb = RetrievalSet(images[:4], [Query(name, row, None, (0, 1, 2, 3), ()) for row, name in enumerate("abcd")])
    assert transfer_sets.counts(ukb) == {"train_images": 4, "test_images": 4}  # all are both
    of_all = {
        "scene15": (3, 12, 9),
        "indoor67": (3, 12, 9),
        "flowers102": (3, 9, 6),
        "cub200": (4, 12, 8),
        "holidays": (7, 4),
        "ukb": (12, 12),
    }
    for name, expected in of_all.items():
        found = [record for (model, _, _), record in values_of(name).items() if model == "dataset"]
        assert {record.metric: record.value for record in found} == dict(
            zip(("categories", "train_images", "test_images")[3 - len(expected) :], expected, strict=True)
        )
        assert {(record.better, record.determinism, record.seed) for record in found} == {("none", "bitwise", None)}


# Features


def by_hand(file: Path) -> torch.Tensor:
    """The middle 64 x 64 of the picture at 72 x 72, float (1, 3, 64, 64)."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((72, 72), Image.Resampling.BILINEAR))[4:68, 4:68]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]


@pytest.mark.parametrize("name", ["scene15", "ukb"])
def test_features_are_the_networks_own_of_the_middle_less_its_mean(here: Path, name: str) -> None:
    found = transfer_sets.read(name, Path("data/mini/sources", name), Division(4, 0))
    mean = torch.from_numpy(np.load("data/mini/packed/imagenet_facts/mean.npy")[4:68, 4:68]).permute(2, 0, 1)
    pictures = [by_hand(file) for file in transfer_sets.images_of(found)]
    for file, features in ((file, np.load(FEATURES / name / f"{file}.npy")) for file in NAMES):
        assert (features.dtype, len(features)) == (np.float32, len(pictures))
        if file == "alexnet":
            model = vision.load("alexnet", Path("data/mini/sources/alexnet"))
            expected = [vision.features(model, vision.encoder("alexnet"), ["fc7"], picture)["fc7"] for picture in pictures]
        else:
            own = networks.build(VARIANTS[file.split("-seed")[0]], 2, NETWORK, torch.Generator()).eval()
            own.load_state_dict(runtime.load(Path(f"data/mini/models/ch2_imagenet/imagenet/{file}/model.pt")))
            expected = [own.features(picture.float() - mean) for picture in pictures]
        np.testing.assert_allclose(features, torch.cat(expected).detach().numpy(), rtol=1e-3, atol=1e-4)
    models = json.loads((FEATURES / name / "about.json").read_text())["models"]
    assert [(model["file"], model["dimensions"]) for model in models] == list(zip(NAMES, (24, 31, 31, 31, 31), strict=True))
    assert [model["determinism"] for model in models] == ["bitwise", "bitwise", "stochastic", "bitwise", "stochastic"]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_same_bytes_by_any_number_of_threads(copy: Path, world: Path, monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("THESIS_WORKERS", threads)
    run(transfer_features, "cub200", models=["cfn-11"])
    names = sorted(file.name for file in (FEATURES / "cub200").glob("*.npy"))
    assert names == ["alexnet.npy", "cfn-11-seed0.npy", "cfn-11-seed1.npy"]
    for name in ("cfn-11-seed1.npy", "set.json"):
        assert (FEATURES / "cub200" / name).read_bytes() == (world / FEATURES / "cub200" / name).read_bytes()


def test_a_picture_that_cannot_be_read_is_named(copy: Path) -> None:
    bad = next((copy / "sources/indoor67/Images").glob("*/*.jpg"))
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(UserError, match=rf"{bad.name} cannot be read.*dvc repro download@indoor67"):
        run(transfer_features, "indoor67", models=["cnn-11"])


# Classification


def problem(seed: int = 0, classes: int = 4, each: int = 12, dimensions: int = 10) -> tuple[NDArray, NDArray, NDArray]:
    """Overlapping classes: training features and labels, test features."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dimensions))
    labels = np.repeat(np.arange(classes), each)
    train, test = (centres[labels] + 1.3 * rng.normal(size=(len(labels), dimensions)) for _ in range(2))
    return train.astype(np.float32), labels, test.astype(np.float32)


def chosen_by_hand(train: NDArray, labels: NDArray, test: NDArray, svm: Svm, seed: int) -> tuple[float, NDArray]:
    train, test = normalize(train), normalize(test)
    folds = StratifiedKFold(svm.folds, shuffle=True, random_state=seed)
    machines = {
        cost: make_pipeline(LinearSVC(C=cost, dual=True, tol=svm.tolerance, max_iter=svm.max_iterations, random_state=seed))
        for cost in sorted(svm.costs)
    }
    accuracies = {cost: cross_val_score(machine, train, labels, cv=folds).mean() for cost, machine in machines.items()}
    best = max(accuracies, key=accuracies.__getitem__)  # the first of equal ones
    return best, machines[best].fit(train, labels).predict(test)


@pytest.mark.parametrize("seed", range(4))
def test_c_and_classes_are_those_chosen_by_hand(seed: int) -> None:
    svm = Svm([100, 1, 0.01, 0.1], folds=3, max_iterations=100_000, tolerance=1e-4)
    train, labels, test = problem(seed)
    fitted = transfer_predict.fit(train, labels, test, svm, normalise=True, seed=seed)
    cost, predicted = chosen_by_hand(train, labels, test, svm, seed)
    assert fitted.cost == cost
    assert fitted.predicted.tolist() == predicted.tolist()
    assert list(fitted.accuracies) == sorted(svm.costs) and fitted.accuracies[cost] == max(fitted.accuracies.values())
    scaled = transfer_predict.fit(7 * train, labels, 0.1 * test, svm, normalise=True, seed=seed)
    assert scaled.predicted.tolist() == predicted.tolist()  # lengths do not count


def test_svms_are_trained_one_at_a_time(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LIBLINEAR draws from one generator for the whole process: side by side, two would each get some of the other's numbers."""
    threads, train = [], LinearSVC.fit
    monkeypatch.setattr(LinearSVC, "fit", lambda *words: (threads.append(threading.get_ident()), train(*words))[1])
    monkeypatch.setenv("THESIS_WORKERS", "3")
    run(transfer_predict, "cub200")
    assert set(threads) == {threading.get_ident()} and len(threads) == len(NAMES) * (len(COSTS) * 2 + 1)


def test_without_normalisation_lengths_count() -> None:
    train, labels, test = problem()
    svm = Svm([0.01], folds=2, max_iterations=100_000, tolerance=1e-4)
    found = [transfer_predict.fit(scale * train, labels, scale * test, svm, normalise=False, seed=0) for scale in (0.01, 1)]
    assert found[0].predicted.tolist() != found[1].predicted.tolist()


def test_the_test_images_have_no_say_in_c(copy: Path) -> None:
    folder = FEATURES / "scene15"
    before = json.loads((PREDICTIONS / "scene15/about.json").read_text())
    test = json.loads((folder / "set.json").read_text())["test"]
    for name in NAMES:
        features = np.load(folder / f"{name}.npy")
        features[test] = np.random.default_rng(0).normal(size=features[test].shape)
        np.save(folder / f"{name}.npy", features)
    run(transfer_predict, "scene15")
    assert json.loads((PREDICTIONS / "scene15/about.json").read_text()) == before


def test_what_does_not_converge_is_said(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(transfer_predict, "cub200", svm={"max_iterations": 1, "tolerance": 1e-9})
    said = capsys.readouterr().err
    assert "the SVM of alexnet did not converge in 1 iterations in folds at the costs: 0.1, 1, 10; the chosen one" in said
    svm = json.loads((PREDICTIONS / "cub200/about.json").read_text())["models"][0]["svm"]
    assert (svm["unfinished_costs"], svm["finished"]) == ([0.1, 1, 10], False)


def test_a_class_with_fewer_images_than_folds_is_named(here: Path) -> None:
    with pytest.raises(
        UserError, match=r"^ch2_imagenet\.transfer\.svm\.folds is 4, .*class class_001 of flowers102 has 3.*set it to 3 or fewer"
    ):
        run(transfer_predict, "flowers102", svm={"folds": 4})
    with pytest.raises(UserError, match=r"class b of x has 1 training images: no cross-validation"):
        transfer_predict.check_folds(np.array([0, 0, 1]), ["a", "b"], 2, "x")


def test_features_that_are_not_numbers_are_refused(copy: Path) -> None:
    file = FEATURES / "holidays/cfn-11-seed1.npy"
    features = np.load(file)
    features[2, 3] = np.nan
    np.save(file, features)
    with pytest.raises(UserError, match=r"cfn-11-seed1\.npy holds features that are not finite"):
        run(transfer_predict, "holidays")


def test_accuracies_are_scikit_learns(here: Path) -> None:
    about = load_set(PREDICTIONS / "scene15")
    labels = np.array(about["labels"])[about["test"]]
    for (model, metric, _), record in values_of("scene15").items():
        if metric in ("accuracy", "class_accuracy"):
            predicted = np.load(record.predictions or "")
            score = accuracy_score if metric == "accuracy" else balanced_accuracy_score
            assert record.value == pytest.approx(100 * score(labels, predicted)) and record.n == 9
            assert record.encoder == ENCODERS[model]
    uneven = np.array([0, 0, 0, 1])
    assert transfer_evaluate.accuracy(np.array([0, 0, 0, 0]), uneven) == 75
    assert transfer_evaluate.class_accuracy(np.array([0, 0, 0, 0]), uneven) == 50


# Retrieval


def test_equal_features_rank_by_their_number_and_zeros_last_but_opposites() -> None:
    features = np.array([[1, 0], [0, 0], [3, 3], [2, 0], [-1, 0], [1, 1]], np.float32)
    assert transfer_predict.rank(features, np.array([3, 5]), 6).tolist() == [[0, 3, 2, 5, 1, 4], [2, 5, 0, 3, 1, 4]]
    many = np.random.default_rng(0).random((37, 129), np.float32)
    found = transfer_predict.rank(np.tile(many, (9, 1)), np.arange(9 * 37), 9)
    assert all(row.tolist() == list(range(number % 37, 9 * 37, 37)) for number, row in enumerate(found))


def cosine_order(features: NDArray, query: int) -> list[int]:
    def cosine(row: int) -> float:
        one, other = (features[number].astype(float) for number in (row, query))
        return float(one @ other / np.sqrt((one @ one) * (other @ other)))

    return sorted(range(len(features)), key=lambda row: -round(cosine(row), 9))


@pytest.mark.parametrize(("name", "metric"), [("holidays", "map"), ("ukb", "ns")])
def test_scores_are_those_of_loops_over_all_pairs(here: Path, name: str, metric: str) -> None:
    about = load_set(FEATURES / name)
    found = {key: record for key, record in values_of(name).items() if key[1] == metric}
    assert len(found) == len(NAMES)
    for (model, _, seed), record in found.items():
        features = np.load(FEATURES / name / f"{model if seed is None else f'{model}-seed{seed}'}.npy")
        stored = np.load(record.predictions or "")
        assert stored.shape == (len(about["queries"]), 5 if name == "ukb" else len(features))
        scores = []
        for query, listed in zip(about["queries"], stored.tolist(), strict=True):
            order = cosine_order(features, query["image"])
            assert listed == order[: len(listed)]
            if metric == "ns":
                scores.append(len(set(order[:4]) & set(query["relevant"])))
                continue
            kept, area, hits = [row for row in order if row != query["image"]], 0.0, 0
            for place, row in enumerate(kept):
                if row in query["relevant"]:
                    area += (hits / place if place else 1) / 2 + (hits + 1) / (place + 1) / 2
                    hits += 1
            scores.append(100 * area / hits)
        assert record.value == pytest.approx(np.mean(scores)) and record.n == len(scores)


# Records, figure


def test_every_network_has_its_score_and_dimensions(here: Path) -> None:
    for name in SETS:
        own = {"svm_cost", "accuracy", "class_accuracy"} if name in SETS[:4] else {"ns" if name == "ukb" else "map"}
        found = values_of(name)
        networks_of = {(model, seed) for model, _, seed in found if model != "dataset"}
        assert networks_of == {("alexnet", None), *itertools.product(("cnn-11", "cfn-11"), (0, 1))}
        for model, seed in networks_of:
            assert {metric for one, metric, other in found if (one, other) == (model, seed)} == own | {"dimensions"}
        assert found["cfn-11", "dimensions", 1].value == 31
        file = metrics.read(Path(f"reports/metrics/ch2_imagenet/{name}.json"))
        assert (file.chapter, file.experiment) == ("ch2_imagenet", name) and file.dataset == metrics.Dataset(name, "miniature", "made")


def test_the_folds_are_by_the_sets_name(here: Path) -> None:
    about = load_set(FEATURES / "scene15")
    features, labels = np.load(FEATURES / "scene15/cfn-11-seed0.npy"), np.array(about["labels"])
    train, test = about["train"], about["test"]
    seed = seed_for("ch2_imagenet.transfer_predict", "scene15") % 2**32
    svm = Svm(COSTS, folds=2, max_iterations=10_000, tolerance=1e-4)
    cost, predicted = chosen_by_hand(features[train], labels[train], features[test], svm, seed)
    assert values_of("scene15")["cfn-11", "svm_cost", 0].value == cost
    assert np.load(PREDICTIONS / "scene15/cfn-11-seed0.npy").tolist() == predicted.tolist()


def test_figure_2_13_has_a_row_of_each_set(here: Path) -> None:
    run(examples, "imagenet")
    rows = pd.read_csv("reports/figures/ch2_imagenet/figure_2_13.csv", keep_default_na=False)
    assert rows.groupby("dataset", sort=False).size().to_dict() == dict.fromkeys(SETS, 3)
    assert rows[rows.dataset == "holidays"].image.tolist() == ["jpg/100000", "jpg/100200", "jpg/100300"]
    assert rows[rows.dataset == "cub200"].category.nunique() == 3
    with Image.open("reports/figures/ch2_imagenet/figure_2_13.png") as drawn:
        assert np.asarray(drawn).std() > 10
    assert examples.evenly(2, 6) == [0, 1] and examples.evenly(15, 3) == [0, 7, 14]
