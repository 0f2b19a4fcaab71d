"""Figures 7.3 and 7.7 to 7.12 of planted predictions: each CSV as what it was drawn from, and the numbers counted beside them."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit, softmax
from scipy.stats import rankdata
from sklearn.metrics import confusion_matrix
from stage_runs import make_world, run_main

from stages.ch7_mmc import figures, panels, shown, stored
from stages.ch7_mmc.figure_settings import Figures
from stages.ch7_mmc.stored import Predicted
from stages.ch7_mmc.training_settings import PerSet, Variant
from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv
from stages.core.settings import build
from stages.datasets import captioned
from stages.datasets.captioned import load_described
from stages.matching import plane

DATASET, SCENES = "pets", "scenes"  # of one label an image, and of several
FOLDER, METRICS = Path("reports/figures/ch7_mmc"), Path("reports/metrics/ch7_mmc")
IMAGES, CLASSES = 24, 4
SEEDS = (0, 1)
MODELS = {"mm": ["matching"], "mc": ["classification"], "mmc": ["matching", "classification"]}
FIGURES = {
    "model": "mmc", "retrieving": ["mm", "mmc"], "classifying": ["mc", "mmc"], "learning": ["vision", "mmc"],
    "images": 20, "perplexity": 8, "iterations": 300, "top": 4, "predictions": 3,
}  # fmt: skip
OWN: dict[str, Any] = {
    "figures": FIGURES,
    "seeds": list(SEEDS),
    "models": {"swept": ["mmc-d-8", "mmc-beta-1"], "swept_classes": ["mmc-beta-1", "mmc-d-8"]},
    "variants": {
        "mmc-beta-1": {"mmc-beta-1": {"losses": MODELS["mmc"], "beta": 1}},
        "mmc-d-8": {"mmc-d-8": {"losses": MODELS["mmc"], "dimension": 8}},
    },
    "per_set": {DATASET: {"batch_size": 8, "negatives": 2, "beta": 0.5, "dimension": 16}},
    "evaluation": {"accuracy": "pairs", "relevance": {DATASET: "class", SCENES: "instance"}},
}
PARAMS = {"ch7_mmc": OWN, "matching": {"options": {DATASET: {}, SCENES: {}}}}


def at(dataset: str) -> Path:
    return Path(f"data/mini/predictions/ch7_mmc/{dataset}")


def write_predictions(dataset: str, labels: np.ndarray, single: bool) -> None:
    """Texts near their images, nearer with mmc than with mm, logits that know the labels, better with mmc; three texts an image, the first
    has four."""
    image_of = np.repeat(np.arange(IMAGES), [4] + [3] * (IMAGES - 1))
    at(dataset).mkdir(parents=True)
    described = {
        "names": [f"{dataset}/{number:02d}" for number in range(IMAGES)],
        "captions": [f"caption {number} of {image}" for number, image in enumerate(image_of)],
        "image_of": image_of.tolist(),
        "parts": {"train": [], "val": [], "test": list(range(IMAGES))},
        "classes": [f"class-{number}" for number in range(CLASSES)],
        "labels": [np.flatnonzero(row).tolist() for row in labels],
        "single": single,
    }
    (at(dataset) / "set.json").write_text(json.dumps(described))
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        images = rng.normal(size=(IMAGES, 12)).astype(np.float32)
        for model, losses in MODELS.items():
            noise = 0.4 if model == "mmc" else 1.2
            made = {}
            if "matching" in losses:
                made = {"images": images, "texts": (images[image_of] + noise * rng.normal(size=(len(image_of), 12))).astype(np.float32)}
            if "classification" in losses:
                made["scores"] = (2 * labels[image_of] + noise * rng.normal(size=(len(image_of), CLASSES))).astype(np.float32)
            stored.save(at(dataset), Predicted(model, seed, {"losses": losses, "sees": "both", "labels": "given"}, **made))


def write_metrics(dataset: str, judged: str, values: dict[tuple[str, str, int], float]) -> None:
    facts = {"unit": "%", "better": "higher", "determinism": "numeric", "n": IMAGES, "encoder": "eye + ear", "parameters": 9}
    values = {(judged, "mmc", seed): 50 for seed in SEEDS} | {("i2t_r1", "mmc", seed): 50 for seed in SEEDS} | values
    records = [metrics.Record(model, metric, value, seed=seed, **facts) for (metric, model, seed), value in values.items()]
    METRICS.mkdir(parents=True, exist_ok=True)
    about = {"chapter": "ch7_mmc", "experiment": dataset, "scale": "mini", "protocol": "miniature"}
    metrics.write(METRICS / f"{dataset}.json", **about, dataset=metrics.Dataset(dataset, "miniature"), records=records)


def write_world() -> None:
    rng = np.random.default_rng(5)
    write_predictions(DATASET, np.eye(CLASSES, dtype=bool)[np.arange(IMAGES) % CLASSES], True)
    several = rng.random((IMAGES, CLASSES)) < 0.5
    several[3] = False  # an image without a label
    write_predictions(SCENES, several, False)
    points: dict[tuple[str, str, int], float] = {
        (f"{way}_r{k}", model, seed): 10 * k // 2 + number + 2 * seed + (way == "t2i")
        for way in ("i2t", "t2i")
        for k in (1, 5, 10)
        for number, model in enumerate(("mmc", "mmc-beta-1", "mmc-d-8"))
        for seed in SEEDS
    }
    points |= {("accuracy", "mmc-beta-1", 0): 60.0, ("accuracy", "mmc-beta-1", 1): 64.0, ("accuracy", "mmc-d-8", 0): 41.0}
    write_metrics(DATASET, "accuracy", points)
    write_metrics(SCENES, "ap", {})
    accuracies = {("vision", 0): [30, 40, 50], ("mmc", 0): ["", 41, 45], ("vision", 1): [20, 30, 40], ("mmc", 1): ["", 50, 60]}
    rows = [
        {"model": model, "seed": seed, "iteration": 10 * (number + 1), "lr": 0.1, "test_accuracy": value}
        for (model, seed), line in accuracies.items()
        for number, value in enumerate(line)
    ]
    write_csv(METRICS / f"{DATASET}.training.csv", [*rows, {"model": "mm", "seed": 0, "iteration": 10, "lr": 0.1, "test_accuracy": ""}])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(
        tmp_path_factory.mktemp("ch7-figures"),
        write_world,
        *((lambda words=words: run_main(figures, words, PARAMS)) for words in (f"{name} {DATASET}" for name in figures.DRAWN)),
    )


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


def values(experiment: str) -> dict[tuple[str, int | None], float]:
    return {(one.metric, one.seed): one.value for one in metrics.read(METRICS / f"{experiment}.json").records}


def test_figure_7_3(here: Path) -> None:
    """The five nearest texts of each image, by plain loops on the coordinates that are drawn."""
    rows = read_csv(FOLDER / "figure_7_3.csv")
    images, texts = ([row for row in rows if row["kind"] == kind] for kind in ("image", "text"))
    described = load_described(at(DATASET))
    assert len({row["image"] for row in images}) == 20 == len(images)
    assert [(int(row["image"]), int(row["text"])) for row in texts] == [
        (image, text) for text, image in enumerate(described.image_of.tolist()) if str(image) in {row["image"] for row in images}
    ]
    counts = []
    for row in images:
        x, y = float(row["x"]), float(row["y"])
        near = sorted(texts, key=lambda text: (float(text["x"]) - x) ** 2 + (float(text["y"]) - y) ** 2)[:5]
        own = [text["image"] == row["image"] for text in near]
        assert row["nearest_own"] == str(own[0]) and int(row["of_five_own"]) == sum(own)
        counts.append((own[0], sum(own)))
    first, five = np.mean(counts, axis=0)
    found = values(f"{DATASET}.map")
    assert found["nearest_own", 0] == pytest.approx(100 * first) and found["five_nearest_own", 0] == pytest.approx(20 * five)
    assert first > 0.6 and 0 < five < 4  # planted; chance is .05
    # of the second seed by its own map, which is not drawn
    other = stored.load(at(DATASET), "mmc", 1, described)
    chosen, kept = shown.drawn_images(described.image_of, 20)
    points = plane.tsne(np.concatenate([other.images[chosen], other.texts[kept]]), 8, 300, "")
    nearest, _ = shown.neighbours(points[:20], points[20:], chosen[:, None] == described.image_of[kept])
    assert found["nearest_own", 1] == pytest.approx(100 * nearest.mean()) and len(found) == 4


def test_neighbours_by_hand() -> None:
    images, texts = np.array([[0.0, 0], [9, 9]]), np.array([[0.0, 1], [0, 2], [8, 9], [0, 3], [1, 1], [9, 9]])
    own = np.array([0, 1, 1, 0, 0, 0]) == np.array([[0], [1]])
    nearest, of_five = shown.neighbours(images, texts, own)
    assert nearest.tolist() == [True, False]  # of the second the nearest is the last text, the first's
    assert of_five.tolist() == [3, 2]


def test_all_images_of_a_map_or_some() -> None:
    image_of = np.repeat(np.arange(6), 2)
    images, texts = shown.drawn_images(image_of, None)
    assert images.tolist() == list(range(6)) and texts.tolist() == list(range(12))
    some, their = shown.drawn_images(image_of, 2)
    assert len(some) == 2 and image_of[their].tolist() == np.repeat(some, 2).tolist()


def test_points_of_a_sweep_ascend_with_the_main_one_among_them() -> None:
    both = ("matching", "classification")
    variants = [(f"b{beta}", Variant(both, beta=beta)) for beta in (1, 0.1)] + [("d9", Variant(both, dimension=9)), ("bp", Variant(both))]
    per_set = PerSet(8, 2, 0.5, 16)
    assert list(shown.points("beta", variants, "mmc", per_set).items()) == [("b0.1", 0.1), ("mmc", 0.5), ("b1", 1)]
    assert list(shown.points("dimension", variants, "mmc", per_set).items()) == [("d9", 9), ("mmc", 16)]


def test_figures_7_9_and_7_10(here: Path) -> None:
    rows = read_csv(FOLDER / "figure_7_9.csv")
    assert [(row["model"], row["beta"]) for row in rows] == [("mmc", "0.5"), ("mmc-beta-1", "1")] * 6
    one = next(row for row in rows if (row["metric"], row["model"]) == ("t2i_r5", "mmc-beta-1"))
    assert [float(one[key]) for key in ("mean", "low", "high", "seeds")] == [28, 27, 29, 2]
    rows = read_csv(FOLDER / "figure_7_10.csv")
    assert [(row["model"], row["dimension"]) for row in rows] == [("mmc-d-8", "8"), ("mmc", "16")] * 6
    drawn = (FOLDER / "figure_7_10.svg").read_text()
    assert all(word in drawn for word in ("R@1, %", "R@10, %", "image to text", "text to image", "dotted"))


def test_figures_7_11_a_and_b(here: Path) -> None:
    rows = {row["model"]: row for row in read_csv(FOLDER / "figure_7_11a.csv")}
    assert {(row["metric"], name) for name, row in rows.items()} == {("accuracy", "mmc"), ("accuracy", "mmc-beta-1")}
    assert [float(rows["mmc-beta-1"][key]) for key in ("beta", "mean", "low", "high")] == [1, 62, 60, 64]
    rows = {row["model"]: row for row in read_csv(FOLDER / "figure_7_11b.csv")}
    assert (rows["mmc-d-8"]["mean"], rows["mmc-d-8"]["seeds"]) == ("41.0000", "1") and rows["mmc"]["dimension"] == "16"


@pytest.mark.parametrize("over", ["pairs", "images"])
def test_figure_7_11c(here: Path, over: str) -> None:
    """By scikit-learn's confusion matrix."""
    run_main(figures, f"classes {DATASET}", PARAMS | {"ch7_mmc": OWN | {"evaluation": {"accuracy": over}}})
    rows = read_csv(FOLDER / "figure_7_11c.csv")
    described = load_described(at(DATASET))
    for seed in SEEDS:
        scores = stored.load(at(DATASET), "mmc", seed, described).scores
        own, chosen = described.labels.argmax(axis=1), softmax(scores.astype(float), axis=1)
        chosen = np.stack([chosen[described.image_of == image].mean(axis=0) for image in range(IMAGES)]) if over == "images" else chosen
        own = own if over == "images" else own[described.image_of]
        expected = confusion_matrix(own, chosen.argmax(axis=1), labels=range(CLASSES))
        if seed == 0:
            assert [[int(row[name]) for name in described.classes] for row in rows] == expected.tolist()
            assert [row["class"] for row in rows] == described.classes
        normalised = confusion_matrix(own, chosen.argmax(axis=1), labels=range(CLASSES), normalize="true")
        assert values(f"{DATASET}.confusion")["confusion_diagonal", seed] == pytest.approx(100 * np.diag(normalised).mean())


def test_figure_7_12(here: Path) -> None:
    rows = read_csv(FOLDER / f"figure_7_12_{DATASET}.csv")
    points = {(row["model"], int(row["iteration"])): [float(row[key]) for key in ("mean", "low", "high")] for row in rows}
    assert points == {
        ("vision", 10): [25, 20, 30], ("vision", 20): [35, 30, 40], ("vision", 30): [45, 40, 50],
        ("mmc", 20): [45.5, 41, 50], ("mmc", 30): [52.5, 45, 60],
    }  # fmt: skip
    # at the two iterations that both have
    assert values(f"{DATASET}.curves") == {("above_vision", 0): 50, ("above_vision", 1): 100}
    assert {one.n for one in metrics.read(METRICS / f"{DATASET}.curves.json").records} == {2}


def test_records_say_what_the_evaluation_said(here: Path) -> None:
    for kind in ("map", "confusion", "curves"):
        file = metrics.read(METRICS / f"{DATASET}.{kind}.json")
        assert (file.experiment, file.dataset.name) == (f"{DATASET}.{kind}", DATASET)
        said = {(one.model, one.unit, one.better, one.determinism, one.encoder, one.parameters) for one in file.records}
        assert said == {("mmc", "%", "higher", "numeric", "eye + ear", 9)}


def test_pictures_are_drawn(here: Path) -> None:
    for name in ("3.png", "9.svg", "10.svg", "11a.svg", "11b.svg", "11c.png", f"12_{DATASET}.svg"):
        assert (FOLDER / f"figure_7_{name}").stat().st_size > 8_000, name


def test_what_cannot_be_drawn_is_one_sentence(here: Path) -> None:
    with pytest.raises(UserError, match="swept_classes has scenes, whose images have several labels"):
        run_main(figures, f"classes {SCENES}", PARAMS)
    none = OWN | {"per_set": {SCENES: OWN["per_set"][DATASET]}, "figures": FIGURES | {"model": "mm"}}
    with pytest.raises(UserError, match=r"scenes.json has none of mm, mmc-beta-1, which Figure 7.9 shows"):
        run_main(figures, f"sweeps {SCENES}", PARAMS | {"ch7_mmc": none})
    with pytest.raises(UserError, match=r"has no test accuracies of vision and mm at the same iterations"):
        run_main(figures, f"curves {DATASET}", PARAMS | {"ch7_mmc": OWN | {"figures": FIGURES | {"learning": ["vision", "mm"]}}})
    with pytest.raises(UserError, match=r"ch7_mmc.figures.perplexity is 90, and the map has 8[0-9] points only: lower it"):
        run_main(figures, f"map {DATASET}", PARAMS | {"ch7_mmc": OWN | {"figures": FIGURES | {"perplexity": 90}}})
    file = metrics.read(METRICS / f"{DATASET}.json")
    with pytest.raises(UserError, match=r"pets.json has no i2t_r1 of mmc with seed 7"):
        figures.counted(file, "i2t_r1", "mmc", 7, "nearest_own", 1, 1)


def test_classes_of_images_of_several_are_not_retrieved_by() -> None:
    labels = np.array([[1, 0], [1, 1]], bool)
    whole = captioned.Described(["p/a", "p/b"], ["one", "two"], np.array([0, 1]), {}, ["cat", "dog"], labels, single=False)
    for described in (whole, dataclasses.replace(whole, classes=[], labels=None)):
        with pytest.raises(UserError, match="relevance is class for a set whose images have not one label each: make it instance"):
            panels.ids_of(described, "class")
    np.testing.assert_array_equal(
        panels.ids_of(dataclasses.replace(whole, labels=labels ^ [[0, 0], [1, 0]], single=True), "class").images, [0, 1]
    )


def test_figures_show_networks_that_have_what_is_shown() -> None:
    chosen = build(Figures, FIGURES)
    variants = {name: Variant(tuple(losses)) for name, losses in MODELS.items()}
    variants["vision"] = Variant(("classification",), sees="vision", head="fc")
    chosen.check(variants)
    with pytest.raises(ValueError, match=r"figures.learning has vision, and no variant is called so: name some of mm, mc, mmc"):
        chosen.check({name: variant for name, variant in variants.items() if name != "vision"})
    with pytest.raises(ValueError, match=r"figures.model has mc, which is not trained by matching: name one that is"):
        build(Figures, FIGURES | {"model": "mc"}).check(variants)


def test_mean_ranks_of_right_classes() -> None:
    rng = np.random.default_rng(2)
    scores, right = rng.normal(size=(30, 6)), rng.random((30, 6)) < 0.5
    right[:, 0] |= ~right.any(axis=1)
    expected = [rankdata(-row)[own].mean() for row, own in zip(scores, right, strict=True)]
    np.testing.assert_allclose(shown.mean_ranks(scores, right), expected)
    assert shown.mean_ranks(np.zeros((1, 3)), np.array([[False, True, True]])).tolist() == [2.5]  # ties by number


@pytest.mark.parametrize("dataset", [DATASET, SCENES])
def test_figures_7_7_and_7_8(here: Path, monkeypatch: pytest.MonkeyPatch, dataset: str) -> None:
    described = load_described(at(dataset))
    pictures = Path(f"data/mini/sources/{dataset}")
    pictures.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(described.names):
        Image.new("RGB", (12, 10), (9 * number, 80, 90)).save(pictures / f"{name.partition('/')[2]}.jpg")

    class Reader:
        @staticmethod
        def read(folder: Path):
            return type("Read", (), {"images": sorted(folder.glob("*.jpg"))})

    monkeypatch.setattr(captioned, "reader", lambda name: Reader)
    run_main(panels, dataset, PARAMS)
    for number in (7, 8):
        assert (FOLDER / f"figure_7_{number}_{dataset}.png").stat().st_size > 8_000

    rows = read_csv(FOLDER / f"figure_7_7_{dataset}.csv")
    assert len(rows) == 2 * 2 * 4
    own = described.labels.argmax(axis=1) if dataset == DATASET else np.arange(IMAGES)
    for row in rows:
        texts = [described.captions.index(row[key]) for key in ("query", "item") if row[key].startswith("caption")]
        images = [described.names.index(row[key]) for key in ("query", "item") if not row[key].startswith("caption")]
        assert (row["right"] == "True") == (own[described.image_of[texts[0]]] == own[images[0]])
    assert {row["rank"] for row in rows if row["model"] == "mmc"} <= {"1", "2", "3", "4"}
    ranks = {(row["direction"], row["model"]): float(row["rank"]) for row in rows}
    assert all(ranks[way, "mmc"] < ranks[way, "mm"] for way in ("i2t", "t2i"))

    rows = read_csv(FOLDER / f"figure_7_8_{dataset}.csv")
    assert [(row["model"], row["rank"]) for row in rows] == [(model, str(rank)) for model in ("mc", "mmc") for rank in (1, 2, 3)]
    pair = described.captions.index(rows[0]["text"])
    assert rows[0]["image"] == described.names[described.image_of[pair]] and described.labels[described.image_of[pair]].any()
    for model in ("mc", "mmc"):
        logits = stored.load(at(dataset), model, 0, described).scores[pair].astype(float)
        probabilities = softmax(logits) if dataset == DATASET else expit(logits)
        best = np.argsort(-logits)[:3]
        listed = [row for row in rows if row["model"] == model]
        assert [row["class"] for row in listed] == [described.classes[number] for number in best]
        np.testing.assert_allclose([float(row["probability"]) for row in listed], probabilities[best], atol=1e-4)
        assert [row["right"] == "True" for row in listed] == described.labels[described.image_of[pair]][best].tolist()
