"""Section 2.4.2's stages on a small miniature: networks learn, and their errors are those of their scores; killed trainings resume."""

import tarfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import composed
import numpy as np
import pytest
import stage_runs
import torch
from torch import nn
from torch.nn import functional as F

from stages.ch2_imagenet import evaluate, figures, panels, predict, predict_encoder, prepare, train
from stages.ch2_imagenet.data import Crops, Pictures, central_crops, load_mean, random_crops
from stages.ch2_imagenet.networks import build, load
from stages.ch2_imagenet.training_settings import Network, Variant
from stages.core import loop, metrics, runtime
from stages.core.seeds import generator
from stages.metrics.classification import top_error_percent
from stages.miniatures import alexnet, imagenet

CPU = torch.device("cpu")
NETWORK = Network(width=0.125, fusion_init=0.25)
VARIANTS = {"cfn-11": Variant(sides="fused"), "cnn-11": Variant(), "dsn-11": Variant(sides="predicting")}
TRAINING = {"iterations": 60, "learning_rate_steps": [45], "checkpoint_every": 20}
FOLDER = Path("data/mini/models/ch2_imagenet/imagenet")


def parameters(**training: Any) -> dict[str, Any]:
    """Those of mini, with three networks and fewer steps."""
    changes = {"models": list(VARIANTS), "prepare": {"max_skipped": 0.01}, "figures": {"shown": 2}, "training": TRAINING | training}
    return composed.params(ch2_imagenet=changes)


def test_top_errors_by_hand():
    best = np.array([[1, 2, 3, 4, 5], [9, 8, 7, 6, 5], [0, 1, 2, 3, 4], [3, 1, 4, 5, 9]])
    labels = np.array([1, 6, 9, 1])
    assert top_error_percent(best, labels, 1) == 75
    assert top_error_percent(best, labels, 2) == 50
    assert top_error_percent(best, labels, 5) == 25
    errors = [top_error_percent(best, labels, k) for k in range(1, 6)]
    assert all(later <= earlier for earlier, later in pairwise(errors))


def spoil_first_picture(archive: Path) -> None:
    """Overwrite what the archive's first file holds."""
    with tarfile.open(archive) as tar:
        member = tar.next()
    with archive.open("r+b") as file:
        file.seek(member.offset_data)
        file.write(b"x" * member.size)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where everything up to the figures has run, on a small miniature."""
    folder = tmp_path_factory.mktemp("imagenet")
    sources = folder / "data/mini/sources"
    imagenet.write(sources / "imagenet", classes=10, train=320, val=100, width=80, height=72, seed=0)
    spoil_first_picture(sources / "imagenet/ILSVRC2012_img_val.tar")
    alexnet.write(sources / "alexnet", widths=[4, 6, 8, 8, 8], fc=16, seed=0)
    for name in ("imagenet", "alexnet"):
        (sources / f"{name}/provenance.json").write_text(f'{{"dataset": "{name}", "kind": "miniature", "note": ""}}')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage_runs.run_main(prepare, "imagenet", parameters())
        for model in VARIANTS:
            for stage in (train, predict):
                stage_runs.run_main(stage, f"imagenet {model} --seed 0", parameters())
        for stage in (predict_encoder, evaluate, figures, panels):
            stage_runs.run_main(stage, "imagenet", parameters())
    return folder


def test_networks_learn_and_their_errors_are_those_of_their_scores(world, monkeypatch):
    monkeypatch.chdir(world)
    records = metrics.read(Path("reports/metrics/ch2_imagenet/imagenet.json")).records
    values = {(record.model, record.metric): record.value for record in records}
    pictures = Pictures(world / "data/mini/packed/imagenet", "val")
    mean = load_mean(world / "data/mini/packed/imagenet_facts", "pixel", CPU)
    whole = [Pictures(world / "data/mini/packed/imagenet", "train").pixels(row) for row in range(320)]
    torch.testing.assert_close(mean, torch.from_numpy(np.mean(whole, axis=0)).permute(2, 0, 1).float())
    images, labels = central_crops(pictures, torch.arange(len(pictures)), 64).normalised(mean, CPU)
    for name in ("cnn-11", "cfn-11", "dsn-11"):
        model = load(FOLDER / f"{name}-seed0", VARIANTS[name], 10, NETWORK, CPU)
        scores = model(images)[:, -1]
        ranks = (scores > scores.gather(1, labels[:, None])).sum(1)  # how many classes are above the right one
        for k in (1, 5):
            assert values[name, f"top{k}_error"] == pytest.approx(100 * (ranks >= k).double().mean().item())
        assert values[name, "top1_error"] < 70  # of ten classes, chance is 90
    state = runtime.load(FOLDER / "cfn-11-seed0/model.pt")
    for branch in (1, 2, 3, 4):
        assert values["cfn-11", f"fusion_weight_{branch}"] == pytest.approx(state["fusion.weight"][:, branch - 1].mean().item())
    assert (state["fusion.weight"] - 0.25).abs().min() > 0
    assert [values["dataset", f"skipped_{what}"] for what in ("train", "train_share", "val", "val_share")] == [0, 0, 1, 1]
    encoders = {record.model: record.encoder for record in records}
    assert (encoders["alexnet"], encoders["cnn-11"]) == ("AlexNet, miniature weights", None)
    assert 50 <= values["alexnet", "top1_error"] <= 100 and ("alexnet", "fusion_weight_1") not in values  # never trained
    assert {record.n for record in records if record.metric == "top1_error"} == {99}
    assert {record.n for record in records if record.metric == "skipped_train"} == {320}
    trained = {record.model: record.trained for record in records}
    assert (trained["alexnet"], trained["cnn-11"]) == (None, "data/mini/models/ch2_imagenet/imagenet/cnn-11-seed0")
    assert {Path(record.predictions or "").parent.name for record in records if record.model == "dsn-11"} == {"dsn-11-seed0"}


def test_feature_maps_are_the_networks(world):
    predictions = world / "data/mini/predictions/ch2_imagenet/imagenet"
    assert [file.parent.name for file in predictions.glob("*/activations.npz")] == ["cfn-11-seed0"]  # the one that fuses its branches
    stored = np.load(predictions / "cfn-11-seed0/activations.npz")
    assert {key: stored[key].shape for key in stored} == {
        "images": (2, 64, 64, 3), "branch_1": (2, 4, 8, 8), "branch_2": (2, 4, 4, 4), "branch_3": (2, 4, 2, 2), "branch_4": (2, 4, 2, 2),
    }  # fmt: skip
    means = stored["branch_1"].mean(axis=(2, 3))
    assert (np.diff(means, axis=1) <= 0).all()  # the map with the highest mean first
    rows = (world / "reports/figures/ch2_imagenet/figure_2_12.csv").read_text().splitlines()
    assert len(rows) == 1 + 4 * 2 * 4


def test_the_first_steps_are_sgd_by_hand(world, tmp_path, monkeypatch):
    """Three steps of DSN-11 against the update written out: crops, side losses, momentum, decay, conv6's rate, one drop of the rate."""
    (tmp_path / "data/mini").mkdir(parents=True)
    (tmp_path / "data/mini/packed").symlink_to(world / "data/mini/packed")
    monkeypatch.chdir(tmp_path)
    changed = {"iterations": 3, "learning_rate_steps": [2], "top_rate": 5, "side_weight": 0.3, "weight_decay": 0.01, "batch_size": 8}
    stage_runs.run_main(train, "imagenet dsn-11 --seed 4", parameters(**changed, log_every=1, checkpoint_every=3))
    weights = runtime.load(FOLDER / "dsn-11-seed4/model.pt")
    seed = ("ch2_imagenet.train", "imagenet", 4)
    model = build(VARIANTS["dsn-11"], 10, NETWORK, generator(*seed, "dsn-11", "weights"))
    pictures = Pictures(Path("data/mini/packed/imagenet"), "train")
    mean = load_mean(Path("data/mini/packed/imagenet_facts"), "pixel", CPU)
    rows = loop.batches(len(pictures), 8, seed, CPU)
    speed = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    for iteration in range(3):
        images, labels = random_crops(pictures, rows(iteration), 64, (*seed, "augment", iteration)).normalised(mean, CPU)
        *sides, own = model(images).unbind(1)
        model.zero_grad()
        (F.cross_entropy(own, labels) + 0.3 * sum(F.cross_entropy(side, labels) for side in sides)).backward()
        with torch.no_grad():
            for name, value in model.named_parameters():
                speed[name] = 0.9 * speed[name] + value.grad + 0.01 * value
                value -= (0.02 if iteration < 2 else 0.002) * (5 if name == "conv6.0.weight" else 1) * speed[name]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-6)
    curve = (FOLDER / "dsn-11-seed4/curve.csv").read_text().splitlines()
    assert [float(line.split(",")[2]) for line in curve[1:]] == [0.02, 0.02, 0.002]


def test_a_run_in_half_precision_is_cast_in_any_thread():
    """As nn.DataParallel's, which know nothing of the caller's autocast."""
    cast = train.Cast(nn.Linear(3, 2), runtime.Runtime("cpu", 1, "bf16"), CPU)
    seen = []
    cast.model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(cast, torch.ones(1, 3)).result().dtype == torch.float32
    assert seen == [torch.bfloat16]


def test_a_killed_training_resumes_to_the_same_bytes(world, tmp_path, monkeypatch):
    (tmp_path / "data/mini").mkdir(parents=True)
    (tmp_path / "data/mini/packed").symlink_to(world / "data/mini/packed")
    monkeypatch.chdir(tmp_path)
    asked = 0

    def killed(crops: Crops, mean: torch.Tensor, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal asked
        asked += 1
        if asked == 31:
            raise KeyboardInterrupt
        return plain(crops, mean, device)

    plain = Crops.normalised
    monkeypatch.setattr(Crops, "normalised", killed)
    with pytest.raises(KeyboardInterrupt):
        stage_runs.run_main(train, "imagenet cfn-11 --seed 0", parameters())
    (checkpoint,) = (tmp_path / "data/checkpoints").glob("*/*.pt")
    assert runtime.load(checkpoint)["done"] == 20
    stage_runs.run_main(train, "imagenet cfn-11 --seed 0", parameters())
    assert asked == 31 + 40  # from the checkpoint on
    ours, whole = (folder / FOLDER / "cfn-11-seed0" for folder in (tmp_path, world))
    assert (ours / "model.pt").read_bytes() == (whole / "model.pt").read_bytes()
    assert (ours / "curve.csv").read_bytes() == (whole / "curve.csv").read_bytes()
