"""From trained networks to records: recalls by instance and by class, accuracy over pairs and images, average precision, what is chance."""

import json
import math
from pathlib import Path
from typing import Any

import composed
import mmc_world
import numpy as np
import pytest
import torch
from mmc_world import DATASET, FEATURES, MODELS, SIZES, small
from sklearn import metrics as twin
from stage_runs import make_world, run_main

from stages.ch7_mmc import architectures, counts, embed, evaluate, predict, stored, train
from stages.ch7_mmc.records import Source
from stages.ch7_mmc.stored import Predicted
from stages.ch7_mmc.training_settings import Network, Variant
from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.core.settings import build
from stages.datasets.captioned import Described, load_described
from stages.matching import features, store
from stages.metrics import recall

NAMES = ("mm", "mc", "mmc", "vision")
PREDICTIONS = Path(f"data/mini/predictions/ch7_mmc/{DATASET}")
METRICS = Path(f"reports/metrics/ch7_mmc/{DATASET}.json")
COUNTS = METRICS.with_stem(f"{DATASET}-counts")
CCA = Path(f"data/mini/predictions/matching/{DATASET}/cca-eye")
IMAGES, TEXTS = SIZES["test"], 3 * SIZES["test"]
ABOUT = {"images": {"encoder": "eye", "weights": "own"}, "determinism": "bitwise", "sees": "both"}


def parameters(relevance: str = "class", accuracy: str = "pairs") -> dict[str, Any]:
    params = small(*NAMES, iterations=(60, 20, 20))
    params["ch7_mmc"]["sets"] |= {"described": [DATASET], "labelled": []}
    params["ch7_mmc"]["evaluation"] = {"relevance": {DATASET: relevance}, "accuracy": accuracy}
    return params


def write_cca() -> None:
    """CCA's embeddings, made of a network's: all that matters here is that they are evaluated."""
    described = load_described(PREDICTIONS)
    first = stored.load(PREDICTIONS, "mm", 0, described)
    CCA.mkdir(parents=True)
    about = {key: first.about[key] for key in ("images", "texts", "determinism")}
    store.save(CCA, store.Embedded("cca-ear", None, first.images, first.texts, about))


def finished(folder: Path, *, single: bool, params: dict[str, Any]) -> Path:
    return make_world(
        folder,
        lambda: mmc_world.write_features(single),
        lambda: run_main(train, f"{DATASET} some --seed 0", params),
        lambda: run_main(predict, DATASET, params),
        write_cca,
        lambda: run_main(evaluate, DATASET, params),
        lambda: run_main(counts, DATASET, params),
    )


@pytest.fixture(scope="module")
def of_one_label(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("one"), single=True, params=parameters())


@pytest.fixture(scope="module")
def of_several_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("several"), single=False, params=parameters("instance", "images"))


@pytest.fixture
def one(of_one_label: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], metrics.Record]:
    monkeypatch.chdir(of_one_label)
    return records()


@pytest.fixture
def several(of_several_labels: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], metrics.Record]:
    monkeypatch.chdir(of_several_labels)
    return records()


def records() -> dict[tuple[str, str], metrics.Record]:
    return {(record.model, record.metric): record for file in (METRICS, COUNTS) for record in metrics.read(file).records}


def loaded(name: str) -> tuple[Described, Predicted]:
    described = load_described(PREDICTIONS)
    return described, stored.load(PREDICTIONS, name, 0, described)


def test_records(one: dict[tuple[str, str], metrics.Record]) -> None:
    metrics_of: dict[str, set[str]] = {}
    for (model, metric), _ in one.items():
        metrics_of.setdefault(model, set()).add(metric)
    matched = {f"i2t_r5{kind}" for kind in ("", "_instance", "_class")}
    classed = {"accuracy", "accuracy_pairs", "accuracy_images"}
    assert metrics_of.keys() == {*NAMES, "cca", "set"}
    for name, has in {"mm": matched, "cca": matched, "mc": classed, "vision": classed, "mmc": matched | classed}.items():
        assert metrics_of[name] & (matched | classed) == has
    facts = {metric: (record.unit, record.better, record.n) for (model, metric), record in one.items() if model == "mmc"}
    assert facts["i2t_r1"] == facts["i2t_r1_class"] == facts["accuracy_images"] == ("%", "higher", IMAGES)
    assert facts["t2i_r10_instance"] == facts["accuracy"] == ("%", "higher", TEXTS)
    assert facts["i2t_median_rank_class"] == ("rank", "lower", IMAGES)
    for metric in ("i2t_r1", "t2i_mean_rank", "mean_recall"):
        assert one["mmc", metric].value == one["mmc", f"{metric}_class"].value  # the judged one
    assert one["mmc", "accuracy"].value == one["mmc", "accuracy_pairs"].value
    seen = "eye, miniature weights + ear of wordlist, miniature vectors"
    assert {one[name, "accuracy"].encoder for name in ("mc", "mmc")} == {one["cca", "i2t_r1"].encoder} == {seen}
    assert one["vision", "accuracy"].encoder == "eye, miniature weights"
    record = one["mmc", "t2i_r1"]
    assert (record.predictions, record.trained) == ((PREDICTIONS / "mmc-seed0.npz").as_posix(), (MODELS / "some-seed0/mmc").as_posix())
    assert (record.seed, one["cca", "i2t_r1"].seed) == (0, None) and record.parameters == one["mmc", "accuracy"].parameters > 0


def test_what_has_been_learnt_is_above_chance(one: dict[tuple[str, str], metrics.Record]) -> None:
    assert one["mmc", "i2t_r1_instance"].value > 25  # of 1 in 40
    assert one["mmc", "i2t_r1_class"].value > one["mmc", "i2t_r1_instance"].value
    for name in ("mc", "mmc", "vision"):
        assert one[name, "accuracy"].value > 45  # of 1 in 6


def test_recalls_by_brute_force(one: dict[tuple[str, str], metrics.Record]) -> None:
    """R@K of queries one by one, by whole rankings: hits are the query's own image or text, or one of its class."""
    described, predicted = loaded("mmc")
    classes = described.labels.argmax(axis=1)
    cosines = twin.pairwise.cosine_similarity(predicted.images, predicted.texts)
    ways = {"i2t": (cosines, np.arange(IMAGES), described.image_of), "t2i": (cosines.T, described.image_of, np.arange(IMAGES))}
    for way, (scores, queries, items) in ways.items():
        for k in (1, 5, 10):
            hits: dict[str, list[bool]] = {"instance": [], "class": []}
            for row, query in zip(scores, queries, strict=True):
                best = [items[item] for item in sorted(range(len(items)), key=lambda item, row=row: -row[item])[:k]]
                hits["instance"].append(query in best)
                hits["class"].append(classes[query] in classes[best])
            for kind, values in hits.items():
                assert one["mmc", f"{way}_r{k}_{kind}"].value == pytest.approx(100 * np.mean(values)), (way, k, kind)


def test_accuracies_by_hand(one: dict[tuple[str, str], metrics.Record]) -> None:
    described, predicted = loaded("mmc")
    classes = described.labels.argmax(axis=1)
    right = predicted.scores.argmax(axis=1) == classes[described.image_of]
    assert one["mmc", "accuracy_pairs"].value == pytest.approx(100 * right.mean())
    shares = torch.softmax(torch.from_numpy(predicted.scores).double(), dim=1).numpy()
    means = np.array([shares[described.image_of == image].mean(axis=0) for image in range(IMAGES)])
    assert one["mmc", "accuracy_images"].value == pytest.approx(100 * np.mean(means.argmax(axis=1) == classes))
    described, predicted = loaded("vision")
    assert predicted.scores.shape == (IMAGES, mmc_world.CLASSES)
    expected = 100 * np.mean(predicted.scores.argmax(axis=1) == classes)
    for metric in ("accuracy", "accuracy_pairs", "accuracy_images"):  # an image's pairs all have its class
        assert one["vision", metric].value == pytest.approx(expected)


def test_average_precisions_are_scikit_learns(several: dict[tuple[str, str], metrics.Record]) -> None:
    described, predicted = loaded("mmc")
    labels, scores = described.labels, predicted.scores.astype(np.float64)
    of_pairs = labels[described.image_of]
    assert several["mmc", "ap_pairs"].value == pytest.approx(100 * twin.average_precision_score(of_pairs, scores, average="macro"))
    shares = 1 / (1 + np.exp(-scores))
    means = np.array([shares[described.image_of == image].mean(axis=0) for image in range(IMAGES)])
    assert several["mmc", "ap_images"].value == pytest.approx(100 * twin.average_precision_score(labels, means, average="macro"))
    assert several["mmc", "ap"].value == several["mmc", "ap_images"].value  # as evaluation.accuracy has it
    for kind, (right, chosen) in {"pairs": (of_pairs, scores > 0), "images": (labels, means > 0.5)}.items():
        for metric, score in (("label_precision", twin.precision_score), ("label_recall", twin.recall_score)):
            assert several["mmc", f"{metric}_{kind}"].value == pytest.approx(100 * score(right, chosen, average="micro"))
    assert several["mmc", "ap"].value > 60 > 100 * labels.mean()
    assert {metric for model, metric in several if model == "mmc" and metric.endswith("_class")} == set()
    assert several["mmc", "i2t_r1"].value == several["mmc", "i2t_r1_instance"].value


def test_table_7_1(one: dict[tuple[str, str], metrics.Record]) -> None:
    of_set = {metric: record.value for (model, metric), record in one.items() if model == "set"}
    assert of_set == {
        "total": 180, "categories": 6, "train_images": 120, "val_images": 20, "test_images": 40, "texts_per_image": 541 / 180,
        "unseen_categories": 0,
    }  # fmt: skip
    assert (one["set", "categories"].unit, one["set", "test_images"].unit, one["set", "total"].encoder) == ("classes", "images", None)


def test_labels_from_captions_are_marked(one: dict[tuple[str, str], metrics.Record]) -> None:
    before = {file: file.read_bytes() for file in (METRICS, *PREDICTIONS.glob("*-seed0.json"))}
    for file in list(before)[1:]:
        file.write_text(json.dumps(json.loads(file.read_text()) | {"labels": "from captions"}))
    run_main(evaluate, DATASET, parameters())
    marked = {key for key, record in records().items() if (record.encoder or "").endswith("labels from captions")}
    for file, content in before.items():
        file.write_bytes(content)
    assert {model for model, _ in marked} == {*NAMES, "cca"}
    assert {key for key in records() if key[0] in ("mc", "mmc", "vision")} <= marked  # all that has learnt them
    assert {metric.endswith("_class") for model, metric in marked if model in ("mm", "cca")} == {False, True}
    for model in ("mm", "cca"):  # which has not, by instance says nothing of them
        assert (model, "i2t_r1_instance") not in marked and (model, "i2t_r1_class") in marked and (model, "i2t_r1") in marked
    of_set = {record.metric: record.encoder for record in counts.records(load_described(PREDICTIONS), "from captions")}
    assert (of_set["categories"], of_set["unseen_categories"], of_set["total"]) == ("labels from captions", "labels from captions", None)


def test_lengths_are_assumed_for_what_is_trained_alone(of_one_label: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(of_one_label)
    before = {file: file.read_bytes() for file in (METRICS, COUNTS)}
    for stage in (evaluate, counts):
        run_main(stage, DATASET, parameters() | {"protocol": "full"})
    assert [metrics.read(file).protocol for file in (METRICS, COUNTS)] == ["assumed", "full"]
    for file, content in before.items():
        file.write_bytes(content)


def described_of(images: int, captions: int, labels: np.ndarray, single: bool) -> Described:
    names, image_of = [f"p/{number}" for number in range(images)], np.repeat(np.arange(images), captions)
    classes = [f"class-{number}" for number in range(labels.shape[1])]
    return Described(names, ["a"] * len(image_of), image_of, {"test": np.arange(images)}, classes, labels, single)


def test_recalls_of_a_constant_scorer_are_chance() -> None:
    """1,000 images of five texts: .1, .5 and 1.0 % both ways by instance; by class what a draw of K hits, by counting."""
    labels = np.eye(4, dtype=bool)[np.repeat(np.arange(4), [700, 200, 90, 10])]
    described = described_of(1000, 5, labels, single=True)
    blocks = recall.cosines((np.ones((1000, 3), np.float32), np.ones((5000, 3), np.float32)))
    source = Source(ABOUT, 0, Path("p"))
    values = {record.metric: record.value for record in evaluate.recalls("mm", blocks, described, "class", source)}
    for k in (1, 5, 10):
        assert values[f"t2i_r{k}_instance"] == pytest.approx(k / 10)
        assert values[f"i2t_r{k}_instance"] == pytest.approx(100 * (1 - math.comb(4995, k) / math.comb(5000, k)))
        chance = [n / 1000 * (1 - math.comb(1000 - n, k) / math.comb(1000, k)) for n in (700, 200, 90, 10)]
        assert values[f"t2i_r{k}"] == values[f"t2i_r{k}_class"] == pytest.approx(100 * sum(chance))


def test_a_random_classifier_is_chance() -> None:
    rng = np.random.default_rng(0)
    source = Source(ABOUT | {"losses": ["classification"]}, 0, Path("p"))
    several = rng.random((2000, 5)) < 0.3
    for single, labels, metric, chance in (
        (True, np.eye(5, dtype=bool)[np.arange(2000) % 5], "accuracy", 20),
        (False, several, "ap", 100 * several.mean()),
    ):
        scores = rng.normal(size=(4000, 5)).astype(np.float32)
        predicted = Predicted("mc", 0, source.about, scores=scores)
        values = {
            record.metric: record.value
            for record in evaluate.classified(predicted, described_of(2000, 2, labels, single), "pairs", source)
        }  # fmt: skip
        assert values[metric] == values[f"{metric}_pairs"] == pytest.approx(chance, abs=2)
        assert values[f"{metric}_images"] == pytest.approx(chance, abs=3)
    assert values["label_recall"] == pytest.approx(50, abs=3) and values["label_precision"] == pytest.approx(30, abs=3)


def test_a_class_of_no_test_image_is_left_out_and_counted() -> None:
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], bool)
    described = described_of(3, 1, labels, single=False)
    scores = np.array([[2, 0, 9], [1, 3, 9], [0, 2, 9]], np.float32)  # precisions 1 and 2 of 3, then 1 and 1
    source = Source(ABOUT | {"losses": ["classification"]}, 0, Path("p"))
    values = {
        record.metric: record.value
        for record in evaluate.classified(Predicted("mc", 0, source.about, scores=scores), described, "pairs", source)
    }
    assert values["ap"] == pytest.approx(100 * (5 / 6 + 1) / 2)
    assert counts.counts_of(described)["unseen_categories"] == 1


def test_what_cannot_be_judged_is_one_sentence(several: dict[tuple[str, str], metrics.Record]) -> None:
    with pytest.raises(UserError, match=r"ch7_mmc\.evaluation\.relevance is class for a set whose images have not one label each"):
        run_main(evaluate, DATASET, parameters("class"))
    source, nothing = Source(ABOUT, 0, Path("p")), described_of(2, 1, np.zeros((2, 3), bool), single=False)
    predicted = Predicted("mc", 0, ABOUT, scores=np.zeros((2, 3), np.float32))
    with pytest.raises(UserError, match="no test image has a label, and mc is to classify them: give labels, or take the network out"):
        list(evaluate.classified(predicted, nothing, "pairs", source))


def test_scores_are_of_a_text_with_its_own_image(one: dict[tuple[str, str], metrics.Record]) -> None:
    params = parameters()["ch7_mmc"]
    variant, network = build(Variant, params["variants"]["some"]["mmc"]), build(Network, params["network"])
    model = embed.load(MODELS / "some-seed0/mmc", variant, network, torch.device("cpu"))
    _, predicted = loaded("mmc")
    pairs = features.read(FEATURES / "images/eye", FEATURES / "texts/ear").pairs("test")
    with torch.no_grad():
        images, texts = model.images(pairs.images), model.texts(pairs.texts)
        for row in (0, 50, TEXTS - 1):
            logits = model.classify(images[[row // 3]], texts[[row]])  # three texts an image
            np.testing.assert_allclose(predicted.scores[row], logits[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(predicted.images, images.numpy(), atol=1e-5)
    assert {file.name for file in PREDICTIONS.glob("*.npz")} == {f"{name}-seed0.npz" for name in NAMES}
    assert loaded("mc")[1].rows().keys() == loaded("vision")[1].rows().keys() == {"scores"}
    assert loaded("mm")[1].rows().keys() == {"images", "texts"}


def test_a_network_of_other_features_or_classes_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmc_world.write_features()
    params = parameters()
    run_main(train, f"{DATASET} mmc --seed 0", params | small("mmc"))
    MODELS.joinpath("mmc-seed0").rename(MODELS / "some-seed0")
    params["ch7_mmc"]["variants"] = {"some": {"mmc": {"losses": mmc_world.BOTH}}}
    file = FEATURES / "images/eye/features.npy"
    whole = np.load(file)
    np.save(file, whole[:, :-1])
    with pytest.raises(UserError, match=r"mmc/model\.pt was trained on 48 values a feature of images, and there are 47 now: `python -m"):
        run_main(predict, DATASET, params)
    np.save(file, whole)
    for folder in ("images/eye", "texts/ear"):
        described = json.loads((FEATURES / folder / "set.json").read_text())
        described |= {"classes": [*described["classes"], "another"], "labels": [[6], *described["labels"][1:]]}
        (FEATURES / folder / "set.json").write_text(json.dumps(described))
    with pytest.raises(
        UserError, match=r"mmc/model\.pt was trained on 6 classes, and there are 7 now: `python -m workflow\.repro ch7_mmc`"
    ):
        run_main(predict, DATASET, params)


def test_a_set_without_labels_gets_those_of_its_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of images 0, 3, 6 ... a caption says red, of 0, 2, 4 ... one says round: what is stored are the test part's."""
    monkeypatch.chdir(tmp_path)
    mmc_world.write_features()
    for folder in ("images/eye", "texts/ear"):
        described = json.loads((FEATURES / folder / "set.json").read_text())
        captions = ["red"[: 3 * (of % 3 == 0)] + " " + "round"[: 5 * (of % 2 == 0)] for of in described["image_of"]]
        described |= {"captions": captions, "classes": [], "labels": None, "single": False}
        (FEATURES / folder / "set.json").write_text(json.dumps(described))
    params = parameters("instance")
    params["ch7_mmc"] |= {"labels": {DATASET: {"words": {"ruby": ["red"], "ball": ["round"], "none": ["square"]}, "least": 10}}}
    params["ch7_mmc"]["sets"] |= {"described": []}
    params["ch7_mmc"]["lengths"] = small(iterations=(10, 10, 10))["ch7_mmc"]["lengths"]
    for module, words in ((train, f"{DATASET} some --seed 0"), (predict, DATASET), (evaluate, DATASET), (counts, DATASET)):
        run_main(module, words, params)
    described, first = load_described(PREDICTIONS), SIZES["train"] + SIZES["val"]
    assert described.classes == ["ruby", "ball"]
    np.testing.assert_array_equal(described.labels, [[(first + row) % 3 == 0, row % 2 == 0] for row in range(IMAGES)])
    assert loaded("mc")[1].about["labels"] == "from captions" and loaded("mc")[1].scores.shape == (TEXTS, 2)
    assert records()["mc", "ap"].encoder.endswith("miniature vectors, labels from captions")
    assert records()["mm", "i2t_r1"].encoder.endswith("miniature vectors")
    assert (records()["set", "categories"].value, records()["set", "categories"].encoder) == (2, "labels from captions")


def test_curves_are_published(one: dict[tuple[str, str], metrics.Record]) -> None:
    rows = read_csv(METRICS.with_suffix(".training.csv"))
    assert {(row["model"], row["seed"]) for row in rows} == {(name, "0") for name in NAMES}


def test_counts_are_at_the_thesiss_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table 7.13's at its printed rounding, every head by hand, D x C without a bias."""
    monkeypatch.chdir(tmp_path)
    run_main(architectures, "mscoco", {"ch7_mmc": composed.params("mini")["ch7_mmc"]})
    file = metrics.read(Path("reports/metrics/ch7_mmc/architectures.json"))
    values = {(record.model, record.metric): record.value for record in file.records}
    heads = {"pascal_sentence": 40_960, "mscoco": 163_840, "flowers102_texts": 417_792, "cub200_texts": 819_200}
    for name, head in heads.items():
        assert values[f"mmc-{name}", "parameters_matching"] == 7_973_470
        assert values[f"mmc-{name}", "parameters_classification"] == head
        assert values[f"mmc-{name}", "parameters"] == 7_973_470 + head
    assert values["mmc", "parameters"] == values["mmc-pascal_sentence", "parameters"]
    assert (values["mm", "parameters"], values["mm", "parameters_classification"]) == (7_973_470, 0)
    assert values["mm", "parameters"] - values["mm-none", "parameters"] == 2 * (3 + 512)  # Eq. 7.1, a branch
    assert (values["mmc-fc", "parameters_classification"], values["mmc-bilinear", "parameters_classification"]) == (20_480, 5_242_880)
    assert (values["dspe", "parameters"], values["mmc-vgg19", "parameters_matching"]) == (6_917_720, 12_170_848 + 1_022)
    assert (file.protocol, file.dataset) == ("full", None)
