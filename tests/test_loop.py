"""The training loop: its curve, checkpoints that resume to the same bytes, a loss that is not finite."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Toy
from torch import nn
from torch.nn import functional as F

from stages.core import loop, runtime
from stages.core.errors import UserError
from stages.core.seeds import generator, seed_for


class Counter:
    """State that grows by one per step, so that the loop's arithmetic shows."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def step(self, iteration: int) -> torch.Tensor:
        self.steps.append(iteration)
        return torch.tensor(float(iteration))

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = list(state["steps"])


def test_the_curve_holds_the_mean_loss_of_each_window(tmp_path: Path) -> None:
    counter, seen = Counter(), []

    def observe(done: int) -> loop.Row:
        seen.append(done)
        return {"lr": 0.5}

    rows = loop.train(counter.step, observe, {}, loop.Schedule(8, 3, 6), tmp_path / "c.pt", "toy").rows
    # Losses 0, 1, 2 | 3, 4, 5 | 6, 7: the last window is short.
    assert rows == [
        {"iteration": 3, "train_loss": 1.0, "lr": 0.5},
        {"iteration": 6, "train_loss": 4.0, "lr": 0.5},
        {"iteration": 8, "train_loss": 6.5, "lr": 0.5},
    ]
    assert counter.steps == list(range(8))
    assert seen == [3, 6, 8]


def test_the_loss_is_read_no_more_often_than_it_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    to_cpu = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: moved.append(tensor.shape) or to_cpu(tensor))
    loop.train(Counter().step, lambda done: {}, {}, loop.Schedule(100, 50, 100), tmp_path / "c.pt", "toy")
    assert moved == [(50,), (50,)]


def train_small_network(
    checkpoint: Path, stop_at: int | None = None, rate: float = 0.1, term_at: int | None = None
) -> tuple[dict[str, Any], list[loop.Row], int]:
    """20 steps with momentum, dropout and weight decay; also returns the first step that was done."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=0.01)
    done = []

    def step(iteration: int) -> torch.Tensor:
        if iteration == stop_at:
            raise KeyboardInterrupt
        if iteration == term_at:
            signal.raise_signal(signal.SIGTERM)
        done.append(iteration)
        optimizer.param_groups[0]["lr"] = rate / (1 + iteration)
        images = torch.randn(5, 8, generator=generator("images", iteration))
        loss = F.cross_entropy(model(images), torch.arange(5) % 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    schedule = loop.Schedule(iterations=20, log_every=2, checkpoint_every=4)
    stateful = {"model": model, "sgd": optimizer}
    rows = loop.train(step, lambda _: {"norm": model[0].weight.norm().item()}, stateful, schedule, checkpoint, "toy").rows
    return model.state_dict() | {"momentum": optimizer.state_dict()["state"][0]["momentum_buffer"]}, rows, done[0]


@pytest.mark.parametrize(("stop_at", "resumed_from"), [(0, 0), (3, 0), (4, 4), (5, 4), (6, 4), (13, 12), (19, 16)])
def test_training_resumes_to_the_same_bits(tmp_path: Path, stop_at: int, resumed_from: int) -> None:
    whole, whole_rows, _ = train_small_network(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        train_small_network(tmp_path / "broken.pt", stop_at)
    resumed, rows, first = train_small_network(tmp_path / "broken.pt")
    assert first == resumed_from
    assert rows == whole_rows
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("stop_at", [0, 4, 7, 12, 19])
def test_sigterm_ends_a_training_after_its_step_and_it_goes_on_to_the_same_bits(tmp_path: Path, stop_at: int) -> None:
    whole, whole_rows, _ = train_small_network(tmp_path / "whole.pt")
    handler = signal.getsignal(signal.SIGTERM)
    ends = stop_at < 19  # in its last step a training is over all the same
    with pytest.raises(UserError, match=f"ended by SIGTERM after iteration {stop_at + 1} of 20") if ends else nullcontext():
        resumed, rows, first = train_small_network(tmp_path / "broken.pt", term_at=stop_at)
    if ends:
        resumed, rows, first = train_small_network(tmp_path / "broken.pt")
        assert first == stop_at + 1
    else:  # and the next one that its stage begins ends at once
        with pytest.raises(UserError, match="ended by SIGTERM after iteration 0 of 20"):
            train_small_network(tmp_path / "next.pt")
        assert train_small_network(tmp_path / "next.pt")[1] == whole_rows
    assert signal.getsignal(signal.SIGTERM) is handler
    assert rows == whole_rows
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_no_handler_is_set_where_none_can_be(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as other:
        rows = other.submit(train_small_network, tmp_path / "c.pt").result()[1]
    assert [row["iteration"] for row in rows] == list(range(2, 21, 2))


def test_an_interrupted_checkpoint_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, calls = runtime.save, []

    def full_disk(value: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(value, path)

    monkeypatch.setattr(runtime, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        train_small_network(tmp_path / "c.pt")
    assert runtime.load(tmp_path / "c.pt")["done"] == 4
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


@pytest.mark.parametrize(
    ("bad", "value", "sentence"),
    [
        (3, torch.nan, "the loss is nan at iteration 4; no checkpoint had been written yet; lower the learning rate or change the seed"),
        (5, torch.inf, "the loss is inf at iteration 6; the last good checkpoint is {}; lower the learning rate or change the seed"),
        (11, -torch.inf, "the loss is -inf at iteration 12; the last good checkpoint is {}; lower the learning rate or change the seed"),
    ],
)
def test_a_loss_that_is_not_finite_is_named(tmp_path: Path, bad: int, value: float, sentence: str) -> None:
    checkpoint = tmp_path / "c.pt"
    counter = Counter()

    def step(iteration: int) -> torch.Tensor:
        loss = counter.step(iteration)
        return loss * value if iteration >= bad else loss  # not only once, as in life; the first is named

    with pytest.raises(UserError) as caught:
        loop.train(step, lambda _: {}, {"counter": counter}, loop.Schedule(12, 4, 4), checkpoint, "toy")
    assert str(caught.value) == sentence.format(checkpoint)
    assert not checkpoint.exists() or runtime.load(checkpoint)["done"] == bad // 4 * 4


def test_weights_that_are_not_finite_stop_a_training_whose_loss_still_is(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)

    def step(iteration: int) -> torch.Tensor:
        if iteration == 5:
            model.bias.data.fill_(torch.inf)
        return torch.tensor(1.0)

    with pytest.raises(UserError, match=r"bias holds values that are not finite at iteration 8; the last good checkpoint is .*c.pt"):
        loop.train(step, lambda _: {}, {"model": model}, loop.Schedule(12, 4, 4), tmp_path / "c.pt", "toy")
    assert runtime.load(tmp_path / "c.pt")["done"] == 4


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint = tmp_path / "c.pt"
    train_small_network(tmp_path / "other.pt")
    with pytest.raises(KeyboardInterrupt):
        train_small_network(checkpoint, stop_at=7)
    whole = checkpoint.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 50):
        checkpoint.write_bytes(damaged)
        with pytest.raises(UserError, match=r"c\.pt cannot be read .*remove it and run again"):
            train_small_network(checkpoint)


def test_the_time_of_all_parts_of_a_training_counts_and_that_of_tests_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    stop = [True]

    def step(iteration: int) -> torch.Tensor:
        if iteration == 6 and stop:
            raise KeyboardInterrupt
        clock[0] += 2
        return torch.tensor(1.0)

    def observe(done: int) -> loop.Row:
        clock[0] += 100
        return {}

    arguments = (step, observe, {"counter": Counter()}, loop.Schedule(8, 2, 4), tmp_path / "c.pt", "toy")
    with pytest.raises(KeyboardInterrupt):
        loop.train(*arguments)
    stop.clear()
    trained = loop.train(*arguments)
    assert trained.notes() == {"train_seconds": 16.0, "resumed": True}


def test_losses_by_name_have_a_column_each(tmp_path: Path) -> None:
    def step(iteration: int) -> dict[str, torch.Tensor]:
        return {"generator": torch.tensor(float(iteration)), "discriminator": torch.tensor(1.0 - iteration)}

    rows = loop.train(step, lambda done: {"seen": done}, {}, loop.Schedule(4, 2, 4), tmp_path / "c.pt", "toy").rows
    # Means of 0 and 1, of 2 and 3; of 1 and 0, of -1 and -2.
    assert rows == [
        {"iteration": 2, "generator": 0.5, "discriminator": 0.5, "seen": 2},
        {"iteration": 4, "generator": 2.5, "discriminator": -1.5, "seen": 4},
    ]


def test_of_several_losses_the_one_that_is_not_finite_is_named(tmp_path: Path) -> None:
    def step(iteration: int) -> dict[str, torch.Tensor]:
        return {"generator": torch.tensor(1.0), "discriminator": torch.tensor(torch.inf if iteration == 2 else 0.0)}

    with pytest.raises(UserError, match="the loss discriminator is inf at iteration 3; no checkpoint"):
        loop.train(step, lambda done: {}, {}, loop.Schedule(8, 4, 8), tmp_path / "c.pt", "toy")


def test_two_optimisers_resume_to_the_same_bytes(tmp_path: Path) -> None:
    """As an adversarial training has them: each steps in turn, on a loss of its own."""

    def train(checkpoint: Path, stop_at: int | None) -> list[torch.Tensor]:
        torch.manual_seed(1)
        models = [torch.nn.Linear(3, 3), torch.nn.Linear(3, 1)]
        optimisers = [torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.5, 0.999)) for model in models]

        def step(iteration: int) -> dict[str, torch.Tensor]:
            if iteration == stop_at:
                raise KeyboardInterrupt
            made = models[0](torch.randn(4, 3, generator=generator("noise", iteration)))
            losses = {"generator": models[1](made).square().mean(), "discriminator": (models[1](made.detach()) - 1).square().mean()}
            for optimiser, loss in zip(optimisers, losses.values(), strict=True):
                optimiser.zero_grad()
                loss.backward(inputs=optimiser.param_groups[0]["params"], retain_graph=True)
            for optimiser in optimisers:
                optimiser.step()
            return losses

        stateful = {f"{kind}{i}": one for kind, ones in (("model", models), ("adam", optimisers)) for i, one in enumerate(ones)}
        loop.train(step, lambda done: {}, stateful, loop.Schedule(12, 2, 4), checkpoint, "toy")
        return [parameter.detach().clone() for model in models for parameter in model.parameters()]

    whole = train(tmp_path / "whole.pt", None)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut.pt", 7)
    resumed = train(tmp_path / "cut.pt", None)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_what_is_saved_has_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    value = {"weight": torch.arange(6.0).reshape(2, 3), "rows": [1, 2.5], "name": "a"}
    runtime.save(value, tmp_path / "one.pt")
    runtime.save(value, tmp_path / "deeper/two.bin")
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "deeper/two.bin").read_bytes()
    loaded = runtime.load(tmp_path / "one.pt")
    assert torch.equal(loaded.pop("weight"), value["weight"])
    assert loaded == {"rows": [1, 2.5], "name": "a"}


def test_what_is_loaded_cannot_run_code(tmp_path: Path) -> None:
    runtime.save(Counter(), tmp_path / "object.pt")
    with pytest.raises(Exception, match="Weights only"):
        runtime.load(tmp_path / "object.pt")


def test_seeds_depend_on_their_purpose_alone() -> None:
    # First 63 bits of sha256("('order', 0, 1)"), by the command sha256sum.
    assert seed_for("order", 0, 1) == 0x915305812CDBB89C >> 1
    purposes = [("order", 0, 1), ("order", 1, 0), ("order", "0", 1), ("order", 0), ("order", (0, 1)), ("order01",)]
    assert len({seed_for(*purpose) for purpose in purposes}) == len(purposes)
    before = torch.get_rng_state()
    first = torch.randn(3, generator=generator("a"))
    assert torch.equal(first, torch.randn(3, generator=generator("a")))
    assert not torch.equal(first, torch.randn(3, generator=generator("b")))
    assert torch.equal(before, torch.get_rng_state())


STAGE_BODY = """
torch.manual_seed(seed_for("toy"))
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=job.params["rate"], momentum=0.9)

def step(iteration):
    print(iteration, flush=True)
    if iteration == 13 and os.path.exists("../kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    loss = model(torch.randn(5, 8, generator=generator("images", iteration))).square().mean()
    if iteration == 13 and os.path.exists("../spoil"):
        loss = loss * torch.nan
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss

rows = loop.train(step, lambda done: {}, {"model": model, "sgd": optimizer}, loop.Schedule(20, 2, 4), job.checkpoint, "toy").rows
out = job.out("out/model")
runtime.save(model.state_dict(), out / "model.pt")
write_csv(out / "curve.csv", rows)
"""
IMPORTS = """
import os
import signal
import torch
from torch import nn
from stages.core import loop, runtime
from stages.core.files import write_csv
from stages.core.seeds import generator, seed_for
"""


def results(root: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (root / "out/model").iterdir()}


@pytest.mark.slow
def test_a_killed_training_stage_resumes_to_the_same_bytes(toy: Toy, tmp_path: Path) -> None:
    def write(rate: float) -> None:
        toy.write(STAGE_BODY, imports=IMPORTS, outs=["out/model"], params={"rate": rate})

    checkpoints = toy.root / "data/checkpoints/toy"
    write(0.1)
    whole = toy.run()
    assert (whole.returncode, whole.stdout.split()) == (0, [str(step) for step in range(20)]), whole.stderr
    expected = results(toy.root)
    assert not checkpoints.exists()  # of no use any more

    (tmp_path / "kill").touch()
    toy.root.joinpath("out/model").rename(toy.root / "out/kept")
    assert toy.run().returncode == -signal.SIGKILL
    assert not (toy.root / "out/model").exists()
    (kept,) = checkpoints.iterdir()
    (tmp_path / "kill").unlink()

    write(0.2)  # another computation: starts from nothing and leaves the other's checkpoint alone
    (tmp_path / "spoil").touch()
    failed = toy.run()
    assert failed.returncode == 1
    (own,) = set(checkpoints.glob("*.pt")) - {kept}
    assert failed.stderr == (
        "the training begins anew, for what lies in data/checkpoints/toy is of other code, data, parameters or packages; "
        "remove that if you do not go back to them\n"
        f"error: the loss is nan at iteration 14; the last good checkpoint is data/checkpoints/toy/{own.name};"
        " lower the learning rate or change the seed\n"
    )
    assert runtime.load(own)["done"] == 12
    assert kept.exists()

    write(0.1)
    kept.with_name(f"{kept.name}.1.partial").touch()  # as a run leaves it that is killed while it writes
    (tmp_path / "spoil").unlink()
    resumed = toy.run()
    assert (resumed.returncode, resumed.stdout.split()[0]) == (0, "12"), resumed.stderr
    assert results(toy.root) == expected and "anew" not in resumed.stderr
    assert list(checkpoints.iterdir()) == [own]
