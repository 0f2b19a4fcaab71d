"""Replayed steps, with a tape in a CUDA graph's place: they are the steps as written, and where they cannot be, it is said."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from graph_tape import Tape
from torch import nn
from torch.nn import functional as F

from stages.core import loop, optimisers
from stages.core.capture import EAGER, Batch, Graph, Step
from stages.core.errors import UserError
from stages.core.seeds import generator

CPU = torch.device("cpu")
torch.set_num_threads(1)


class Training:
    """A small network with momentum and decay, whose rate falls at steps 40 and 70. `step` makes it go on, by a graph if there is one."""

    def __init__(
        self,
        dropout: float = 0.5,
        graph: Graph | None = None,
        sizes: Callable[[int], int] = lambda iteration: 6,
        device: torch.device = CPU,
    ):
        torch.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.BatchNorm1d(8), nn.Linear(8, 3)).to(device)
        self.sgd = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, fused=True)
        for group in self.sgd.param_groups:
            group["rate"] = 1.0
        self.sizes = sizes
        self.step = Step(self.batch, self.work, [self.sgd], device, graph=graph)
        self.device = device

    def batch(self, iteration: int) -> Batch:
        optimisers.set_rate(self.sgd, optimisers.stepped(0.25, [40, 70], iteration))
        images = torch.randn(self.sizes(iteration), 4, generator=generator("images", iteration))
        return images.to(self.device), (torch.arange(len(images)) % 3).to(self.device)

    def work(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(self.model(images), labels)
        optimisers.update(loss, self.sgd)
        return loss

    def losses(self, iterations: Sequence[int]) -> list[float]:
        return [loop.named(self.step(iteration))[loop.LOSS].item() for iteration in iterations]

    def state(self) -> dict[str, torch.Tensor]:
        momenta = {f"momentum {i}": one["momentum_buffer"] for i, one in self.sgd.state_dict()["state"].items()}
        return {name: value.clone() for name, value in {**self.model.state_dict(), **momenta}.items()}


def assert_same_state(one: Training, other: Training) -> None:
    assert one.state().keys() == other.state().keys()
    for name, value in one.state().items():
        assert torch.equal(value, other.state()[name]), name


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_replayed_steps_are_those_as_written(dropout: float):
    tape = Tape()
    written, replayed = Training(dropout), Training(dropout, tape)
    torch.manual_seed(7)
    expected = written.losses(range(100))
    torch.manual_seed(7)
    losses = replayed.losses(range(100))
    assert losses == expected and len(set(losses)) == 100
    assert_same_state(written, replayed)
    assert tape.counts == {"warm_up": EAGER, "capture": 1, "replay": 100 - EAGER}
    assert replayed.step.notes() == {"captured": True}


def test_a_replay_runs_no_python_and_reads_a_new_batch():
    training = Training(0.0, Tape())
    training.losses(range(EAGER + 1))
    seen = []
    training.step.work = lambda *batch: seen.append(batch)
    batch = training.batch(EAGER + 1)
    expected = F.cross_entropy(training.model(batch[0]), batch[1]).item()
    count = training.model[3].num_batches_tracked.item()
    assert training.losses([EAGER + 1]) == [expected]
    assert not seen and training.model[3].num_batches_tracked == count + 1


def test_the_loss_that_is_handed_out_is_not_overwritten_by_the_next():
    training = Training(0.0, Tape())
    kept = [training.step(iteration)[loop.LOSS] for iteration in range(EAGER + 3)]
    assert len({loss.item() for loss in kept}) == EAGER + 3
    assert not any(loss.requires_grad for loss in kept)


def test_a_rate_that_falls_reaches_a_recorded_step_in_its_own_memory():
    training = Training(0.0, Tape())
    training.losses(range(10))
    (group,) = training.sgd.param_groups
    rate = group["lr"]
    assert isinstance(rate, torch.Tensor) and rate.item() == 0.25
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    momenta = [training.sgd.state[parameter]["momentum_buffer"] for parameter in training.model.parameters()]
    training.losses([40])
    assert group["lr"] is rate and rate.item() == torch.tensor(0.025)
    for old, parameter, momentum in zip(before, training.model.parameters(), momenta, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.025 * momentum)  # the momenta after the step


def test_gradients_are_zeroed_where_they_lie():
    training = Training(0.0, Tape())
    training.losses(range(2))
    places = [parameter.grad.data_ptr() for parameter in training.model.parameters()]
    training.losses(range(2, 8))
    assert [parameter.grad.data_ptr() for parameter in training.model.parameters()] == places
    batch = training.batch(8)
    training.model.zero_grad()
    F.cross_entropy(training.model(batch[0]), batch[1]).backward()
    expected = [parameter.grad.clone() for parameter in training.model.parameters()]
    torch.manual_seed(0)
    other = Training(0.0, Tape())
    other.losses(range(9))
    assert all(torch.equal(one.grad, grad) for one, grad in zip(other.model.parameters(), expected, strict=True))


def test_without_a_graph_a_cpu_does_the_step_as_written(capsys: pytest.CaptureFixture):
    training = Training()
    training.losses(range(5))
    assert training.step.notes() == {"captured": False, "eager_because": "there are no graphs on a CPU"}
    assert capsys.readouterr().err == ""  # nothing is amiss
    assert training.sgd.param_groups[0]["lr"] == 0.25  # no tensor
    training.step.optimisers[0].zero_grad()
    assert all(parameter.grad is None for parameter in training.model.parameters())


@pytest.mark.parametrize("other", [1, EAGER, 20])
def test_batches_of_other_shapes_are_done_as_written(other: int, capsys: pytest.CaptureFixture):
    def size(iteration: int) -> int:
        return 9 if iteration == other else 6

    written, replayed = Training(0.0, sizes=size), Training(0.0, Tape(), size)
    assert replayed.losses(range(30)) == written.losses(range(30))
    assert_same_state(written, replayed)
    why = "the shapes of their batches differ (6x4 float32, 6 int64, then 9x4 float32, 9 int64)"
    assert replayed.step.notes() == {"captured": False, "eager_because": why}
    assert capsys.readouterr().err == f"the training's steps are not replayed as a CUDA graph: {why}\n"  # once


def test_what_cannot_be_recorded_is_done_as_written(capsys: pytest.CaptureFixture):
    spoilt = RuntimeError("CUDA error: operation failed due to a previous error during capture\nMore lines")
    spoilt.__context__ = RuntimeError("CUDA error: operation not permitted when stream is capturing\nCUDA kernel errors might ...")
    written, refused = Training(), Training(graph=RestoringTape(spoilt))
    torch.manual_seed(1)
    expected = written.losses(range(20))
    torch.manual_seed(1)
    assert refused.losses(range(20)) == expected
    assert_same_state(written, refused)
    why = "they cannot be recorded (RuntimeError: CUDA error: operation not permitted when stream is capturing)"
    assert refused.step.notes() == {"captured": False, "eager_because": why}
    assert capsys.readouterr().err.count(why) == 1


class RestoringTape(Tape):
    """One whose recording fails, and like a graph's has done nothing."""

    def capture(self, work: Callable) -> dict[str, torch.Tensor]:
        random = torch.get_rng_state()
        try:
            return super().capture(work)
        finally:
            with torch.no_grad():
                for tensor, value in self.before.values():
                    tensor.copy_(value)
            torch.set_rng_state(random)


def test_a_reason_that_is_given_is_said_and_noted(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    tape = Tape()
    step = Step(lambda i: (torch.tensor(float(i)),), lambda x: x, [], CPU, eager_because="several GPUs share a batch", graph=tape)
    assert [step(i).item() for i in range(6)] == list(range(6)) and not any(tape.counts.values())
    assert step.notes()["eager_because"] == "several GPUs share a batch" and "several GPUs" in capsys.readouterr().err
    monkeypatch.setenv("THESIS_CAPTURE", "0")
    assert Training(graph=Tape()).step.notes()["eager_because"] == "THESIS_CAPTURE is 0"
    monkeypatch.setenv("THESIS_CAPTURE", "no")
    with pytest.raises(UserError, match="THESIS_CAPTURE is 'no': it must be 0"):
        Training(graph=Tape())


def resumable(checkpoint: Path, stop_at: int | None, graph: Graph | None) -> Training:
    torch.manual_seed(5)
    training = Training(graph=graph)
    torch.manual_seed(6)

    def step(iteration: int) -> loop.Losses:
        if iteration == stop_at:
            raise KeyboardInterrupt
        return training.step(iteration)

    stateful = {"model": training.model, "sgd": training.sgd}
    training.rows = loop.train(step, lambda done: {}, stateful, loop.Schedule(80, 4, 8), checkpoint, "toy").rows
    return training


@pytest.mark.parametrize("stop_at", [2, 9, 43, 75])
def test_a_replayed_training_resumes_to_the_same_bytes(tmp_path: Path, stop_at: int):
    whole, written = resumable(tmp_path / "whole.pt", None, Tape()), resumable(tmp_path / "written.pt", None, None)
    with pytest.raises(KeyboardInterrupt):
        resumable(tmp_path / "cut.pt", stop_at, Tape())
    resumed = resumable(tmp_path / "cut.pt", None, Tape())
    assert resumed.rows == whole.rows == written.rows
    assert_same_state(resumed, whole)
    assert_same_state(resumed, written)


def adversaries(graphs: Sequence[Graph | None]) -> tuple[list[Step], list[nn.Module], list[torch.optim.Optimizer]]:
    """A generator and a discriminator, each with Adam: with one graph both learn in each step, with two they take turns."""
    torch.manual_seed(1)
    makes, judges = nn.Linear(3, 3), nn.Linear(3, 1)
    # The rate is one that float32 has exactly: Adam would see the difference.
    adams = [torch.optim.Adam(model.parameters(), lr=2**-7, betas=(0.5, 0.999), fused=True) for model in (makes, judges)]

    def batch(iteration: int) -> Batch:
        return torch.randn(4, 3, generator=generator("noise", iteration)), torch.randn(4, 3, generator=generator("real", iteration))

    def fool(noise: torch.Tensor, real: torch.Tensor) -> dict[str, torch.Tensor]:
        loss = (judges(makes(noise)) - 1).square().mean()
        optimisers.update(loss, adams[0])
        return {"loss": loss}

    def tell(noise: torch.Tensor, real: torch.Tensor) -> dict[str, torch.Tensor]:
        loss = judges(makes(noise).detach()).square().mean() + (judges(real) - 1).square().mean()
        optimisers.update(loss, adams[1])
        return {"loss": loss}

    def both(*batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"generator": fool(*batch)["loss"], "discriminator": tell(*batch)["loss"]}

    works = [both] if len(graphs) == 1 else [fool, tell]
    steps = [Step(batch, work, adams, CPU, graph=graph) for work, graph in zip(works, graphs, strict=True)]
    return steps, [makes, judges], adams


@pytest.mark.parametrize("kinds", [1, 2])
def test_two_optimisers_at_once_and_in_turns(kinds: int):
    tapes = [Tape() for _ in range(kinds)]
    curves, weights = [], []
    for graphs in ([None] * kinds, tapes):
        steps, models, _ = adversaries(graphs)
        losses = [steps[iteration % kinds](iteration) for iteration in range(40)]
        curves.append([{name: loss.item() for name, loss in named.items()} for named in losses])
        weights.append([parameter.detach().clone() for model in models for parameter in model.parameters()])
    assert curves[0] == curves[1]
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))
    assert [tape.counts["replay"] for tape in tapes] == [40 // kinds - EAGER] * kinds


def test_adam_s_count_of_steps_goes_to_the_device_with_its_rates():
    _, (model, _), (adam, _) = adversaries([None])
    model(torch.ones(1, 3)).sum().backward()
    adam.step()
    optimisers.hold_rates(adam, torch.device("meta"))
    assert {state["step"].device.type for state in adam.state.values()} == {adam.param_groups[0]["lr"].device.type} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("waits", [False, True])
def test_a_gpu_replays_the_steps_as_written(waits: bool):
    """Dropout and all; or, where the work waits for the device and so cannot be recorded, goes on as written."""
    device = torch.device("cuda")
    written, replayed = Training(device=device), Training(device=device)
    written.step.eager_because = "to compare"
    if waits:
        replayed.step.work = lambda *batch: replayed.work(*batch) + 0 * replayed.model[0].weight.sum().item()
    torch.manual_seed(7)
    expected = written.losses(range(100))
    torch.manual_seed(7)
    assert replayed.losses(range(100)) == pytest.approx(expected, rel=1e-4)
    assert replayed.step.notes()["captured"] != waits
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
