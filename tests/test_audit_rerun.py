"""What a rerun compares where a stage ran with less than then: the target's own part, and nothing is taken for equal unseen."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.core import metrics
from stages.core.metrics import Record
from workflow.audit import rerun
from workflow.audit.target import Evidence, Target, at_hand
from workflow.lock import Lock

METRICS = "reports/metrics/c/one.json"
PREDICTIONS = "data/mini/predictions/c/one"


def record(model: str, value: float) -> Record:
    predictions = f"{PREDICTIONS}/{model}-seed0.npz"
    return Record(
        model, "error", value, "%", "lower", "bitwise", seed=0, n=2, predictions=predictions, trained=f"data/mini/models/c/{model}"
    )


def results(root: Path, **errors: float) -> None:
    """A metrics file with the errors of these models, and their predictions."""
    (root / METRICS).parent.mkdir(parents=True)
    records = [record(model, value) for model, value in errors.items()]
    about = {"chapter": "c", "experiment": "one", "scale": "mini", "protocol": "miniature", "dataset": None}
    metrics.write(root / METRICS, records=records, **about)
    (root / PREDICTIONS).mkdir(parents=True)
    for model, value in errors.items():
        np.savez(root / PREDICTIONS / f"{model}-seed0.npz", scores=np.array([value]))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    stages = {
        "predict": {"cmd": "predict", "deps": [{"path": "data/mini/models/c"}], "outs": [{"path": PREDICTIONS, "md5": "1"}]},
        "evaluate": {"cmd": "evaluate", "deps": [{"path": PREDICTIONS}], "outs": [{"path": METRICS, "md5": "2"}]},
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    results(here, a=20.0, b=30.0)
    return tmp_path / "clone"


def target(*records: Record, file: str = METRICS) -> Target:
    evidence = Evidence(at_hand(), file, ("evaluate",), ("evaluate", "predict"), records=records)
    return Target("table", "a cell", others=(evidence,))


def compared(clone: Path, what: Target) -> list[str]:
    return [sentence for name in ("predict", "evaluate") for sentence in rerun._compare_part(name, Lock(), clone, what)[0]]


def test_the_other_model_may_be_missing(clone: Path) -> None:
    results(clone, a=20.0)
    assert compared(clone, target(record("a", 20.0))) == []
    assert rerun._compare_part("predict", Lock(), clone, target(record("a", 20.0)))[1] == "this number's part is equal"


def test_its_own_may_not(clone: Path) -> None:
    results(clone, b=30.0)
    found = compared(clone, target(record("a", 20.0)))
    assert found == [f"{PREDICTIONS}/a-seed0.npz is not made again", "a error, seed 0: value was 20.0, is not there"]


def test_another_value_and_other_predictions(clone: Path) -> None:
    results(clone, a=21.0)
    scores, value = compared(clone, target(record("a", 20.0)))
    assert scores.startswith(f"{PREDICTIONS}/a-seed0.npz: ") and scores.endswith("scores[0] was 20.0, is 21.0 (1 of 1 values differ)")
    assert value == "a error, seed 0: value was 20.0, is 21.0"


def test_a_file_of_predictions_is_compared_itself(clone: Path) -> None:
    results(clone, a=21.0)
    assert compared(clone, target(file=f"{PREDICTIONS}/a-seed0.npz"))
    assert compared(clone, target(file=f"{PREDICTIONS}/c-seed0.npz")) == [f"{PREDICTIONS}/c-seed0.npz is not here to compare with"]
