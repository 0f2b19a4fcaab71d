"""Section 8.1's scores: label maps of generated photos and of bounds by one code, metrics by hand, ours, wrong inputs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scorer_world as world
import stage_runs
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from stages.ch8_translation import data, evaluate, score, scorer
from stages.core import metrics
from stages.core.errors import UserError
from stages.core.runtime import Runtime

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def train() -> None:
        stage_runs.run_main(scorer, world.DATASET, world.params(iterations=40))

    return stage_runs.make_world(tmp_path_factory.mktemp("score"), world.write_prepared, world.write_weights, train)


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray]:
    """A copy of a world with a scorer and no networks; its test part."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return world.test_part()


def values(*models: str, seeds: tuple[int, ...] = (0,)) -> dict[tuple[str, int | None], dict[str, float]]:
    """The metrics of these networks, scored and evaluated, by model and seed."""
    params: dict[str, Any] = world.params(models, seeds)
    for module in (score, evaluate):
        stage_runs.run_main(module, world.DATASET, params)
    found: dict[tuple[str, int | None], dict[str, float]] = {}
    for record in metrics.read(Path(f"reports/metrics/ch8_translation/{world.DATASET}.json")).records:
        found.setdefault((record.model, record.seed), {})[record.metric] = record.value
    return found


def labels_of(name: str) -> NDArray[np.uint8]:
    with np.load(world.LABELS / f"{name}.npz") as stored:
        return stored["labels"]


def test_real_photos_stored_as_a_prediction_are_the_oracle(here: dict[str, NDArray]) -> None:
    """At the scorer's own size; there is no smaller Oracle then."""
    for part in ("train", "test"):
        with np.load(world.SCORED / f"{part}.npz") as large:
            a = np.repeat(np.repeat(np.load(world.PREPARED / f"{part}.npz")["a"], 2, axis=1), 2, axis=2)
            np.savez(world.PREPARED / f"{part}.npz", a=a, b=large["photos"], labels=large["labels"])
    world.write_network("vanilla-seed0", forward=here["photos"], backward=world.test_part()["a"])
    found = values("vanilla")
    assert (world.LABELS / "vanilla-seed0.npz").read_bytes() == (world.LABELS / "oracle.npz").read_bytes()
    oracle = found["oracle", None]
    assert {key: found["vanilla", 0][key] for key in oracle} == oracle and set(oracle) == set(evaluate.SCORES)
    assert ("oracle-small", None) not in found
    assert min(oracle.values()) > 0.5


def test_bounds_and_networks_are_labelled_by_one_code(here: dict[str, NDArray]) -> None:
    world.write_network("vanilla-seed0", forward=here["b"], backward=here["a"])
    world.write_network("gan-seed0", forward=here["a"], backward=here["a"])
    found = values("vanilla", "gan")
    for network, bound in (("vanilla", "oracle-small"), ("gan", "copy")):
        assert np.array_equal(labels_of(f"{network}-seed0"), labels_of(bound))
        assert {key: found[network, 0][key] for key in evaluate.SCORES} == found[bound, None]
    assert found["oracle", None]["class_iou"] > found["copy", None]["class_iou"]
    assert not np.array_equal(labels_of("oracle"), labels_of("oracle-small"))


def test_what_a_scorer_sees_of_smaller_photos_is_enlarged_bilinearly(here: dict[str, NDArray]) -> None:
    loaded = score.load(world.SCORER, Runtime("cpu", 1, "fp32"), torch.device("cpu"), "")
    large = F.interpolate(torch.from_numpy(here["b"]).permute(0, 3, 1, 2).float(), scale_factor=2, mode="bilinear")
    deviations = (large / 255 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad():
        logits = loaded.model(deviations)
    found = torch.from_numpy(loaded.label_maps(here["b"])).long()
    assert found.shape == (4, 32, 32)
    chosen = logits.gather(1, found[:, None])[:, 0]
    torch.testing.assert_close(chosen, logits.amax(dim=1), rtol=1e-4, atol=1e-4)


def test_table_8_1_s_metrics_by_hand(here: dict[str, NDArray]) -> None:
    """Over the pixels of all pictures together, without those that have no class."""
    world.write_network("vanilla-seed0", forward=here["b"], backward=here["a"])
    found = values("vanilla")["vanilla", 0]
    said, truth = labels_of("vanilla-seed0"), here["labels"]
    hits = [((said == label) & (truth == label)).sum() for label in range(3)]
    of = [(truth == label).sum() for label in range(3)]
    called = [((said == label) & (truth != 255)).sum() for label in range(3)]
    assert found["pixel_accuracy"] == pytest.approx(sum(hits) / sum(of))
    assert found["class_accuracy"] == pytest.approx(np.mean([hit / count for hit, count in zip(hits, of, strict=True)]))
    unions = [count + call - hit for count, call, hit in zip(of, called, hits, strict=True)]
    assert found["class_iou"] == pytest.approx(np.mean([hit / union for hit, union in zip(hits, unions, strict=True)]))


def test_the_most_frequent_class_is_of_the_training_labels(here: dict[str, NDArray]) -> None:
    with np.load(world.SCORED / "train.npz") as stored:
        np.savez(world.SCORED / "train.npz", photos=stored["photos"], labels=np.where(stored["labels"] == 0, 2, 255).astype(np.uint8))
    world.write_network("gan-seed0", forward=here["b"], backward=here["a"])
    truth = here["labels"][here["labels"] != 255]
    share = (truth == 2).mean()
    found = values("gan")["constant", None]
    assert 0 < share < 0.3  # another class is the most frequent of the test part
    assert found == pytest.approx({"pixel_accuracy": share, "class_accuracy": 1 / 3, "class_iou": share / 3})


def test_generated_label_maps_are_read_by_the_nearest_colour(here: dict[str, NDArray]) -> None:
    rng = np.random.default_rng(0)
    noisy = (here["a"].astype(int) + rng.integers(-30, 31, here["a"].shape)).clip(0, 255).astype(np.uint8)
    wrong = noisy.copy()
    wrong[0, 8] = world.PALETTE[2]  # a row of the first is called windows
    world.write_network("vanilla-seed0", forward=here["b"], backward=noisy)
    world.write_network("gan-seed0", forward=here["b"], backward=wrong)
    found = values("vanilla", "gan")
    assert [found["vanilla", 0][name] for name in evaluate.OF_LABELS] == [1, 1, 1]
    labelled = here["small"] != 255
    lost = (here["small"][0, 8] != 2) & labelled[0, 8]
    assert lost.any()
    assert found["gan", 0]["label_pixel_accuracy"] == pytest.approx(1 - lost.sum() / labelled.sum())


def test_how_many_colours_of_generated_label_maps_are_far_from_all_classes(here: dict[str, NDArray]) -> None:
    """From (200, 40, 30) exactly 80 is not far, 81 is; pixels without a class, as the first row is, do not count."""
    made, labelled = here["a"].copy(), here["small"] != 255
    made[:, 0] = 255
    made[1, 5, :4], made[1, 6, :3] = (200, 40, 110), (200, 40, 111)
    assert not labelled[:, 0].any() and labelled[1, 5:7, :4].all()
    world.write_network("vanilla-seed0", forward=here["b"], backward=made)
    world.write_network("gan-seed0", forward=here["b"], backward=here["a"])
    found = values("vanilla", "gan")
    assert found["vanilla", 0]["label_far"] == pytest.approx(3 / labelled.sum())
    assert found["gan", 0]["label_far"] == 0
    assert np.isnan(evaluate.far(np.full((1, 2, 2), 255, np.uint8), here["a"][:1, :2, :2], world.PALETTE))


def test_collapse_cycles_and_the_gap_of_the_intermediates(here: dict[str, NDArray]) -> None:
    a, b = here["a"], here["b"]
    cycles = {"cycle_a": np.float32([0.1, 0.2, 0.3, 0.4]), "cycle_b": np.float32([0, 0, 0, 1])}
    first = {"forward_first": np.full_like(a, 100), "backward_first": np.full_like(b, 151)}
    world.write_network("long-seed0", forward=b[::-1].copy(), backward=np.repeat(a[:1], 4, axis=0), **cycles, **first)
    halved = (b // 2).astype(np.uint8)
    world.write_network("gan-seed1", forward=halved)  # of one direction
    found = values("gan", "long", seeds=(0, 1))
    long = found["long", 0]
    assert (long["spread_forward"], long["spread_backward"]) == (1, 0)
    assert (long["cycle_a"], long["cycle_b"]) == pytest.approx((0.25, 0.25))
    assert long["intermediate_gap"] == pytest.approx(51 / 127.5)
    gan = found["gan", 1]
    assert gan["spread_forward"] == pytest.approx(halved.std(axis=0).mean() / b.std(axis=0).mean())
    assert gan.keys() == {*evaluate.SCORES, "spread_forward"}
    curves = pd.read_csv(f"reports/metrics/ch8_translation/{world.DATASET}.training.csv")
    assert curves[["model", "seed", "total"]].to_numpy().tolist() == [["gan", 1, 2.5], ["long", 0, 2.5]]


def test_real_pictures_that_do_not_differ_have_no_share(here: dict[str, NDArray]) -> None:
    images = data.Images({"a": ["0"], "b": ["0"]}, True, here["a"][:1], here["b"][:1], [], np.zeros((0, 3), np.uint8))
    assert list(evaluate.measures({"forward": here["b"][:1], "backward": here["a"][:1]}, images)) == []


def test_a_set_without_label_maps_needs_no_scorer(here: dict[str, NDArray]) -> None:
    about = json.loads((world.PREPARED / "set.json").read_text()) | {"classes": [], "palette": []}
    (world.PREPARED / "set.json").write_text(json.dumps(about))
    shutil.rmtree(world.SCORED)
    world.write_network("vanilla-seed0", forward=here["b"], backward=here["a"])
    stage_runs.run_main(evaluate, world.DATASET, world.params(("vanilla",)))
    records = metrics.read(Path(f"reports/metrics/ch8_translation/{world.DATASET}.json")).records
    assert {(record.model, record.metric, record.value) for record in records} == {
        ("vanilla", "spread_forward", 1.0),
        ("vanilla", "spread_backward", 1.0),
    }


def test_networks_of_ours_only_where_they_are_trained_and_what_lacks_is_named(
    here: dict[str, NDArray], capsys: pytest.CaptureFixture
) -> None:
    for name in ("gan-seed0", "large-seed0"):
        world.write_network(name, forward=here["b"], backward=here["a"])
    params = world.params(("gan", "long"))
    params["ch8_translation"]["models"]["ours"] = ["large"]
    for controlled, expected in (([], {"gan-seed0"}), ([world.DATASET], {"gan-seed0", "large-seed0"})):
        params["ch8_translation"]["sets"] = {"controlled": controlled}
        stage_runs.run_main(score, world.DATASET, params)
        assert {file.stem for file in world.LABELS.glob("*-seed*.npz")} == expected
        assert "goes without" in (said := capsys.readouterr().err) and "long-seed0.npz" in said


def test_damaged_predictions_are_one_sentence(here: dict[str, NDArray]) -> None:
    def refused(match: str, **arrays: NDArray) -> None:
        world.write_network("gan-seed0", **({"forward": here["b"], "backward": here["a"]} | arrays))
        with pytest.raises(UserError, match=match):
            values("gan")

    refused(r"gan-seed0\.npz: forward is uint8 \(3, 16, 16, 3\), not uint8 \(4, 16, 16, 3\): run", forward=here["b"][1:])
    refused(r"gan-seed0\.npz: backward is float64 \(4, 16, 16, 3\), not uint8", backward=here["a"] / 255)
    refused(r"gan-seed0\.npz: cycle_a has values that are not finite", cycle_a=np.float32([0, 1, np.nan, 0]))
    world.write_network("gan-seed0", forward=here["b"])
    file = world.PREDICTIONS / "gan-seed0.npz"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UserError, match=r"gan-seed0\.npz cannot be read .*: `python -m workflow\.repro ch8_predict@walls`"):
        values("gan")
