"""Figures 6.4 to 6.7 of a small network, each CSV as what it was drawn from, and the numbers counted beside them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matching_world import SIZES, write_features
from stage_runs import make_world, run_main
from test_ch6_results import DATASET, METRICS, PARAMS, PREDICTIONS, write_predictions

from stages.ch6_cyclematch import embed, figures, fusion, model, shown, stored
from stages.ch6_cyclematch.fusion_settings import Inference
from stages.ch6_cyclematch.training_settings import Network, Variant
from stages.core import metrics, settings
from stages.core.files import read_csv
from stages.datasets.captioned import load_described
from stages.matching import store

FOLDER = Path("reports/figures/ch6_cyclematch")
TERMS = ["i2t-dual", "i2t-rec", "i2t-lat", "t2i-dual", "t2i-rec", "t2i-lat"]
NETWORK = {"widths": [24, 12, 12], "dropout": 0.2, "norm_input": True, "norm_momentum": 0.1, "std": 0.05, "latent": "after"}
OWN = PARAMS["ch6_cyclematch"] | {
    "network": NETWORK,
    "variants": {"embeddings": {"cycle": {"terms": TERMS}}},
    "sets": {"compared": [DATASET]},
}
MODELS = [Path(f"data/mini/models/ch6_cyclematch/{DATASET}/embeddings-seed{seed}/cycle") for seed in (0, 1)]
BUILT = settings.build(Variant, {"terms": TERMS}), settings.build(Network, NETWORK)


def write_networks() -> None:
    """As they are drawn: what they make is their own, and that they have learnt nothing does not matter here."""
    features = stored.load(PREDICTIONS, "cycle", 0, load_described(PREDICTIONS))
    widths = features.images.shape[1], features.texts.shape[1]
    for seed, place in enumerate(MODELS):
        drawn = model.build(BUILT[0], *widths, BUILT[1], "he", torch.Generator().manual_seed(seed))
        torch.save(drawn.state_dict(), place / "model.pt")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(
        tmp_path_factory.mktemp("ch6-figures"),
        lambda: write_features(Path(f"data/mini/features/matching/{DATASET}")),
        write_predictions,
        write_networks,
        lambda: run_main(figures, DATASET, {"ch6_cyclematch": OWN}),
    )


@pytest.fixture
def here(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(drawn)
    return drawn


def records(seed: int = 0) -> dict[str, metrics.Record]:
    return {one.metric: one for one in metrics.read(METRICS.with_suffix(".figures.json")).records if one.seed == seed}


def test_figure_6_4(here: Path) -> None:
    rows = read_csv(FOLDER / "figure_6_4.csv")
    assert len(rows) == 6 * 2 * 30 and list(dict.fromkeys(row["panel"] for row in rows)) == list("abcdef")
    maps = {}
    for panel, (points, _) in figures.PANELS.items():
        own = [[float(row["x"]), float(row["y"])] for row in rows if (row["panel"], row["points"]) == (panel, points)]
        maps[panel] = np.array(own).reshape(2, 30, 2)
        assert records()[f"nearest_{points}"].value == pytest.approx(shown.nearest(maps[panel]))
    # by the network's own passes, without the stage
    described = load_described(PREDICTIONS)
    images, texts = shown.drawn_pairs(described.image_of, 30)
    features = stored.load(PREDICTIONS, "cycle", 0, described)
    network = embed.load(MODELS[0], *BUILT, torch.device("cpu"))
    with torch.no_grad():
        v = torch.from_numpy(features.images[images])
        back = network(v, torch.from_numpy(features.texts[texts])).i2t2i.target.numpy()
    expected = shown.tsne(back, v.numpy(), settings.build(shown.Figures, OWN["figures"]))
    np.testing.assert_allclose(maps["b"], expected, atol=1e-3)


def test_figure_6_5(here: Path) -> None:
    rows = read_csv(FOLDER / "figure_6_5.csv")
    sizes = {"i2t": 3 * SIZES["test"], "t2i": SIZES["test"]}
    for way, size in sizes.items():
        for score in ("visual", "textual", "latent"):
            line = [row for row in rows if (row["direction"], row["score"]) == (way, score)]
            values = [float(row["value"]) for row in line]
            assert len(line) == size and values == sorted(values, reverse=True)
            assert sum(max(value, 0) for value in values) == pytest.approx(float(line[0]["area"]), abs=0.01)
        weights = {row["score"]: float(row["weight"]) for row in rows if row["direction"] == way}
        assert sum(weights.values()) == pytest.approx(1, abs=1e-3)


def test_figure_6_6(here: Path) -> None:
    """The average of two scores of the pairs, least 0 and greatest 1."""
    rows = read_csv(FOLDER / "figure_6_6.csv")
    matrix = np.array([[float(row[str(text)]) for text in range(30)] for row in rows])
    described = load_described(PREDICTIONS)
    images, texts = shown.drawn_pairs(described.image_of, 30)
    embeddings = stored.load(PREDICTIONS, "cycle", 0, described)
    blocks = fusion.ranking(embeddings, Inference(["visual", "textual"]), "average")
    expected = blocks[0](slice(0, len(described.names)))[np.ix_(images, texts)]
    np.testing.assert_allclose(matrix, (expected - expected.min()) / np.ptp(expected), atol=1e-4)
    assert records()["matched_above"].value == pytest.approx(shown.matched_above(expected)) and records()["matched_above"].value > 80


def test_figure_6_7(here: Path) -> None:
    rows = read_csv(FOLDER / "figure_6_7.csv")
    assert [(row["direction"]) for row in rows] == ["i2t"] * SIZES["test"] + ["t2i"] * 3 * SIZES["test"]
    assert all(float(row["visual"]) + float(row["textual"]) == pytest.approx(1, abs=2e-4) for row in rows)
    assert len({row["visual"] for row in rows}) > 20


def test_pictures_are_drawn(here: Path) -> None:
    for name in ("figure_6_4.svg", "figure_6_5.svg", "figure_6_6.png", "figure_6_7.png"):
        assert (FOLDER / name).stat().st_size > 8_000


def test_records(here: Path) -> None:
    """Of both seeds, though the first alone is drawn: one seed decides no claim."""
    file = metrics.read(METRICS.with_suffix(".figures.json"))
    assert (file.experiment, file.dataset.name) == (f"{DATASET}.figures", DATASET)
    assert {one.metric for one in file.records} == {f"nearest_{points}" for points, _ in figures.PANELS.values()} | {"matched_above"}
    facts = {(one.model, one.seed, one.n, one.unit, one.better) for one in file.records}
    assert facts == {("cycle", seed, 30, "%", "higher") for seed in (0, 1)} and len(file.records) == 14
    described = load_described(PREDICTIONS)
    images, texts = shown.drawn_pairs(described.image_of, 30)
    embeddings = stored.load(PREDICTIONS, "cycle", 1, described)
    scores = fusion.ranking(embeddings, Inference(["visual", "textual"]), "average")[0](slice(0, len(described.names)))
    assert records(1)["matched_above"].value == pytest.approx(shown.matched_above(scores[np.ix_(images, texts)]))
    assert records(1)["matched_above"].trained == MODELS[1].as_posix()
    assert [records(0)[name].value for name in records(0)] != [records(1)[name].value for name in records(0)]
    assert file.records[0].encoder == store.encoder_of(stored.load(PREDICTIONS, "cycle", 0, load_described(PREDICTIONS)).about)
