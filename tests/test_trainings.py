"""Some of a grid of trainings, and where what only looks computes."""

from pathlib import Path

import pytest
import torch
from stage_runs import CPU

from stages.core import inference, metrics, trainings
from stages.core.errors import UserError
from stages.core.stage import Job

FOLDER = "data/mini/models/ch2_fusion/cifar10"


def job(**params: object) -> Job:
    return Job("ch2_predict@cifar10", "command", [FOLDER], [], params)


def train(*names: str) -> None:
    for name in names:
        Path(FOLDER, name).mkdir(parents=True)


def test_those_that_are_there_in_the_lists_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    train("b-seed0", "a-seed1", "b-seed1", "c-seed0", "a-seed0.partial")
    one = job()
    found = trainings.available(one, FOLDER, ["b", "a"], [0, 1])
    assert found == [("b", 0, Path(FOLDER, "b-seed0")), ("b", 1, Path(FOLDER, "b-seed1")), ("a", 1, Path(FOLDER, "a-seed1"))]
    assert capsys.readouterr().err == f"ch2_predict@cifar10 goes without {FOLDER}/a-seed0: not there\n"
    assert one.notes == {"absent": [f"{FOLDER}/a-seed0"]}


def test_a_whole_grid_is_not_spoken_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    train("a-seed0")
    one = job()
    assert trainings.available(one, FOLDER, ["a"], [0]) == [("a", 0, Path(FOLDER, "a-seed0"))]
    assert trainings.available(one, FOLDER, [], [0]) == []
    assert (capsys.readouterr().err, one.notes) == ("", {})


def test_none_at_all_is_refused_and_so_is_what_is_not_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train("a-seed0")
    with pytest.raises(UserError, match=r"needs data/mini/models/ch2_fusion/cifar10/b-seed0, which does not exist: run `python -m "):
        trainings.available(job(), FOLDER, ["b"], [0, 1])
    Path("elsewhere/a-seed0").mkdir(parents=True)
    with pytest.raises(UserError, match=r"uses elsewhere/a-seed0, which dvc.yaml does not declare among its deps"):
        trainings.available(job(), "elsewhere", ["a"], [0])


def test_inference_has_parameters_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on a GPU, judged on a CPU; and its own key is named where there is no GPU."""
    gpu = {"device": "cuda", "threads": 1, "precision": "bf16"}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "set_deterministic_debug_mode", lambda mode: None)
    precision, device = inference.start(job(runtime=gpu, inference=CPU))
    assert (device.type, precision.precision) == ("cpu", "fp32")
    with pytest.raises(UserError, match=r"^inference.device is cuda, but PyTorch finds no GPU here: set inference.device to cpu or auto$"):
        inference.start(job(runtime=CPU, inference=gpu))


@pytest.mark.parametrize(
    ("training", "prediction", "both"),
    [("bitwise", "bitwise", "bitwise"), ("stochastic", "bitwise", "stochastic"), ("bitwise", "stochastic", "stochastic")],
)
def test_a_number_is_as_reproducible_as_the_less_reproducible_of_both(training: str, prediction: str, both: str) -> None:
    made = metrics.made_by({"determinism": training, "parameters": 3}, {"determinism": prediction, "device": "cpu"})
    assert made == {"determinism": both, "parameters": 3}
