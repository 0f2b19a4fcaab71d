"""Which stages led to a number, where trainings and predictions are stages of their own and an evaluation reads them all."""

import pytest
import yaml

from workflow.audit.target import narrowed
from workflow.lock import Lock

MODELS, PREDICTIONS = "data/mini/models/one", "data/mini/predictions/one"
# By stage what it reads and what it makes; of `published` the weights are not trained, and its stage has the data set's name alone.
STAGES = {
    "pictures@one": ([], "data/mini/sources/one"),
    "train@one-a": (["data/mini/sources/one"], f"{MODELS}/a"),
    "train@one-b": (["data/mini/sources/one"], f"{MODELS}/b"),
    "predict@one-a": ([f"{MODELS}/a"], f"{PREDICTIONS}/a"),
    "predict@one-b": ([f"{MODELS}/b"], f"{PREDICTIONS}/b"),
    "predict_published@one": (["data/mini/sources/one"], f"{PREDICTIONS}/published"),
    "evaluate@one": ([PREDICTIONS, MODELS], "reports/metrics/one.json"),
}


@pytest.fixture
def lock() -> Lock:
    stages = {
        name: {"cmd": name, "deps": [{"path": dep} for dep in deps], "outs": [{"path": out, "md5": name}]}
        for name, (deps, out) in STAGES.items()
    }
    return Lock(texts={"dvc.lock": yaml.safe_dump({"stages": stages})})


def test_a_number_comes_from_its_own_training_and_predictions(lock: Lock) -> None:
    chain, aside = narrowed(lock, ["evaluate@one"], {f"{MODELS}/a"}, "one", [f"{PREDICTIONS}/a/classes.npz"])
    assert set(chain) == {"evaluate@one", "predict@one-a", "predict_published@one", "train@one-a", "pictures@one"}
    assert aside == ("predict@one-b", "train@one-b")


def test_what_is_published_comes_from_no_training(lock: Lock) -> None:
    chain, aside = narrowed(lock, ["evaluate@one"], set(), "one", [f"{PREDICTIONS}/published/classes.npz"])
    assert set(chain) == {"evaluate@one", "predict_published@one", "pictures@one"}
    assert aside == ("predict@one-a", "predict@one-b", "train@one-a", "train@one-b")
