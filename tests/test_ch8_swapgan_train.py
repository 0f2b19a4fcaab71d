"""Training of Section 8.2: generators and discriminator take turns, resume to the same bytes, and variants differ by method alone."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from graph_tape import Tape
from stage_runs import CPU, run_main
from swap_world import DATASET, MODELS, PREPARED, VARIANTS, small, write_prepared
from torch import Tensor, nn
from torch.nn import functional as F

from stages.ch8_swapgan import data, train
from stages.ch8_swapgan.training_settings import Length, Network, Training, Variant
from stages.core import capture, loop
from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.core.runtime import Runtime
from stages.core.settings import build

torch.set_num_threads(1)
ALL = "image_r", "image_c", "pose_r", "segments_c", "mask_r", "mask_c"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_prepared()
    return tmp_path


def trainer(name: str, seed: int = 0, **training: Any) -> train.Trainer:
    """Of a variant by name on what is prepared."""
    values, photos = small(**training)["ch8_swapgan"], data.load(PREPARED, "train")
    network, settings = build(Network, values["network"]), build(Training, values["training"])
    length, variant = build(Length, values["lengths"][DATASET]), build(Variant, VARIANTS[name])
    pictures = train.Pictures(*(torch.from_numpy(one) for one in (photos.images, photos.poses, photos.parts, photos.pairs)))
    return train.Trainer(variant, network, settings, length, pictures, (train.NAME, DATASET, seed), Runtime(**CPU), torch.device("cpu"))


def a_batch(ours: train.Trainer, iteration: int = 0) -> train.Batch:
    return train.batch_of(ours.pictures, *ours.batch(iteration))


def state(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[bool]:
    assert one.keys() == other.keys()
    return [torch.equal(one[name], other[name]) for name in one]


def run(name: str, params: dict[str, Any] | None = None) -> dict[str, bytes]:
    """A training by its stage; the files that it leaves."""
    run_main(train, f"{DATASET} {name} --seed 0", params or small())
    return {file.name: file.read_bytes() for file in (MODELS / f"{name}-seed0").iterdir()}


@pytest.mark.parametrize(("name", "parts"), [
    ("full", {"first": 1, "second": 1, "mask": 5}), ("i-iii", {"first": 1, "mask": 5}), ("i-ii", {"first": 1, "second": 1}),
    ("i", {"first": 1}), ("full-deconv", {"first": 1, "second": 1, "mask": 5}), ("full-like", {"first": 1, "second": 1, "mask": 5}),
])  # fmt: skip
def test_a_training_leaves_generators_curve_and_what_they_are(world: Path, name: str, parts: dict[str, float]) -> None:
    assert set(run(name)) == {"model.pt", "curve.csv", "about.json"}
    folder = MODELS / f"{name}-seed0"
    rows = read_csv(folder / "curve.csv")
    assert list(rows[0]) == ["iteration", *parts, "total", "discriminator", "lr"] and len(rows) == 10
    for row in rows:
        assert float(row["total"]) == pytest.approx(sum(weight * float(row[part]) for part, weight in parts.items()), rel=1e-5)
    assert [float(row["lr"]) for row in rows][:4] == [0.002] * 4 and float(rows[-1]["lr"]) == 0
    about, variant = json.loads((folder / "about.json").read_text()), build(Variant, VARIANTS[name])
    there = {"first"} | ({"second"} if variant.second else set()) | (set() if variant.third == "none" else {"third"})
    assert {key.split(".")[0] for key in torch.load(folder / "model.pt")} == there
    assert build(Variant, about["variant"]) == variant and about["size"] == 16 and about["parameters"] > 0


def test_a_batch_has_what_eq_8_12_to_8_19_take(world: Path) -> None:
    ours, photos = trainer("full"), data.load(PREPARED, "train")
    batch = train.batch_of(ours.pictures, torch.tensor([3, 4]), torch.tensor([2, 5]))
    shapes = {name: tuple(getattr(batch, name).shape) for name in ALL}
    assert shapes == {name: (2, channels, 16, 16) for name, channels in zip(ALL, (3, 3, 3, 5, 1, 1), strict=True)}
    image = torch.from_numpy(photos.images[2]).permute(2, 0, 1) / 127.5 - 1
    assert torch.equal(batch.image_c[0], image) and not torch.equal(batch.image_r[0], image)
    pose = torch.from_numpy(photos.poses[4]).permute(2, 0, 1) / 127.5 - 1
    assert torch.equal(batch.pose_r[1], pose)
    parts_r, parts_c = torch.from_numpy(photos.parts[[3, 4]]), torch.from_numpy(photos.parts[[2, 5]])
    assert torch.equal(batch.mask_r[:, 0] == 1, parts_r > 0) and torch.equal(batch.mask_c[:, 0] == 1, parts_c > 0)
    assert all(torch.equal(batch.segments_c[:, part - 1] == 1, parts_c == part) for part in range(1, 6))


def test_which_of_a_pair_is_the_reference_is_drawn_by_the_seed(world: Path) -> None:
    orders = {}
    for seed in (0, 1):
        ours = trainer("full", seed)
        orders[seed] = [tuple(map(tuple, torch.stack(ours.batch(iteration), 1).tolist())) for iteration in range(60)]
    pairs = [pair for step in orders[0] for pair in step]
    assert all(reference // 2 == condition // 2 and reference != condition for reference, condition in pairs)
    assert {(2 * one, 2 * one + 1) for one in range(6)} | {(2 * one + 1, 2 * one) for one in range(6)} == set(pairs)
    assert 0.35 < sum(reference > condition for reference, condition in pairs) / len(pairs) < 0.65
    assert any(step[0][0] % 2 != step[1][0] % 2 for step in orders[0])  # each of a batch for itself
    again = trainer("i-iii")
    assert [tuple(map(tuple, torch.stack(again.batch(one), 1).tolist())) for one in (17, 3)] == [orders[0][17], orders[0][3]]
    assert orders[0] != orders[1]


def test_full_is_a_step_written_out_anew(world: Path) -> None:
    """Eq. 8.14 and 8.16 to 8.19 in plain PyTorch, with two optimisers of Adam."""
    ours = trainer("full")
    first, second, third, judge = map(copy.deepcopy, (*ours.generators.children(), ours.discriminator))
    generators = torch.optim.Adam([*first.parameters(), *second.parameters(), *third.parameters()], 2e-3, (0.5, 0.999))
    judges = torch.optim.Adam(judge.parameters(), 2e-3, (0.5, 0.999))

    def scores(reference: Tensor, condition: Tensor) -> Tensor:
        return judge(torch.cat([reference, condition], 1))

    for iteration in range(3):
        real_r, real_c, pose, segments, mask_r, mask_c = (getattr(a_batch(ours, iteration), name) for name in ALL)
        swapped = first(torch.cat([real_c, pose], 1))
        returned = second(torch.cat([swapped, segments], 1))
        one = torch.ones_like(scores(real_r, real_c))
        fooled = F.mse_loss(scores(swapped, real_c), one) + F.mse_loss(scores(real_r, returned), one)
        total = fooled + 5 * (F.l1_loss(third(swapped), mask_r) + F.l1_loss(third(returned), mask_c))
        generators.zero_grad()
        total.backward()
        generators.step()
        judges.zero_grad()
        fakes = scores(swapped.detach(), real_c).square().mean() + scores(real_r, returned.detach()).square().mean()
        whole = F.mse_loss(scores(real_r, real_c), one) + fakes
        whole.backward()
        judges.step()
        losses = ours.step(iteration)
        assert losses["total"].item() == pytest.approx(total.item(), rel=1e-3)
        assert losses["discriminator"].item() == pytest.approx(whole.item(), rel=1e-3)
        if iteration == 0:  # later ones differ: Adam's first step of a gradient that is nearly 0 has its sign
            others = [*first.parameters(), *second.parameters(), *third.parameters(), *judge.parameters()]
            for own, other in zip((*ours.generators.parameters(), *ours.discriminator.parameters()), others, strict=True):
                torch.testing.assert_close(own.grad, other.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["full", "i-iii", "i-ii", "i"])
def test_a_step_of_one_side_neither_moves_the_other_nor_gives_it_a_gradient(world: Path, name: str) -> None:
    ours = trainer(name)
    batch = a_batch(ours)
    for parameter in ours.discriminator.parameters():
        parameter.grad = torch.full_like(parameter, 7)
    before = state(ours.discriminator), state(ours.generators)
    _, made = ours.train_generators(batch)
    assert all(same(before[0], state(ours.discriminator)))
    assert all((parameter.grad == 7).all() for parameter in ours.discriminator.parameters())
    # Of every parameter that instance normalisation leaves a part in the image; a bias before one has none.
    moved = [key for key, kept in zip(before[1], same(before[1], state(ours.generators)), strict=True) if not kept]
    assert {key for key in before[1] if key.endswith("weight")} <= set(moved)
    for parameter in ours.generators.parameters():
        parameter.grad = torch.full_like(parameter, 7)
    before = state(ours.discriminator), state(ours.generators)
    ours.train_discriminator(batch, made)
    assert all(same(before[1], state(ours.generators)))
    assert all((parameter.grad == 7).all() for parameter in ours.generators.parameters())
    assert not any(same(before[0], state(ours.discriminator)))


@pytest.mark.parametrize(("name", "at"), [("full", 1), ("full", 6), ("i", 9)])
def test_killed_and_resumed_is_the_same(world: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    whole, real = run(name), loop._save
    shutil.rmtree("data/checkpoints")

    def save_and_die(stateful, checkpoint, done, *rest) -> None:
        real(stateful, checkpoint, done, *rest)
        if done == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            run(name)
    job = run_main(train, f"{DATASET} {name} --seed 0", small())
    assert job.notes["resumed"]
    assert {file.name: file.read_bytes() for file in (MODELS / f"{name}-seed0").iterdir()} == whole


@pytest.mark.parametrize("name", ["full", "i", "full-deconv"])
def test_a_step_can_be_recorded_and_replayed(world: Path, name: str) -> None:
    tape = Tape()
    rate = {"learning_rate": 2**-9, "constant": 12}  # which float32 has exactly: Adam would see the difference
    written, replayed = (trainer(name, iterations=12, **rate) for _ in range(2))
    replayed.step = capture.Step(replayed.batch, replayed.work, list(replayed.adams.values()), torch.device("cpu"), graph=tape)
    for iteration in range(12):
        one, other = written.step(iteration), replayed.step(iteration)
        assert {key: value.item() for key, value in one.items()} == {key: value.item() for key, value in other.items()}
    assert tape.counts == {"warm_up": capture.EAGER, "capture": 1, "replay": 12 - capture.EAGER}
    assert all(same(state(written.generators), state(replayed.generators)))
    waits = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal")
    met = {str(operation) for operation, *_ in tape.operations}
    assert not [operation for operation in met if operation.split(".")[1] in waits]


@pytest.mark.parametrize(("params", "words"), [
    (small(batch_size=7), r"training\.batch_size is 7, and bars has 6 training pairs: lower it"),
    (small(network={"downsamplings": 4}), r"network\.downsamplings is 4, .* multiples of 16 from 32, and pictures have 16 pixels"),
    (small(network={"strided": 3}), r"network\.strided is 3, for which pictures need 24 pixels a side, and they have 16: 2 at most"),
])  # fmt: skip
def test_what_does_not_suit_the_pictures_is_one_sentence(world: Path, params: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        run("full", params)


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_any_depth_of_g_iii_trains(world: Path, depth: int) -> None:
    assert set(run("i-iii", small(2, network={"depth": depth}))) == {"model.pt", "curve.csv", "about.json"}


def test_one_batch_is_overfitted_with_a_reconstruction_loss(world: Path) -> None:
    """From .9; what copies the condition stays above .3."""
    write_prepared(train=2)
    ours = trainer("i", iterations=130, constant=130, batch_size=2, learning_rate=0.005, reconstruction=10, network={"width": 8})
    for iteration in range(130):
        losses = ours.step(iteration)
    first, second = ours.pictures.images.float().view(2, 2, -1).unbind(1)
    assert losses["reconstruction"].item() < 0.2 < 0.3 < (first - second).abs().mean().item() / 127.5
