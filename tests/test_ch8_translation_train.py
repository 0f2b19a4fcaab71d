"""Training of Section 8.1: generators and discriminators take turns, resume to the same bytes, and models differ by method alone."""

import copy
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graph_tape import Tape
from stage_runs import CPU, run_main
from torch import Tensor, nn
from torch.nn import functional as F
from translation_world import COLOURS, DATASET, MODELS, PREPARED, VARIANTS, small, write_prepared

from stages.ch8_translation import data, train
from stages.ch8_translation.loss import Passed
from stages.ch8_translation.training_settings import Length, Network, Training, Variant
from stages.core import capture, loop
from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.gan.images import to_bytes, to_unit

torch.set_num_threads(1)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_prepared()
    return tmp_path


def trainer(name: str, seed: int = 0, **training: Any) -> train.Trainer:
    """Of a variant by name on what is prepared."""
    values, images = small(**training)["ch8_translation"], data.load(PREPARED, "train")
    network, settings = build(Network, values["network"]), build(Training, values["training"])
    length = build(Length, values["lengths"][DATASET])
    a, b, seeds = torch.from_numpy(images.a), torch.from_numpy(images.b), (train.NAME, DATASET, seed)
    return train.Trainer(build(Variant, VARIANTS[name]), network, settings, length, a, b, seeds, Runtime(**CPU), torch.device("cpu"))


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
    ("gan", []), ("one-way", []), ("vanilla", ["cycle"]), ("long", ["cycle"]), ("uneven", ["cycle"]),
    ("nest", ["cycle", "inner", "similarity"]), ("nest-no-similarity", ["cycle", "inner"]),
])  # fmt: skip
def test_a_training_leaves_generators_curve_and_what_they_are(world: Path, name: str, parts: list[str]) -> None:
    assert set(run(name)) == {"model.pt", "curve.csv", "about.json"}
    folder = MODELS / f"{name}-seed0"
    rows = read_csv(folder / "curve.csv")
    judged = ["discriminator_b"] if name == "one-way" else ["discriminator_b", "discriminator_a"]
    assert list(rows[0]) == ["iteration", "adversarial", *parts, "total", *judged, "lr"] and len(rows) == 10
    for row in rows:
        lambdas = {"cycle": 10, "inner": 10, "similarity": 1}
        whole = float(row["adversarial"]) + sum(lambdas[part] * float(row[part]) for part in parts)
        assert float(row["total"]) == pytest.approx(whole, rel=1e-5)
    assert [float(row["lr"]) for row in rows][:4] == [0.002] * 4 and float(rows[-1]["lr"]) == 0
    about = json.loads((folder / "about.json").read_text())
    chains = {key.split(".")[0] for key in torch.load(folder / "model.pt")}
    assert chains == ({"forward_chain"} if name == "one-way" else {"forward_chain", "backward_chain"})
    assert build(Variant, about["variant"]) == build(Variant, VARIANTS[name]) and about["size"] == 16
    generators = build(Variant, VARIANTS[name]).forward + (0 if name == "one-way" else build(Variant, VARIANTS[name]).backward)
    assert about["parameters"] % generators == 0 and about["parameters_discriminators"] % len(judged) == 0


def test_long_of_one_generator_a_way_and_nest_of_one_are_vanilla_to_the_bit(world: Path) -> None:
    params = small()
    ones = {"forward": 1, "backward": 1}
    params["ch8_translation"]["variants"] = VARIANTS | {"long": ones, "nest": ones | {"inner": True, "similarity": 0}}
    vanilla, long, nest = (run(name, params) for name in ("vanilla", "long", "nest"))
    for other in (long, nest):
        assert (other["model.pt"], other["curve.csv"]) == (vanilla["model.pt"], vanilla["curve.csv"])
    assert vanilla["model.pt"] != run("gan", params)["model.pt"]


def test_nest_of_the_outer_cycles_alone_trains_as_long_to_the_bit(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long, nest, outer = trainer("long"), trainer("nest-no-similarity"), trainer("nest-no-similarity")
    passes = outer.translator.passes
    drop = lambda *args, **asked: [Passed(one.images, one.steps, one.outer) for one in passes(*args, **asked)]  # noqa: E731
    monkeypatch.setattr(outer.translator, "passes", drop)
    for iteration in range(5):
        for one in (long, nest, outer):
            one.step(iteration)
    assert all(same(state(long.translator), state(outer.translator)) + same(state(long.discriminators), state(outer.discriminators)))
    assert not all(same(state(long.translator), state(nest.translator)))


def test_vanilla_is_a_step_written_out_anew(world: Path) -> None:
    """Against CycleGAN's step in plain PyTorch, without a pool."""
    ours = trainer("vanilla", pool=0)
    (g, h), (d_b, d_a) = ((nn.ModuleList(copy.deepcopy(list(ones)))) for ones in (
        [ours.translator.forward_chain[0], ours.translator.backward_chain[0]], ours.discriminators.values()))  # fmt: skip
    generators = torch.optim.Adam([*g.parameters(), *h.parameters()], 2e-3, (0.5, 0.999), weight_decay=5e-4)
    judges = torch.optim.Adam([*d_b.parameters(), *d_a.parameters()], 2e-3, (0.5, 0.999), weight_decay=5e-4)
    for iteration in range(3):
        rows_a, rows_b, *_ = ours.batch(iteration)
        a, b = to_unit(ours.images[0][rows_a]), to_unit(ours.images[1][rows_b])
        fake_b, fake_a = g(a), h(b)
        fooled = sum(F.mse_loss(scores, torch.ones_like(scores)) for scores in (d_b(fake_b), d_a(fake_a)))
        total = fooled + 10 * (F.l1_loss(h(fake_b), a) + F.l1_loss(g(fake_a), b))
        generators.zero_grad()
        total.backward()
        generators.step()
        judges.zero_grad()
        for judge, real, fake in ((d_b, b, fake_b), (d_a, a, fake_a)):
            yes, no = judge(real), judge(fake.detach())
            (0.5 * (F.mse_loss(yes, torch.ones_like(yes)) + F.mse_loss(no, torch.zeros_like(no)))).backward()
        judges.step()
        assert ours.step(iteration)["total"].item() == pytest.approx(total.item(), rel=1e-4)
    everything = zip((ours.translator, ours.discriminators), ((g, h), (d_b, d_a)), strict=True)
    pairs = [pair for whole, parts in everything for pair in zip(whole.parameters(), nn.ModuleList(parts).parameters(), strict=True)]
    for one, other in pairs:
        if one.dim() > 1:  # a bias that the norm after it takes away moves by what is left by rounding
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["gan", "vanilla", "nest", "uneven", "one-way"])
def test_a_step_of_one_side_neither_moves_the_other_nor_gives_it_a_gradient(world: Path, name: str) -> None:
    ours = trainer(name)
    a, b = (to_unit(images[:1]) for images in ours.images)
    for parameter in ours.discriminators.parameters():
        parameter.grad = torch.full_like(parameter, 7)
    before = state(ours.discriminators), state(ours.translator)
    _, fakes = ours.train_generators(a, b)
    assert all(same(before[0], state(ours.discriminators)))
    assert all((parameter.grad == 7).all() for parameter in ours.discriminators.parameters())
    # Of every parameter that instance normalisation leaves a part in the image; a bias before one has none.
    moved = [name for name, kept in zip(before[1], same(before[1], state(ours.translator)), strict=True) if not kept]
    assert {name for name in before[1] if name.endswith("weight")} <= set(moved)
    for parameter in ours.translator.parameters():
        parameter.grad = torch.full_like(parameter, 7)
    before = state(ours.discriminators), state(ours.translator)
    ours.train_discriminators({"b": b, "a": a}, dict(zip("ba", [fake.detach() for fake in fakes], strict=False)))
    assert all(same(before[1], state(ours.translator)))
    assert all((parameter.grad == 7).all() for parameter in ours.translator.parameters())
    moved = [name for name, kept in zip(before[0], same(before[0], state(ours.discriminators)), strict=True) if not kept]
    assert {name for name in before[0] if name.endswith("weight")} <= set(moved)


def test_a_discriminator_learns_from_its_own_losses_alone(world: Path) -> None:
    """Its gradient in a step is that of the weighted Eq. 8.1, whatever the generators' step before it did."""
    ours = trainer("vanilla", pool=0)
    a, b = (to_unit(images[:1]) for images in ours.images)
    alone = copy.deepcopy(ours.discriminators)
    _, fakes = ours.train_generators(a, b)
    fakes = [fake.detach() for fake in fakes]
    ours.train_discriminators({"b": b, "a": a}, dict(zip("ba", fakes, strict=True)))
    for domain, real, fake in (("b", b, fakes[0]), ("a", a, fakes[1])):
        yes, no = alone[domain](real), alone[domain](fake)
        (0.5 * ((yes - 1).square().mean() + no.square().mean())).backward()
    for one, other in zip(ours.discriminators.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize(("name", "at"), [("vanilla", 1), ("vanilla", 4), ("vanilla", 9), ("nest", 5), ("one-way", 6)])
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


def test_the_pools_images_go_on_with_the_training(world: Path) -> None:
    """What a discriminator sees in step 8 is what a pool of 3 held: with an emptied one, another thing."""
    ours = trainer("vanilla")
    for iteration in range(7):
        ours.step(iteration)
    other = copy.deepcopy({name: one.state_dict() for name, one in ours.stateful().items()})
    assert {key.split(".")[0] for key in other["pools"]} == {"a", "b"} and all(value.any() for value in other["pools"].values())
    curves = []
    for emptied in (False, True):
        resumed = trainer("vanilla")
        for name, one in resumed.stateful().items():
            one.load_state_dict(copy.deepcopy(other[name]))
        for pool in resumed.pools.values():
            pool.images.mul_(not emptied)
        curves.append([resumed.step(iteration)["discriminator_b"].item() for iteration in range(7, 10)])
    assert curves[0] == [ours.step(iteration)["discriminator_b"].item() for iteration in range(7, 10)] != curves[1]


def test_both_domains_are_visited_evenly_in_orders_of_their_own(world: Path) -> None:
    ours = trainer("vanilla", iterations=80)
    rows = np.array([[one.item() for one in ours.batch(iteration)[:2]] for iteration in range(80)])
    assert Counter(rows[:, 0]) == dict.fromkeys(range(5), 16) and Counter(rows[:, 1]) == dict.fromkeys(range(8), 10)
    assert sorted(rows[:5, 0]) == list(range(5)) and list(rows[:5, 0]) != list(rows[5:10, 0])
    assert len({(one, other) for one, other in rows}) > 25  # of 40 pairs: neither order follows the other
    assert [one.item() for one in trainer("long").batch(17)[:2]] == list(rows[17])  # the same for all models of a seed
    write_prepared((5, 7))  # another B, in another number
    assert [trainer("vanilla").batch(iteration)[0].item() for iteration in range(80)] == list(rows[:, 0])
    assert [trainer("vanilla", 1).batch(iteration)[0].item() for iteration in range(10)] != list(rows[:10, 0])


def test_networks_of_a_seed_start_alike_by_their_place_in_a_chain(world: Path) -> None:
    starts = {name: state(trainer(name).translator) for name in VARIANTS}
    judges = {name: state(trainer(name).discriminators) for name in VARIANTS}
    for name in VARIANTS:
        if name != "vanilla-large":  # whose later layers are others
            shared = starts[name].keys() & starts["long"].keys()
            assert shared and all(torch.equal(starts[name][key], starts["long"][key]) for key in shared), name
        assert all(torch.equal(value, judges["vanilla"][key]) for key, value in judges[name].items()), name
    first = {key: starts["long"][f"{key}.layers.1.weight"] for key in ("forward_chain.0", "forward_chain.1", "backward_chain.0")}
    assert len({one.sum().item() for one in first.values()}) == 3
    assert not torch.equal(state(trainer("vanilla", 1).translator)["forward_chain.0.layers.1.weight"], first["forward_chain.0"])
    assert not torch.equal(judges["vanilla"]["a.layers.0.weight"], judges["vanilla"]["b.layers.0.weight"])


@pytest.mark.parametrize("name", ["gan", "vanilla", "nest"])
def test_a_step_can_be_recorded_and_replayed(world: Path, name: str) -> None:
    tape = Tape()
    rate = {"learning_rate": 2**-9, "constant": 12}  # which float32 has exactly: Adam would see the difference
    written, replayed = (trainer(name, iterations=12, **rate) for _ in range(2))
    replayed.step = capture.Step(replayed.batch, replayed.work, list(replayed.adams.values()), torch.device("cpu"), graph=tape)
    for iteration in range(12):
        one, other = written.step(iteration), replayed.step(iteration)
        assert {key: value.item() for key, value in one.items()} == {key: value.item() for key, value in other.items()}
    assert tape.counts == {"warm_up": capture.EAGER, "capture": 1, "replay": 12 - capture.EAGER}
    assert all(same(state(written.translator), state(replayed.translator)))
    waits = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_to_copy")
    met = {str(operation) for operation, *_ in tape.operations}
    assert not [operation for operation in met if operation.split(".")[1] in waits[:-1]]


@pytest.mark.parametrize(("counts", "training", "words"), [
    ((5, 8), {"batch_size": 6}, r"training\.batch_size is 6, and domain A of bars has 5 training images: lower it"),
    ((5, 1), {"batch_size": 2}, r"training\.batch_size is 2, and domain B of bars has 1 training images"),
])  # fmt: skip
def test_a_batch_larger_than_a_domain_is_one_sentence(world: Path, counts: tuple[int, int], training: dict, words: str) -> None:
    write_prepared(counts)
    with pytest.raises(UserError, match=words):
        run("vanilla", small(**training))


def test_domains_of_one_image_train(world: Path) -> None:
    write_prepared((1, 1))
    assert set(run("vanilla", small(3))) == {"model.pt", "curve.csv", "about.json"}


def test_a_discriminator_too_deep_for_its_images_is_one_sentence(world: Path) -> None:
    run("gan", small(1, network={"strided": 2}))
    with pytest.raises(UserError, match=r"network\.strided is 3, for which images need 24 pixels a side, and they have 16: 2 at most"):
        run("gan", small(1, network={"strided": 3}))


def test_nest_of_unequal_chains_is_refused() -> None:
    with pytest.raises(ValueError, match=r"inner is true, and the chains have 2 and 3 generators"):
        Variant(forward=2, backward=3, inner=True)


def test_it_learns_the_mapping_of_two_colours(world: Path) -> None:
    """Red grounds with blue bars become green ones with yellow bars, and the reverse, from no pairs: by the nearest colour of a pixel."""
    write_prepared((40, 40), (12, 12))
    network = {"width": 8, "blocks": 2, "strided": 2}
    ours = trainer("vanilla", iterations=80, constant=80, network=network, batch_size=4, weight_decay=0, pool=8)
    for iteration in range(80):
        ours.step(iteration)
    images = data.load(PREPARED, "test")
    with torch.no_grad():
        pictures = to_unit(torch.from_numpy(images.a)), to_unit(torch.from_numpy(images.b))
        passed = ours.translator.passes(*pictures, cycle=False, inner=False, identity=False)
    for made, right, domain in ((passed[0], images.b, "b"), (passed[1], images.a, "a")):
        labels, true = (nearest(pixels, domain) for pixels in (to_bytes(made.steps[-1]).numpy(), right))
        for colour in (0, 1):  # an answer of one colour has none of the other, one with both exchanged none of either
            assert (labels[true == colour] == colour).mean() > 0.7


def nearest(pictures: np.ndarray, domain: str) -> np.ndarray:
    """uint8 (n, 16, 16, 3) -> (n, 16, 16), 0 ground and 1 bar."""
    return ((pictures[..., None, :].astype(int) - np.array(COLOURS[domain])) ** 2).sum(axis=-1).argmin(axis=-1)
