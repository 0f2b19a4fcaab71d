"""Section 8.2's scorer: what it learns and from what, its first steps, resumed as uninterrupted, what it reads, wrong inputs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stage_runs
import swap_scores_world as world
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from stages.ch8_swapgan import score, scorer
from stages.ch8_swapgan.scorer_model import Scorer, initialise
from stages.core import loop, runtime
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.metrics.segmentation import confusion_matrix, mean_iou

torch.set_num_threads(1)
CPU = Runtime("cpu", 1, "fp32")
ROW = ("posteriors_swapped", "parts_swapped")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stage_runs.make_world(tmp_path_factory.mktemp("scorer"), world.write_prepared, run)


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained world."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(**changes: Any) -> stage_runs.Here:
    return stage_runs.run_main(scorer, world.DATASET, world.params(**changes))


def loaded() -> score.Loaded:
    return score.load(world.SCORER, CPU, torch.device("cpu"), "ch8_swap_scorer@boxes")


def files() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(world.SCORER.iterdir())}


def test_it_learns_to_read_photos_that_it_has_not_seen(here: Path) -> None:
    reader, real = loaded(), world.part()
    assert mean_iou(confusion_matrix(real["parts"], reader.parts(real["images"]), 6)) > 0.8
    posteriors = reader.posteriors(real["images"])
    assert posteriors.argmax(axis=1).tolist() == [0, 1, 0, 1] and posteriors.dtype == np.float32
    assert np.allclose(posteriors.sum(axis=1), 1, atol=1e-6)


def test_it_says_what_it_is_and_has_two_losses(here: Path) -> None:
    about = json.loads((world.SCORER / "about.json").read_text())
    assert about["categories"] == world.CATEGORIES and about["size"] == 16 and about["determinism"] == "bitwise"
    assert about["parameters"] == sum(value.numel() for value in runtime.load(world.SCORER / "model.pt").values())
    assert (world.SCORER / "curve.csv").read_text().splitlines()[0] == "iteration,parser,classifier"


def test_it_sees_real_training_photos_alone_and_no_seed_but_its_own(here: Path) -> None:
    """Neither test photos, nor what is generated, nor the networks' seeds change it; training photos and its seed do."""

    def anew(**changes: Any) -> dict[str, bytes]:
        shutil.rmtree("data/checkpoints", ignore_errors=True)
        run(iterations=5, **changes)
        return files()

    before, train = anew(), world.part("train")
    test = world.part()
    np.savez(world.PREPARED / "test.npz", **{**test, "images": 255 - test["images"]})
    assert anew(models=("full", "i"), seeds=(3, 4)) == before
    assert anew(seed=1)["model.pt"] != before["model.pt"]
    np.savez(world.PREPARED / "train.npz", **{**train, "truth": train["images"][train["pairs"][:, 0]]})
    assert anew() == before
    np.savez(world.PREPARED / "train.npz", **{**train, "images": 255 - train["images"]})
    assert anew()["model.pt"] != before["model.pt"]


def test_resumed_as_uninterrupted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(iterations=12)
    shutil.rmtree("data/checkpoints", ignore_errors=True)
    expected, count, original = files(), 0, scorer.losses_of

    def failing(*args: Any) -> dict[str, torch.Tensor]:
        nonlocal count
        count += 1
        if count == 8:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(scorer, "losses_of", failing)
    with pytest.raises(KeyboardInterrupt):
        run(iterations=12)
    job = run(iterations=12)
    assert job.notes["resumed"] and count == 8 + 7  # from the checkpoint of step 5
    assert files() == expected


def test_the_first_steps_are_those_of_two_networks_trained_alone(here: Path) -> None:
    """Order, mirror images, range of pixels, losses, weights of segments and rate written out; each network has an optimiser of its own
    here."""
    run(iterations=3)
    found = runtime.load(world.SCORER / "model.pt")
    model = Scorer(2, width=8, depth=3, filters=8, layers=2)
    initialise(model, scorer.NAME, 0)
    optimisers = [torch.optim.Adam(one.parameters(), 0.005, (0.9, 0.999)) for one in (model.parser, model.classifier)]
    train, rows = world.part("train"), loop.batches(48, 8, (scorer.NAME, 0), torch.device("cpu"))
    rare = torch.tensor([(train["parts"] == part).sum() ** -0.5 for part in range(6)], dtype=torch.float32)
    for iteration in range(3):
        some = rows(iteration).numpy()
        photos, maps = (
            np.stack([of[row] if row < 24 else of[row - 24][:, ::-1] for row in some]) for of in (train["images"], train["parts"])
        )
        pixels = torch.from_numpy(photos / 127.5 - 1).float().permute(0, 3, 1, 2)
        parts, category = torch.from_numpy(maps).long(), torch.from_numpy(some % 2)
        with torch.no_grad():
            segments = model.parser(pixels).softmax(1)
        logits = (model.parser(pixels), model.classifier(pixels, segments))
        for network, said, truth, optimiser in zip((model.parser, model.classifier), logits, (parts, category), optimisers, strict=True):
            optimiser.zero_grad()
            weight = rare[truth] if truth is parts else torch.ones(8)
            answers = F.log_softmax(said, dim=1).gather(1, truth[:, None])[:, 0]
            loss = -(weight * answers).sum() / weight.sum()
            loss.backward()
            assert all(
                parameter.grad is not None and parameter.grad.any() for name, parameter in network.named_parameters() if "weight" in name
            )
            optimiser.step()
    for name, value in model.state_dict().items():
        if name.endswith("weight"):  # of a bias before a normalisation the gradient is what rounding leaves, which Adam makes a step
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=2e-4, msg=name)


def stored(name: str) -> dict[str, NDArray]:
    with np.load(world.SCORES / f"{name}.npz") as arrays:
        return dict(arrays)


def equal(one: dict[str, NDArray], other: dict[str, NDArray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_all_are_read_by_one_code(here: Path) -> None:
    """True swaps and conditions that are stored as a network's are read as `truth` and `copy` are."""
    real = world.part()
    condition = real["images"][real["pairs"][:, 1]]
    world.write_made("full-seed0", swapped=real["truth"], returned=condition, mask_swapped=real["truth"][..., 0])
    world.write_made("i-seed1", swapped=condition)
    world.write_made("poisson", swapped=condition)
    world.write_made("viton-seed1", swapped=real["truth"])
    stage_runs.run_main(score, world.DATASET, world.params(("full", "i"), (0, 1)))
    names = {"full-seed0", "i-seed1", "poisson", "viton-seed1", "real", "reference", "copy", "truth"}
    assert (
        {file.stem for file in world.SCORES.glob("*.npz")} == {file.stem for file in world.SCORES.glob("*.json")} - {"provenance"} == names
    )
    assert (
        equal(stored("viton-seed1"), stored("truth"))
        and equal(stored("poisson"), stored("copy"))
        and equal(stored("i-seed1"), stored("copy"))
    )
    full = stored("full-seed0")
    for kind in ("parts", "posteriors"):
        assert np.array_equal(full[f"{kind}_swapped"], stored("truth")[f"{kind}_swapped"])
        assert np.array_equal(full[f"{kind}_returned"], stored("copy")[f"{kind}_swapped"])
    assert np.array_equal(stored("real")["parts_swapped"], loaded().parts(real["images"]))
    assert len(stored("real")["posteriors_swapped"]) == 4 and len(full["posteriors_swapped"]) == 12
    about = json.loads((world.SCORES / "full-seed0.json").read_text())
    assert about == {"encoder": None, "determinism": "bitwise", "precision": "fp32", "parameters": 10}


def test_a_set_without_true_swaps_has_none(here: Path) -> None:
    real = world.part()
    np.savez(world.PREPARED / "test.npz", **{name: array for name, array in real.items() if name != "truth"})
    world.write_made("full-seed0", swapped=real["truth"])
    world.write_made("tps", swapped=real["truth"])
    stage_runs.run_main(score, world.DATASET, world.params(("full",)))
    assert not (world.SCORES / "truth.npz").exists() and stored("full-seed0").keys() == set(ROW)


def test_inception_in_the_classifier_s_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are stored, and the parser's maps beside them stay."""
    real = world.part()
    world.write_made("full-seed0", swapped=real["truth"])
    world.write_made("tps", swapped=real["truth"])
    stage_runs.run_main(score, world.DATASET, world.params(("full",)))
    before = stored("full-seed0")
    weights = Path("data/mini/sources/inception_v3")
    weights.mkdir(parents=True)
    (weights / "provenance.json").write_text(json.dumps({"kind": "official"}))
    monkeypatch.setattr(score, "inception", lambda folder, device: lambda images: np.full((len(images), 5), 0.2, np.float32))
    params = world.params(("full",))
    params["ch8_swapgan"]["score"]["encoder"] = "inception_v3"
    stage_runs.run_main(score, world.DATASET, params)
    assert stored("full-seed0")["posteriors_swapped"].shape == (12, 5)
    assert np.array_equal(stored("full-seed0")["parts_swapped"], before["parts_swapped"])
    assert json.loads((world.SCORES / "truth.json").read_text())["encoder"] == "inception_v3, official weights"


def test_wrong_inputs_are_one_sentence(here: Path) -> None:
    with pytest.raises(UserError, match="batch_size is 25, and boxes has 24 training photos: lower it"):
        run(batch_size=25)
    with pytest.raises(UserError, match="pictures have 12 x 16 pixels, and the scorer was trained on 16 x 16"):
        loaded().parts(world.part()["images"][:, :, :12])
    file, state = world.SCORER / "model.pt", runtime.load(world.SCORER / "model.pt")
    runtime.save(state | {"classifier.last.bias": torch.full((2,), torch.nan)}, file)
    with pytest.raises(UserError, match=r"model\.pt has weights that are not finite"):
        loaded()
    runtime.save({"generator": torch.zeros(3)}, file)
    with pytest.raises(UserError, match=r"model\.pt is of another network than its settings say"):
        loaded()
    file.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"model\.pt is damaged"):
        loaded()
    (world.SCORER / "about.json").write_text("{}")
    with pytest.raises(UserError, match=r"about\.json lacks width: `python -m workflow\.repro ch8_swap_scorer@boxes`"):
        loaded()


def test_what_is_rare_weighs_more_and_what_is_not_there_harms_nothing() -> None:
    parts = torch.zeros(1, 10, 10, dtype=torch.uint8)
    parts[0, 0, :4], parts[0, 1, 0] = 4, 2
    weights = scorer.segment_weights(parts)
    assert weights.tolist() == pytest.approx([95**-0.5, 1, 1, 1, 0.5, 1])
