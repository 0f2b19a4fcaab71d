"""The scorer: what it learns from, its start and steps, resumed as uninterrupted, wrong inputs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scorer_world as world
import stage_runs
import torch
from torch.nn import functional as F

from stages.ch8_translation import score, scorer
from stages.ch8_translation.evaluate import scores
from stages.ch8_translation.scorer_settings import Scorer
from stages.core import loop, runtime, settings
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.seeds import seed_for
from stages.encoders.vgg16 import weights_of

torch.set_num_threads(1)
CPU = Runtime("cpu", 1, "fp32")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scorer")
    return stage_runs.make_world(folder, world.write_prepared, world.write_weights, run)


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained world."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(**changes: Any) -> stage_runs.Here:
    return stage_runs.run_main(scorer, world.DATASET, world.params(**changes))


def files() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(world.SCORER.iterdir())}


def test_it_learns_to_label_photos_that_it_has_not_seen(here: Path) -> None:
    loaded = score.load(world.SCORER, CPU, torch.device("cpu"), "")
    real = world.test_part()
    found = scores(real["labels"], loaded.label_maps(real["photos"]), 3)
    assert min(found) > 0.7
    assert scores(real["labels"], np.ones_like(real["labels"]), 3)[0] < 0.6  # more than a most frequent class


def test_it_says_what_it_is(here: Path) -> None:
    about = json.loads((world.SCORER / "about.json").read_text())
    assert about["classes"] == world.CLASSES and about["palette"] == world.PALETTE.tolist() and about["size"] == 32
    assert about["encoder"] == "FCN-8s from VGG-16 (vgg16_imagenet), miniature weights" and about["determinism"] == "bitwise"


def test_it_sees_real_training_photos_alone_and_no_seed_but_its_own(here: Path) -> None:
    """Neither test photos, nor what is generated, nor the networks' seeds change it; training photos and its seed do."""

    def anew(**changes: Any) -> dict[str, bytes]:
        shutil.rmtree("data/checkpoints", ignore_errors=True)
        run(iterations=6, **changes)
        return files()

    before = anew()
    shutil.copyfile(world.SCORED / "train.npz", world.SCORED / "test.npz")
    shutil.rmtree(world.PREPARED)
    assert anew(models=("gan", "vanilla"), seeds=(3, 4)) == before
    assert anew(seed=1)["model.pt"] != before["model.pt"]
    with np.load(world.SCORED / "train.npz") as stored:
        np.savez(world.SCORED / "train.npz", photos=255 - stored["photos"], labels=stored["labels"])
    assert anew()["model.pt"] != before["model.pt"]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_resumed_equals_uninterrupted(optimiser: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"optimiser": optimiser, "iterations": 12, "learning_rate": 0.001}
    run(**changes)
    shutil.rmtree("data/checkpoints")
    expected, count, original = files(), 0, scorer.fcn8s.segmentation_loss

    def failing(*args: Any) -> torch.Tensor:
        nonlocal count
        count += 1
        if count == 8:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(scorer.fcn8s, "segmentation_loss", failing)
    with pytest.raises(KeyboardInterrupt):
        run(**changes)
    job = run(**changes)
    assert job.notes["resumed"] and count == 8 + 7  # from the checkpoint of step 5
    assert files() == expected


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_the_first_steps_are_the_library_s(optimiser: str, here: Path) -> None:
    """Order, normalisation, dropout, pixels without a class, rate, decay: three steps written out."""
    changes = {"optimiser": optimiser, "iterations": 3, "learning_rate": 0.003, "weight_decay": 0.01}
    run(**changes)
    found = runtime.load(world.SCORER / "model.pt")
    one = settings.build(Scorer, world.params(**changes)["ch8_translation"]["scorer"])
    weights = weights_of("vgg16_imagenet")
    model = scorer.initial(one, runtime.load(Path("data/mini/sources/vgg16_imagenet/vgg16.pth")), weights, 3)
    assert not model.score_fr.weight.any() and (model.scale_pool4, model.scale_pool3) == (4, 4)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if optimiser == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(learned, 0.003, (0.9, 0.999), weight_decay=0.01)
    else:
        optimizer = torch.optim.SGD(learned, 0.003, 0.9, weight_decay=0.01)
    rows = loop.batches(6, 2, (scorer.NAME, 0), torch.device("cpu"))
    torch.manual_seed(seed_for(scorer.NAME, 0, "dropout"))
    with np.load(world.SCORED / "train.npz") as stored:
        photos, labels = stored["photos"], stored["labels"]
    for iteration in range(3):
        some = rows(iteration).numpy()
        deviations = (photos[some] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        logits = model(torch.from_numpy(deviations).float().permute(0, 3, 1, 2))
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.from_numpy(labels[some]).long(), ignore_index=255).backward()
        optimizer.step()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=2e-5, msg=name)


def test_wrong_inputs_are_one_sentence(here: Path) -> None:
    with pytest.raises(UserError, match="batch_size is 7, and walls has 6 training photos: lower it"):
        run(batch_size=7)
    with pytest.raises(UserError, match=r"ch8_translation\.scorer\.weights is 'alexnet': .*it is no VGG-16"):
        run(weights="alexnet")
    with np.load(world.SCORED / "train.npz") as stored:
        np.savez(world.SCORED / "train.npz", photos=stored["photos"], labels=stored["labels"][1:])
    with pytest.raises(UserError, match=r"train\.npz: labels is uint8 \(5, 32, 32\), and there are 6 photos: run `python -m workflow"):
        run()
    (world.SCORED / "train.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"train\.npz cannot be read"):
        run()


def test_damaged_scorers_are_one_sentence(here: Path) -> None:
    file = world.SCORER / "model.pt"
    state = runtime.load(file)

    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            score.load(world.SCORER, CPU, torch.device("cpu"), "ch8_scorer@walls")

    runtime.save(state | {"score_fr.bias": torch.full((3,), torch.nan)}, file)
    refused(r"model\.pt holds weights that are not finite: `python -m workflow\.repro ch8_scorer@walls`")
    runtime.save({"generator": torch.zeros(3)}, file)
    refused(r"model\.pt is no scorer, or damaged \(KeyError\)")
    file.write_bytes(file.read_bytes()[:100])
    refused(r"model\.pt is no scorer, or damaged")
    about = world.SCORER / "about.json"
    about.write_text("{}")
    refused(r"about\.json lacks weights")
