"""Section 2.4.2: networks against published counts and hand-written layers; what is read of ImageNet, and that it is learned from."""

import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import stage_runs
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from stages.ch2_imagenet import architectures, evaluate, figures, panels, predict, prepare, train
from stages.ch2_imagenet.data import Crops, Pictures, central_crops, load_mean, random_crops
from stages.ch2_imagenet.networks import LocalFusion, Network, build, count_parameters, fusion_weights, load
from stages.ch2_imagenet.variants import BRANCHES, MODELS
from stages.core import loop, metrics, runtime
from stages.core.ahead import AHEAD, in_turn, map_ahead, workers
from stages.core.errors import UserError
from stages.core.seeds import generator
from stages.datasets.imagenet import Picture
from stages.metrics.classification import top_error_percent
from stages.miniatures.alexnet import write as write_alexnet
from stages.miniatures.imagenet import write as write_imagenet

SMALL = Network(width=0.0625, fusion_init=0.25)
CPU = torch.device("cpu")


def small(name: str) -> nn.Module:
    return build(name, 10, SMALL, torch.Generator().manual_seed(1))


# Networks


def test_parameters_equal_the_authors():
    counts = architectures.facts()
    assert (counts["cnn-11"]["parameters_total"], counts["cfn-11"]["parameters_total"]) == (6_283_368, 6_752_362)
    assert counts["alexnet"]["parameters_total"] == 61_100_840  # what torchvision states for its weights
    assert {name: found["layers"] for name, found in counts.items()} == {
        "cnn-11": 11, "dsn-11": 11, "resnet-11": 11, "cfn-11": 11, "cnn-19": 19, "cfn-19": 19, "alexnet": 8,
    }  # fmt: skip
    assert (counts["alexnet"]["dimensions"], counts["cnn-11"]["dimensions"]) == (4096, 1024)  # Table 2.6


def test_parameters_added_by_hand():
    counts = architectures.facts()
    sides = (64 + 128 + 256) * 1024 + 3 * 2 * 1024  # 1x1 convolutions without bias, and their batch norms
    assert counts["cfn-11"]["parameters_added"] == counts["cfn-19"]["parameters_added"] == sides + 4 * 1024 + 2
    assert counts["dsn-11"]["parameters_added"] == sides + 3 * (1024 * 1000 + 1000)
    shortcuts = sum(a * b + 2 * b for a, b in ((64, 64), (64, 128), (128, 256), (256, 512)))
    assert counts["resnet-11"]["parameters_added"] == shortcuts
    more = sum(2 * (9 * b * b + 2 * b) for b in (64, 128, 256, 512))  # two more convolutions in each block
    assert counts["cnn-19"]["parameters_total"] == 6_283_368 + more


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_figure_2_9s_and_every_parameter_gets_a_gradient(name):
    model = small(name)
    images = torch.randn(2, 3, 224, 224)
    sides = [maps.shape[2:] for maps in model.branch_maps(images)]
    assert sides == [(28, 28), (14, 14), (7, 7), (7, 7)][-len(sides) :] and len(sides) == (4 if name[:3] in ("cfn", "dsn") else 1)
    assert model.features(images).shape == (2, 64)
    scores = model(images)
    assert scores.shape == (2, 4 if name.startswith("dsn") else 1, 10)
    train.loss_of(scores, torch.tensor([3, 4]), 1.0).backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.abs().sum() > 0] in (
        [],
        ["conv1.0.bias"],  # batch norm takes it away again; rounding may leave its gradient at exactly 0
    )


def test_odd_sizes_are_met():
    assert small("cfn-11").eval()(torch.randn(1, 3, 65, 97)).shape == (1, 1, 10)


def test_local_fusion_is_equation_2_3_with_one_batch_norm_for_all_elements():
    fusion = LocalFusion(3, 5, 0.25)
    nn.init.normal_(fusion.weight)
    with torch.no_grad():
        fusion.norm.weight.fill_(1.5)
        fusion.norm.bias.fill_(-0.2)
    stack = torch.randn(4, 3, 5)
    fused = torch.zeros(4, 5)
    for i in range(5):
        for j in range(3):
            fused[:, i] += fusion.weight[i, j] * stack[:, j, i]
    normed = 1.5 * (fused - fused.mean()) / (fused.var(correction=0) + 1e-5).sqrt() - 0.2
    torch.testing.assert_close(fusion(stack), normed.clamp(min=0))
    assert torch.autograd.gradcheck(LocalFusion(3, 5, 0.25).double(), torch.randn(4, 3, 5).double().requires_grad_())


def test_fusion_starts_with_equal_weights():
    assert fusion_weights(small("cfn-11")) == {
        **{f"fusion_weight_{branch}": 0.25 for branch in (1, 2, 3, 4)}, **{f"fusion_weight_{branch}_sd": 0.0 for branch in (1, 2, 3, 4)},
    }  # fmt: skip
    assert fusion_weights(small("dsn-11")) == {}


def test_each_branch_has_its_own_fusion_weights_and_the_main_one_the_last():
    model = small("cfn-11").eval()
    with torch.no_grad():
        model.fusion.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(64, 4))
        model.fusion.weight[0] += 6.4
    weights = fusion_weights(model)
    assert [weights[f"fusion_weight_{branch}"] for branch in (1, 2, 3, 4)] == pytest.approx([1.1, 2.1, 3.1, 4.1])
    assert weights["fusion_weight_1_sd"] == pytest.approx(6.4 * (63 / 64**2) ** 0.5)
    images = torch.randn(2, 3, 64, 64)
    maps = model.branch_maps(images)
    assert [found.shape[-1] for found in maps] == [8, 4, 2, 2]
    stack = torch.stack([found.flatten(2).mean(2) for found in maps], dim=2)  # (N, K, S)
    fused = (stack * model.fusion.weight).sum(2) / (1 + 1e-5) ** 0.5  # the one batch norm is new
    torch.testing.assert_close(model.features(images), fused.clamp(min=0))
    torch.testing.assert_close(model(images)[:, 0], model.classifier(fused.clamp(min=0)))
    plain = small("cnn-11").eval()
    torch.testing.assert_close(plain.features(images), plain.branch_maps(images)[0].mean(dim=(2, 3)))
    assert BRANCHES[4].endswith("(main)") and len(BRANCHES) == 4


def test_a_side_predicts_from_its_own_branch_and_the_network_from_the_last():
    model = small("dsn-11").eval()
    images = torch.randn(2, 3, 64, 64)
    pooled = [maps.mean(dim=(2, 3)) for maps in model.branch_maps(images)]
    expected = [*(model.side_classifiers[side](pooled[side]) for side in range(3)), model.classifier(pooled[3])]
    torch.testing.assert_close(model(images), torch.stack(expected, dim=1))


def test_a_shortcut_is_linear_and_added_before_the_relu():
    block = small("resnet-11").eval().blocks[0]
    images = torch.randn(2, 4, 9, 9)
    projected = F.conv2d(images, block.projection[0].weight)  # batch norm of new statistics divides by sqrt(1 + eps)
    found = block.convolutions(images) + projected / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(block(images), found.clamp(min=0))


def test_the_side_losses_of_dsn_by_hand():
    scores = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]])
    each = [-np.log(1 / 2), -np.log(np.e / (np.e + 1)), -np.log(1 / (1 + np.e**2)), -np.log(np.e**3 / (np.e**3 + 1))]
    assert train.loss_of(scores, torch.tensor([0]), 0.3).item() == pytest.approx(each[3] + 0.3 * sum(each[:3]), abs=1e-6)


def test_initial_values_are_xaviers():
    """Uniform within the root of 3 / inputs, as Caffe's filler, and no bias."""
    weight = build("cnn-11", 10, Network(1, 0.25), torch.Generator().manual_seed(0)).blocks[1].convolutions[0].weight
    limit = (3 / (64 * 9)) ** 0.5
    assert weight.abs().max() <= limit and weight.abs().max() > 0.99 * limit
    assert weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)


def test_rates_fall_twice_and_conv6_has_its_own():
    settings = json.loads('{"iterations": 9, "batch_size": 1, "learning_rate": 1.0, "learning_rate_steps": [2, 4], "momentum": 0.9}')
    training = train.Training(**settings, weight_decay=0.1, top_rate=10, side_weight=1, gpus=1, log_every=1, checkpoint_every=1)
    assert [round(train.learning_rate(i, training), 6) for i in range(6)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    model = small("cfn-11")
    plain, top = train.optimizer_for(model, training).param_groups
    assert [(group["rate"], group["weight_decay"]) for group in (plain, top)] == [(1, 0.1), (10, 0.1)]
    assert {id(p) for p in top["params"]} == {id(p) for name, p in model.named_parameters() if name == "conv6.0.weight"}
    assert sum(p.numel() for group in (plain, top) for p in group["params"]) == count_parameters(model)


def test_more_gpus_than_there_are():
    with pytest.raises(
        UserError, match=r"ch2_imagenet.training.gpus is 2, and PyTorch uses 0 here: set it to 1, or runtime.device to cuda"
    ):
        train.spread(small("cnn-11"), 2, CPU)


# Pictures


def jpeg(value: int | np.ndarray, size: tuple[int, int] = (50, 30)) -> bytes:
    pixels = np.broadcast_to(np.asarray(value, np.uint8), (size[1], size[0], 3)) if np.ndim(value) == 0 else value
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=100, subsampling=0)
    return file.getvalue()


SETTINGS = prepare.Preparation(size=40, quality=95, max_skipped=0.25)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Four pictures of one grey each, and one with a slope."""
    slope = np.repeat(np.linspace(0, 255, 40).astype(np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)
    pictures = [Picture(f"{value}.JPEG", value // 50, jpeg(value)) for value in (0, 50, 100, 150)]
    written = prepare.write_part(tmp_path, "train", [*pictures, Picture("slope.JPEG", 7, jpeg(slope))], SETTINGS)
    np.save(tmp_path / "mean.npy", written.mean)
    return tmp_path


def test_pictures_come_back_at_their_size(packed):
    pictures = Pictures(packed, "train")
    assert len(pictures) == 5 and pictures.labels.tolist() == [0, 1, 2, 3, 7]
    for row, value in enumerate((0, 50, 100, 150)):
        assert pictures.pixels(row).shape == (40, 40, 3)
        assert np.abs(pictures.pixels(row).astype(int) - value).max() <= 1
    expected = np.mean([pictures.pixels(row) for row in range(5)], axis=0)
    np.testing.assert_allclose(np.load(packed / "mean.npy"), expected, rtol=1e-6)


def test_the_result_does_not_depend_on_the_threads(packed, tmp_path_factory):
    pictures = [Picture(f"{value}.JPEG", value, jpeg(value)) for value in range(0, 200, 5)]
    folders = [tmp_path_factory.mktemp(f"of{threads}") for threads in (1, 4)]
    for folder, threads in zip(folders, (1, 4), strict=True):
        np.save(folder / "mean.npy", prepare.write_part(folder, "val", pictures, SETTINGS, threads).mean)
    assert [file.read_bytes() for file in sorted(folders[0].iterdir())] == [file.read_bytes() for file in sorted(folders[1].iterdir())]


def test_a_corrupt_jpeg_is_named_and_counted(tmp_path, capsys):
    good = [Picture(f"n1/{value}.JPEG", 0, jpeg(value)) for value in (10, 20, 30)]
    written = prepare.write_part(tmp_path, "train", [*good, Picture("n1/bad.JPEG", 0, jpeg(9)[:100])], SETTINGS)
    assert (written.pictures, written.skipped) == (3, 1) and len(Pictures(tmp_path, "train")) == 3
    assert "skipped: n1/bad.JPEG cannot be read: " in capsys.readouterr().err


def test_too_many_corrupt_jpegs_end_it(tmp_path):
    pictures = [Picture("n1/good.JPEG", 0, jpeg(10)), *(Picture(f"n1/{n}.JPEG", 0, b"no picture") for n in range(2))]
    with pytest.raises(UserError, match=r"2 of 3 pictures of imagenet's part train cannot be decoded, more than the share 0.25"):
        prepare.write_part(tmp_path, "train", pictures, SETTINGS)


def test_crops_are_parts_and_mirror_images(packed):
    pictures = Pictures(packed, "train")
    whole = pictures.pixels(4)
    crops = random_crops(pictures, torch.full((64,), 4), 32, ("seed",))
    assert 16 < int(crops.mirrored.sum()) < 48
    assert set(crops.corners.flatten().tolist()) == set(range(9))  # 40 - 32
    for pixels, (top, left), mirrored in zip(crops.pixels.numpy(), crops.corners.tolist(), crops.mirrored.tolist(), strict=True):
        part = whole[top : top + 32, left : left + 32]
        assert np.array_equal(pixels, part[:, ::-1] if mirrored else part)
    again = random_crops(pictures, torch.full((64,), 4), 32, ("seed",))
    assert torch.equal(again.pixels, crops.pixels)
    assert not torch.equal(random_crops(pictures, torch.full((64,), 4), 32, ("other",)).corners, crops.corners)


def test_the_middle_is_the_middle(packed):
    crops = central_crops(Pictures(packed, "train"), torch.tensor([4]), 32)
    assert np.array_equal(crops.pixels[0].numpy(), Pictures(packed, "train").pixels(4)[4:36, 4:36])


def test_the_mean_is_taken_where_the_pixels_are_from(packed):
    """A picture that is the mean itself leaves zeros, wherever it is cut and however it is mirrored; so the mean goes with the pixels."""
    mean = torch.arange(3 * 40 * 40).view(3, 40, 40) % 251
    corners = torch.tensor([[0, 8], [3, 5], [8, 0]])
    mirrored = torch.tensor([True, False, True])
    parts = [mean[:, top : top + 32, left : left + 32].permute(1, 2, 0) for top, left in corners.tolist()]
    pixels = torch.stack([part.flip(1) if mirror else part for part, mirror in zip(parts, mirrored.tolist(), strict=True)])
    images, _ = Crops(pixels.to(torch.uint8), torch.zeros(3), corners, mirrored).normalised(mean.float(), CPU)
    assert images.shape == (3, 3, 32, 32) and not images.any()
    per_channel = load_mean(packed, "channel", CPU)
    images, _ = Crops(pixels.to(torch.uint8), torch.zeros(3), corners, mirrored).normalised(per_channel, CPU)
    torch.testing.assert_close(images[0, :, 0, 0], pixels[0, 0, 0] - torch.tensor([123.0, 117, 104]))  # red, green, blue
    torch.testing.assert_close(load_mean(packed, "pixel", CPU).permute(1, 2, 0).numpy(), np.load(packed / "mean.npy"))


def test_work_is_done_ahead_in_order(monkeypatch):
    done: list[int] = []
    ask = in_turn(lambda number: done.append(number) or number, 20, threads=2)
    assert [ask(number) for number in range(7, 12)] == [7, 8, 9, 10, 11]
    assert len(done) <= 5 + 2 * AHEAD + 1  # what was asked for, and what is in hand
    monkeypatch.setenv("THESIS_WORKERS", "none")
    with pytest.raises(UserError, match="THESIS_WORKERS is 'none': it must be a number of threads, 1 or more"):
        workers()
    assert list(map_ahead(str, range(5), threads=3, ahead=2)) == ["0", "1", "2", "3", "4"]


# Results


def test_top_errors_by_hand():
    best = np.array([[1, 2, 3, 4, 5], [9, 8, 7, 6, 5], [0, 1, 2, 3, 4], [3, 1, 4, 5, 9]])
    labels = np.array([1, 6, 9, 1])
    assert top_error_percent(best, labels, 1) == 75
    assert top_error_percent(best, labels, 2) == 50
    assert top_error_percent(best, labels, 5) == 25
    errors = [top_error_percent(best, labels, k) for k in range(1, 6)]
    assert all(later <= earlier for earlier, later in pairwise(errors))


# Stages

PARAMS = {
    "ch2_imagenet": {
        "models": ["cfn-11", "cnn-11", "dsn-11"],
        "seeds": [0],
        "prepare": {"size": 72, "quality": 95, "max_skipped": 0.01},
        "crop": 64,
        "mean": "pixel",
        "batch_size": 50,
        "network": {"width": 0.125, "fusion_init": 0.25},
        "training": {
            "iterations": 60, "batch_size": 32, "learning_rate": 0.02, "learning_rate_steps": [45], "momentum": 0.9, "weight_decay": 1e-4,
            "top_rate": 1, "side_weight": 1, "gpus": 1, "log_every": 10, "checkpoint_every": 20,
        },
        "figures": {"branches": "cfn-11", "shown": 2},
    }
}  # fmt: skip


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
    write_imagenet(sources / "imagenet", classes=10, train=320, val=100, width=80, height=72, seed=0)
    spoil_first_picture(sources / "imagenet/ILSVRC2012_img_val.tar")
    write_alexnet(sources / "alexnet", widths=[4, 6, 8, 8, 8], fc=16, seed=0)
    for name in ("imagenet", "alexnet"):
        (sources / f"{name}/provenance.json").write_text(f'{{"dataset": "{name}", "kind": "miniature", "note": ""}}')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage_runs.run_main(prepare, "imagenet", PARAMS)
        for model in PARAMS["ch2_imagenet"]["models"]:
            stage_runs.run_main(train, f"{model} --seed 0", PARAMS)
        for stage in (predict, evaluate, figures, panels):
            stage_runs.run_main(stage, "imagenet", PARAMS)
    return folder


def test_networks_learn_and_their_errors_are_those_of_their_scores(world, monkeypatch):
    monkeypatch.chdir(world)
    found = metrics.read(Path("reports/metrics/ch2_imagenet/imagenet.json"))
    values = {(record.model, record.metric): record.value for record in found.records}
    pictures = Pictures(world / "data/mini/packed/imagenet", "val")
    mean = load_mean(world / "data/mini/packed/imagenet_facts", "pixel", CPU)
    whole = [Pictures(world / "data/mini/packed/imagenet", "train").pixels(row) for row in range(320)]
    torch.testing.assert_close(mean, torch.from_numpy(np.mean(whole, axis=0)).permute(2, 0, 1).float())
    images, labels = central_crops(pictures, torch.arange(len(pictures)), 64).normalised(mean, CPU)
    for name in ("cnn-11", "cfn-11", "dsn-11"):
        folder = world / f"data/mini/models/ch2_imagenet/{name}/seed0"
        model = load(folder, name, 10, Network(width=0.125, fusion_init=0.25), CPU)
        scores = model(images)[:, -1]
        ranks = (scores > scores.gather(1, labels[:, None])).sum(1)  # how many classes are above the right one
        for k in (1, 5):
            assert values[name, f"top{k}_error"] == pytest.approx(100 * (ranks >= k).double().mean().item())
        assert values[name, "top1_error"] < 70  # of ten classes, chance is 90
    state = runtime.load(world / "data/mini/models/ch2_imagenet/cfn-11/seed0/model.pt")
    for branch in (1, 2, 3, 4):
        assert values["cfn-11", f"fusion_weight_{branch}"] == pytest.approx(state["fusion.weight"][:, branch - 1].mean().item())
    assert (state["fusion.weight"] - 0.25).abs().min() > 0
    assert [values["dataset", f"skipped_{what}"] for what in ("train", "train_share", "val", "val_share")] == [0, 0, 1, 1]
    encoders = {record.model: record.encoder for record in found.records}
    assert (encoders["alexnet"], encoders["cnn-11"]) == ("AlexNet, miniature weights", None)
    assert 50 <= values["alexnet", "top1_error"] <= 100 and ("alexnet", "fusion_weight_1") not in values  # never trained
    assert {record.n for record in found.records if record.metric == "top1_error"} == {99}
    assert {record.n for record in found.records if record.metric == "skipped_train"} == {320}


def test_feature_maps_are_the_networks(world):
    stored = np.load(world / "data/mini/predictions/ch2_imagenet/imagenet/activations.npz")
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
    chapter = PARAMS["ch2_imagenet"]
    job = {"ch2_imagenet": chapter | {"training": chapter["training"] | changed | {"log_every": 1, "checkpoint_every": 3}}}
    stage_runs.run_main(train, "dsn-11 --seed 4", job)
    found = runtime.load(Path("data/mini/models/ch2_imagenet/dsn-11/seed4/model.pt"))
    seed = (train.NAME, "imagenet", 4)
    model = build("dsn-11", 10, Network(**chapter["network"]), generator(*seed, "dsn-11", "weights"))
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
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
    curve = Path("data/mini/models/ch2_imagenet/dsn-11/seed4/curve.csv").read_text().splitlines()
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
        stage_runs.run_main(train, "cfn-11 --seed 0", PARAMS)
    (checkpoint,) = (tmp_path / "data/checkpoints").iterdir()
    assert runtime.load(checkpoint)["done"] == 20
    stage_runs.run_main(train, "cfn-11 --seed 0", PARAMS)
    assert asked == 31 + 40  # from the checkpoint on
    ours, whole = (folder / "data/mini/models/ch2_imagenet/cfn-11/seed0" for folder in (tmp_path, world))
    assert (ours / "model.pt").read_bytes() == (whole / "model.pt").read_bytes()
    assert (ours / "curve.csv").read_bytes() == (whole / "curve.csv").read_bytes()


def test_memory_does_not_hold_the_set(packed):
    """What is kept of a set are maps of files; the order of an epoch is 8 bytes a picture."""
    pictures = Pictures(packed, "train")
    assert isinstance(pictures.labels, np.memmap) and isinstance(pictures._offsets, np.memmap)
    rows = loop.batches(1000, 10, ("seed",), CPU)
    assert sorted(int(row) for iteration in range(100) for row in rows(iteration)) == list(range(1000))
