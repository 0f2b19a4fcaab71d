"""From stored embeddings to records, curves and Figure 6.8: what fuses what, what is drawn anew, whose CCA stands beside."""

import json
from pathlib import Path

import numpy as np
import pytest
from matching_world import SIZES, write_features
from PIL import Image
from stage_runs import make_world, run_main

from stages.ch6_cyclematch import evaluate, fusion, panels, stored
from stages.ch6_cyclematch.fusion_settings import Inference
from stages.ch6_cyclematch.stored import Embeddings, Made
from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv
from stages.datasets import captioned
from stages.datasets.captioned import load_described
from stages.matching import features, store
from stages.metrics import recall

DATASET = "pets"
PREDICTIONS = Path(f"data/mini/predictions/ch6_cyclematch/{DATASET}")
METRICS = Path(f"reports/metrics/ch6_cyclematch/{DATASET}.json")
NAMES = {"latent-match": ("latent",), "dual-match": ("visual", "textual"), "cycle": ("visual", "textual", "latent")}
TWO, THREE = ["visual", "textual"], ["visual", "textual", "latent"]
INFERENCES = {
    "visual": {"scores": ["visual"]},
    "latent": {"scores": ["latent"]},
    "average": {"scores": TWO},
    "adaptive": {"scores": TWO, "fusion": "adaptive"},
    "adaptive-three": {"scores": THREE, "fusion": "adaptive"},
}
SETTINGS = {
    "encoders": {"images": "eye", "other": "other", "texts": "ear", "mean": "mean", "fisher": "fisher", "rnn": "ear"},
    "variants": {"embeddings": {name: {} for name in NAMES}},
    "models": {"compared": ["embeddings"], "other": [], "mean": [], "fisher": [], "rnn": []},
    "also": [["cycle-rnn", "cycle"]],
    "seeds": [0, 1],
    "inferences": INFERENCES,
    "fusion": {"no_area": "average"},
    "bootstrap": {"models": ["cycle:adaptive"], "resamplings": 200, "split": 20},
    "figures": {"beside": DATASET, "model": "cycle", "pairs": 30, "perplexity": 8, "iterations": 400, "top": 5},
}
PARAMS = {"ch6_cyclematch": SETTINGS, "matching": {"options": {DATASET: {}}}}


def write_predictions() -> None:
    """Embeddings as a network might make them: targets by the pseudoinverse of the training part, with noise of each seed's own."""
    folder = Path(f"data/mini/features/matching/{DATASET}")
    places = folder / "images/eye", folder / "texts/ear"
    read = features.read(*places)
    PREDICTIONS.mkdir(parents=True)
    store.write_part(PREDICTIONS, read.described)
    (PREDICTIONS / "provenance.json").write_text((places[0] / "provenance.json").read_text())
    train, test = (read.pairs(part, "cpu") for part in ("train", "test"))
    v, t = (values.float().numpy() for values in (test.images, test.texts))
    forth = np.linalg.lstsq(train.images.float().numpy()[train.image_of], train.texts.float().numpy(), rcond=None)[0]
    back = np.linalg.lstsq(train.texts.float().numpy(), train.images.float().numpy()[train.image_of], rcond=None)[0]
    abouts = [json.loads((place / "about.json").read_text()) for place in places]
    about = {"determinism": "bitwise", "precision": "fp32", "parameters": 9, "images": abouts[0], "texts": abouts[1]}
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        dual = v @ forth + rng.normal(size=(len(v), t.shape[1])), t @ back + rng.normal(size=(len(t), v.shape[1]))
        latent = dual[0][:, :9], (t + 4 * rng.normal(size=t.shape))[:, :9]
        for name, scores in NAMES.items():
            made = (*(dual if "visual" in scores else (None, None)), *(latent if "latent" in scores else (None, None)))
            rows = [None if one is None else one.astype(np.float32) for one in made]
            stored.save(PREDICTIONS, Embeddings(name, seed, v, t, Made(*rows), about))
            place = Path(f"data/mini/models/ch6_cyclematch/{DATASET}/embeddings-seed{seed}/{name}")
            place.mkdir(parents=True)
            write_csv(place / "curve.csv", [{"iteration": 10, "train_loss": 0.5}])


def write_cca() -> None:
    """Of four pairs of encoders, each of noise of its own."""
    described = load_described(PREDICTIONS)
    first = stored.load(PREDICTIONS, "cycle", 0, described)
    for number, (images, texts) in enumerate((("eye", "ear"), ("other", "ear"), ("eye", "mean"), ("eye", "fisher"))):
        folder = Path(f"data/mini/predictions/matching/{DATASET}/cca-{images}")
        folder.mkdir(parents=True, exist_ok=True)
        about = {"determinism": "bitwise", "images": first.about["images"], "texts": {**first.about["texts"], "encoder": texts}}
        noisy = first.texts + number * np.random.default_rng(number).normal(size=first.texts.shape)
        store.save(folder, store.Embedded(f"cca-{texts}", None, first.made.dual_images, noisy.astype(np.float32), about))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(
        tmp_path_factory.mktemp("ch6"),
        lambda: write_features(Path(f"data/mini/features/matching/{DATASET}")),
        write_predictions,
        write_cca,
        lambda: run_main(evaluate, DATASET, PARAMS),
    )


@pytest.fixture
def here(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    return finished


def values(metric: str) -> dict[tuple[str, int | None], float]:
    return {(one.model, one.seed): one.value for one in metrics.read(METRICS).records if one.metric == metric}


def test_a_model_has_the_inferences_of_its_scores(here: Path) -> None:
    models = {
        "latent-match:latent",
        *(f"dual-match:{name}" for name in ("visual", "average", "adaptive")),
        *(f"{name}:{inference}" for name in ("cycle", "cycle-rnn") for inference in INFERENCES),
    }
    baselines = {(name, None) for name in ("cca", "cca-vgg19", "cca-word2vec", "cca-hglmm", "cca-rnn")}
    assert values("mean_recall").keys() == {(model, seed) for model in models for seed in (0, 1)} | baselines


def test_records(here: Path) -> None:
    file = metrics.read(METRICS)
    assert (file.dataset.name, file.dataset.kind, file.protocol) == (DATASET, "miniature", "miniature")
    facts = {record.metric: (record.unit, record.better, record.n) for record in file.records if record.model == "cycle:adaptive"}
    ways = {"i2t": SIZES["test"], "t2i": 3 * SIZES["test"]}
    for way, queries in ways.items():
        assert facts[f"{way}_r5"] == facts[f"{way}_weights_between"] == ("%", "higher", queries)
        assert facts[f"{way}_r5_bootstrap"] == ("%", "lower", queries)
        assert facts[f"{way}_r5_splits"] == ("%", "lower", 2)  # test sets of 20 images
        assert facts[f"{way}_smaller_area_better"][:2] == ("%", "higher") and 0 < facts[f"{way}_smaller_area_better"][2] <= queries
    assert values("i2t_r1_splits").keys() == values("i2t_r1_bootstrap").keys()
    assert values("i2t_r1_bootstrap").keys() == {(name, seed) for name in ("cycle:adaptive", "cycle-rnn:adaptive") for seed in (0, 1)}
    assert values("i2t_r1")["cycle-rnn:adaptive", 1] == values("i2t_r1")["cycle:adaptive", 1]  # another name of the same
    assert values("i2t_weights_between").keys() == {
        (f"{name}:adaptive", seed) for name in ("cycle", "cycle-rnn", "dual-match") for seed in (0, 1)
    }
    one = next(record for record in file.records if (record.model, record.seed) == ("cycle:adaptive", 1))
    assert one.predictions == (PREDICTIONS / "cycle-seed1.npz").as_posix() and one.parameters == 9
    assert one.trained == f"data/mini/models/ch6_cyclematch/{DATASET}/embeddings-seed1/cycle"
    encoders = {record.model: record.encoder for record in file.records}
    assert encoders["cca-hglmm"] == "eye, miniature weights + fisher of wordlist, miniature vectors"


def test_recalls_by_hand(here: Path) -> None:
    """R@1 of images, as whole matrices and plain numpy have it."""
    described = load_described(PREDICTIONS)
    one = stored.load(PREDICTIONS, "cycle", 1, described)

    def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T

    visual, textual = cosine(one.images, one.made.dual_texts), cosine(one.made.dual_images, one.texts)
    weights = [1 / np.maximum(scores, 0).sum(axis=1, keepdims=True) for scores in (visual, textual)]
    expected = {"visual": visual, "average": visual + textual, "adaptive": weights[0] * visual + weights[1] * textual}
    found = values("i2t_r1")
    for inference, scores in expected.items():
        right = described.image_of[scores.argmax(axis=1)] == np.arange(SIZES["test"])
        assert found[f"cycle:{inference}", 1] == pytest.approx(100 * right.mean())
    assert found["cycle:adaptive", 1] > 40  # chance is 2.5
    share = weights[0] / (weights[0] + weights[1])
    assert values("i2t_weights_between")["cycle:adaptive", 1] == pytest.approx(100 * np.mean((share >= 0.4) & (share <= 0.6)))


def test_a_bootstrap_of_a_score_that_the_model_lacks_is_one_sentence(here: Path) -> None:
    settings = SETTINGS | {"bootstrap": SETTINGS["bootstrap"] | {"models": ["latent-match:average"]}}
    with pytest.raises(UserError, match=r"ch6_cyclematch.bootstrap.models has latent-match:average, and latent-match has no textual score"):
        run_main(evaluate, DATASET, PARAMS | {"ch6_cyclematch": settings})


def test_the_same_where_scores_are_not_kept(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = METRICS.read_bytes()
    monkeypatch.setattr(evaluate, "HELD", 10)
    run_main(evaluate, DATASET, PARAMS)
    read = json.loads(METRICS.read_text())["records"]
    METRICS.write_bytes(before)
    kept = json.loads(before)["records"]
    assert [one["metric"] for one in read] == [one["metric"] for one in kept]
    np.testing.assert_allclose([one["value"] for one in read], [one["value"] for one in kept], rtol=1e-6)


def test_curves_are_published(here: Path) -> None:
    rows = read_csv(METRICS.with_suffix(".training.csv"))
    assert {(row["model"], row["seed"]) for row in rows} == {(name, seed) for name in NAMES for seed in "01"}


def test_a_score_that_a_model_lacks_is_one_sentence(here: Path) -> None:
    latent = stored.load(PREDICTIONS, "latent-match", 0, load_described(PREDICTIONS))
    with pytest.raises(UserError, match="latent-match has no visual score, only latent: fuse those, or train a model that has it"):
        fusion.ranking(latent, Inference(["visual", "textual"]), "average")


def test_queries_of_success_and_of_failure() -> None:
    ranks = np.array([1, 7, 2, 1, 9, 5.5])
    for number in range(20):
        success, failure = panels.chosen(ranks, 5, number)
        assert success in (0, 3) and failure in (1, 4, 5)
    assert panels.chosen(np.array([1.0, 2]), 5) == [0]
    assert panels.chosen(np.array([2.0, 3]), 5) == []


def test_figure_6_8(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = load_described(PREDICTIONS)
    pictures = Path(f"data/mini/sources/{DATASET}")
    pictures.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(described.names):
        Image.new("RGB", (12, 10), (6 * number, 80, 90)).save(pictures / f"{name.partition('/')[2]}.jpg")

    class Reader:
        @staticmethod
        def read(folder: Path):
            return type("Read", (), {"images": sorted(folder.glob("*.jpg"))})

    monkeypatch.setattr(captioned, "reader", lambda name: Reader)
    run_main(panels, DATASET, PARAMS)
    assert Path("reports/figures/ch6_cyclematch/figure_6_8.png").stat().st_size > 10_000
    rows = read_csv(Path("reports/figures/ch6_cyclematch/figure_6_8.csv"))
    how = Inference(TWO, "adaptive")
    blocks = fusion.ranking(stored.load(PREDICTIONS, "cycle", 0, described), how, "average")
    queries = {(row["direction"], row["query"]): row for row in rows}
    for (way, query), row in queries.items():
        of_text = way == "t2i"
        number = (described.captions if of_text else described.names).index(query)
        best = np.argsort(-blocks[of_text](slice(number, number + 1))[0])[:5]
        shown = [one for one in rows if (one["direction"], one["query"]) == (way, query)]
        items = described.names if of_text else described.captions
        assert [one["item"] for one in shown] == [items[item] for item in best]
        right = best == described.image_of[number] if of_text else described.image_of[best] == number
        assert [one["right"] == "True" for one in shown] == right.tolist()
        assert right[0] if row["rank"] == "1" else not right.any()
    assert {row["direction"] for row in rows} == {"i2t", "t2i"} and {row["model"] for row in rows} == {"cycle:adaptive"}
    ranks = recall.first_hits(blocks[0], np.arange(40), described.image_of).ranks()
    assert ((ranks > 5).any()) == (len([row for row in queries.values() if row["direction"] == "i2t" and row["rank"] != "1"]) == 1)
