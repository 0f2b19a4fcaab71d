"""From trained networks to records, curves and Figure 5.5: ensembles are means of cosines, what is absent is named."""

import json
from pathlib import Path

import composed
import numpy as np
import pytest
from matching_world import SIZES, write_features
from PIL import Image
from stage_runs import make_world, run_main
from test_ch5_train import DATASET, small

from stages.ch5_rrf import architectures, evaluate, panels, predict, train
from stages.core import metrics
from stages.core.files import read_csv
from stages.datasets import captioned
from stages.datasets.captioned import load_described
from stages.matching import panels as matching_panels
from stages.matching import store
from stages.metrics import recall

NAMES = ("baseline", "rrf-1", "rrf-2", "rrf-3", "rrf-4")
PREDICTIONS = f"data/mini/predictions/ch5_rrf/{DATASET}"
METRICS = f"reports/metrics/ch5_rrf/{DATASET}.json"
CCA = Path(f"data/mini/predictions/matching/{DATASET}/cca-eye")


def parameters() -> dict:
    values = small(*NAMES, iterations=40)
    values["ch5_rrf"] |= {"models": {"ablated": ["some"], "other": ["rrf-3-vgg19"], "compared": []}, "seeds": [0, 1]}
    return values


def write_cca() -> None:
    """CCA's embeddings, made of the first network's: all that matters here is that they are evaluated."""
    described = load_described(Path(PREDICTIONS))
    first = store.load(Path(PREDICTIONS), "baseline", 0, described)
    about = {key: first.about[key] for key in ("images", "texts", "determinism")}
    for folder in (CCA, CCA.with_name("cca-other")):
        folder.mkdir(parents=True)
        store.save(folder, store.Embedded("cca-ear", None, first.images, first.texts, about))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    params = parameters()
    return make_world(
        tmp_path_factory.mktemp("ch5"),
        lambda: write_features(Path(f"data/mini/features/matching/{DATASET}"), other="other"),
        lambda: run_main(train, f"{DATASET} some --seed 0", params),
        lambda: run_main(train, f"{DATASET} some --seed 1", params),
        lambda: run_main(train, f"{DATASET} rrf-3-vgg19 --seed 1", params),  # and of seed 0 none
        lambda: run_main(predict, DATASET, params),
        write_cca,
        lambda: run_main(evaluate, DATASET, params),
    )


@pytest.fixture
def here(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    return finished


def test_what_is_stored_is_the_test_part(here: Path) -> None:
    described = load_described(Path(PREDICTIONS))
    assert len(described.names) == SIZES["test"] and described.names[0] == "pets/140"
    assert described.image_of.tolist() == np.repeat(np.arange(SIZES["test"]), 3).tolist()
    there = {file.stem for file in Path(PREDICTIONS).glob("*.npz")}
    assert there == {f"{name}-seed{seed}" for name in NAMES for seed in (0, 1)} | {"rrf-3-vgg19-seed1"}


def test_records(here: Path) -> None:
    file = metrics.read(Path(METRICS))
    assert (file.dataset.name, file.dataset.kind, file.protocol) == (DATASET, "miniature", "miniature")
    by_model: dict[str, set] = {}
    for record in file.records:
        by_model.setdefault(record.model, set()).add(record.seed)
    assert by_model == {name: {0, 1} for name in (*NAMES, "rrf-1+3", "rrf-1+2+3", "rrf-1+2+3+4")} | {
        "rrf-3-vgg19": {1},
        "cca": {None},
        "cca-other": {None},
    }
    facts = {record.metric: (record.unit, record.better, record.n) for record in file.records}
    ways = {"i2t": SIZES["test"], "t2i": 3 * SIZES["test"]}
    for way, queries in ways.items():
        for k in (1, 5, 10):
            assert facts[f"{way}_r{k}"] == ("%", "higher", queries)
        for metric in ("median_rank", "mean_rank"):
            assert facts[f"{way}_{metric}"] == ("rank", "lower", queries)
    assert facts["mean_recall"][:2] == ("%", "higher")
    encoders = {record.model: record.encoder for record in file.records}
    assert encoders["rrf-3"] == encoders["cca"] == "eye, miniature weights + ear of wordlist, miniature vectors"
    assert encoders["rrf-3-vgg19"].startswith("other, ")


def test_an_ensemble_is_the_mean_of_cosines(here: Path) -> None:
    """By hand: not of unnormalised products, whose lengths differ from model to model, nor of ranks."""
    described = load_described(Path(PREDICTIONS))
    scores = 0
    for model in ("rrf-1", "rrf-3"):
        one = store.load(Path(PREDICTIONS), model, 1, described)
        unit = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (one.images, one.texts)]
        scores = scores + unit[0] @ unit[1].T / 2
    best = scores.argmax(axis=1)
    expected = 100 * np.mean(described.image_of[best] == np.arange(len(best)))
    found = [record for record in metrics.read(Path(METRICS)).records if (record.model, record.metric) == ("rrf-1+3", "i2t_r1")]
    assert [record.value for record in found if record.seed == 1] == [pytest.approx(expected)]
    members = {record.model: record.parameters for record in metrics.read(Path(METRICS)).records}
    assert found[0].parameters == members["rrf-1"] + members["rrf-3"]  # four models are four times the parameters


def test_an_ensemble_takes_the_seeds_that_all_its_models_have() -> None:
    ensembles = {"a+b": ["a", "b"], "a+c": ["a", "c"]}
    assert list(evaluate.members_of(ensembles, {"a": [0, 2, 1], "b": [1, 2]})) == [("a+b", 2, ["a", "b"]), ("a+b", 1, ["a", "b"])]


def test_curves_are_published(here: Path) -> None:
    rows = read_csv(Path(METRICS).with_suffix(".training.csv"))
    assert {row["model"] for row in rows} == {*NAMES, "rrf-3-vgg19"}
    assert {"iteration", "train_loss", "lr", "validation_recall"} <= rows[0].keys()


def test_counts_are_at_the_thesiss_sizes(here: Path) -> None:
    params = {"ch5_rrf": composed.params("mini")["ch5_rrf"]}
    run_main(architectures, DATASET, params)
    records = metrics.read(Path("reports/metrics/ch5_rrf/architectures.json")).records
    found = {(record.model, record.metric): record.value for record in records}
    assert found["baseline", "parameters"] == 19_657_440 and found["rrf-3", "parameters"] == 19_663_598
    assert found["rrf-3-vgg19", "parameters"] == 23_861_998 and found["rrf-3", "parameters_image"] == 5_780_999
    assert found["rrf-3", "parameters_fusion"] == 14 and found["rrf-3-sum", "parameters_fusion"] == 0


def test_the_query_shown_gains_most_of_those_that_end_well() -> None:
    first, last = np.array([90.0, 30.0, 5.0, 31.0]), np.array([20.0, 2.0, 1.0, 3.0])
    assert matching_panels.gaining(first, last, top=4) == 1  # 28 places, as the fourth, and before it
    assert matching_panels.gaining(first, last, top=1) == 2
    assert matching_panels.gaining(first, last + 90, top=1) == 0  # none ends well: the first gains most


def test_figure_5_5(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = load_described(Path(PREDICTIONS))
    pictures = Path(f"data/mini/sources/{DATASET}")
    pictures.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(described.names):
        Image.new("RGB", (12, 10), (6 * number, 80, 90)).save(pictures / f"{name.partition(chr(47))[2]}.jpg")

    class Reader:
        @staticmethod
        def read(folder: Path):
            return type("Read", (), {"images": sorted(folder.glob("*.jpg"))})

    monkeypatch.setattr(captioned, "reader", lambda name: Reader)
    params = parameters()
    params["ch5_rrf"]["figures"] = {"beside": DATASET, "models": ["baseline", "rrf-3", "rrf-1+2+3+4"], "top": 4}
    run_main(panels, DATASET, params | {"matching": {"options": {DATASET: {}}}})
    rows = read_csv(Path("reports/figures/ch5_rrf/figure_5_5.csv"))
    assert len(rows) == 2 * 2 * 3 * 4
    assert Path("reports/figures/ch5_rrf/figure_5_5.png").stat().st_size > 10_000
    blocks = store.blocks([store.load(Path(PREDICTIONS), "baseline", 0, described)])
    shown = [row for row in rows if (row["direction"], row["model"]) == ("t2i", "baseline")][:4]
    query = described.captions.index(shown[0]["query"])
    best = np.argsort(-blocks[1](slice(query, query + 1))[0])[:4]
    assert [row["item"] for row in shown] == [described.names[image] for image in best]
    assert [row["right"] == "True" for row in shown] == [image == described.image_of[query] for image in best]
    ranks = recall.first_hits(blocks[1], described.image_of, np.arange(len(described.names))).ranks()
    assert float(shown[0]["rank"]) == ranks[query]


def test_a_network_that_is_not_there_is_named(here: Path, capsys: pytest.CaptureFixture) -> None:
    job = run_main(evaluate, DATASET, parameters())
    assert job.notes["absent"] == [f"data/mini/models/ch5_rrf/{DATASET}/rrf-3-vgg19-seed0"]
    assert "rrf-3-vgg19-seed0" in capsys.readouterr().err
    assert json.loads(Path(METRICS).read_text())["records"]
