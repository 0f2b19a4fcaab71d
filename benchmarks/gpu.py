"""A training step on a GPU: as written, replayed as a CUDA graph, compiled and replayed, and the floor, a replay of the bare step alone.

    python -m benchmarks.gpu                  # three minutes, on a machine with nothing but torch and numpy
    python -m benchmarks.gpu --device cpu     # a rehearsal on small networks: nothing is recorded, and no figure means anything

First it is shown that replayed steps are the steps as written (losses over 100 steps of fp32, with dropout; a training that was cut and
went on), then milliseconds a step are measured in turns, and their medians printed, as ratios to the floor.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.ch2_fusion import data as fusion_data
from stages.ch2_fusion import train as fusion_train
from stages.ch2_fusion.model import build
from stages.ch2_fusion.training_settings import Network, Training, Variant
from stages.ch3_edges import data as edge_data
from stages.ch3_edges import loss as edge_loss
from stages.ch3_edges import train as edge_train
from stages.ch3_edges.model import EdgeNetwork
from stages.ch3_edges.training_settings import Training as EdgeTraining
from stages.core import capture, fused, loop
from stages.core.optimisers import set_rate, update
from stages.core.runtime import Runtime
from stages.core.seeds import generator

NETWORKS = {
    "cnn-a": Variant(base="a"),
    "cfn-a": Variant(base="a", fusion="local"),
    "cnn-b": Variant(base="b"),
    "cfn-b": Variant(base="b", fusion="local"),
}
EDGES = ("hed", "fcfn")
# Replayed steps are to take 1.15 times the floor at most, fused ones less than the floor.
ROUNDS, GOAL, FUSED_GOAL = 3, 1.15, 1
FUSED = (("cfn-a", "bf16"), ("cfn-b", "bf16"), ("hed", "bf16"))  # to compile more takes longer than all else here
FUSION = Training(
    iterations=100, log_every=10, checkpoint_every=20, batch_size=100, learning_rate=0.01, learning_rate_steps=(50,), momentum=0.9,
    weight_decay=1e-4, bias_rate=2, bias_decay=0, fusion_rate=0.1, test_every=100,
)  # fmt: skip
EDGE = EdgeTraining(
    batch_size=10, alpha=9, beta=1, momentum=0.9, weight_decay=2e-4, bias_rate=2, bias_decay=0, last_block_rate=100, output_rate=0.01,
    local_rate=50, log_every=10, checkpoint_every=10,
)  # fmt: skip


@dataclass
class Case:
    """A training of one network: its step in two parts, as `capture.Step` takes them."""

    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    batch: Callable[[int], capture.Batch]
    work: Callable[..., Tensor]
    device: torch.device


def fusion_case(name: str, precision: Runtime, device: torch.device, small: bool = False) -> Case:
    """A network of Section 2.4.1, as its stage trains it, on random images."""
    network = Network(
        width=0.1 if small else 1, dropout=0.5, side_after_dropout=True, side_kernel_cifar100_b=3, conv_std=0.05, fc_std=0.05,
        fusion_init=0.333,
    )  # fmt: skip
    model = precision.place(build(NETWORKS[name], 10, network, generator("weights")), device)
    optimiser = fusion_train.optimizer_for(model, FUSION)
    draws, count = generator("images"), 200 if small else 5000
    pixels = torch.randint(256, (count, 3, 32, 32), generator=draws, dtype=torch.uint8)
    labels = torch.randint(10, (count,), generator=draws)
    images = fusion_data.Images(*(part.to(device) for part in (pixels, labels, torch.full((count,), 127.0), torch.full((count,), 70.0))))
    rows_of = loop.batches(count, 10 if small else FUSION.batch_size, ("benchmark",), device)
    torch.manual_seed(0)

    def batch(iteration: int) -> capture.Batch:
        set_rate(optimiser, FUSION.learning_rate / 10 ** (iteration >= 50))
        return (rows_of(iteration),)

    def work(rows: Tensor) -> Tensor:
        inputs, labels = images.batch(rows)
        with precision.autocast(device):
            loss = F.cross_entropy(model(inputs), labels)
        update(loss, optimiser)
        return loss

    return Case(model, optimiser, batch, work, device)


def edge_case(name: str, precision: Runtime, device: torch.device, small: bool = False) -> Case:
    """HED, or its counterpart with a local fusion, at BSDS500's size, on random images and labels that lie on the device as bits."""
    height, width = (24, 32) if small else (321, 481)
    widths = (2, 2, 2, 2, 2) if small else (64, 128, 256, 512, 512)
    torch.manual_seed(0)
    model = precision.place(EdgeNetwork(widths, size=(height, width) if name == "fcfn" else None), device)
    optimiser = edge_train.optimizer_for(model, EDGE, 1e-9)
    count, bits, draws = 20, -(-width // 8), generator("edges")
    shapes = ((count, 3, height, width), (count, height, bits), (count, 5, height, bits))
    images = edge_data.DeviceImages(*(torch.randint(256, shape, generator=draws, dtype=torch.uint8).to(device) for shape in shapes))
    rows_of = loop.batches(count, 2 if small else EDGE.batch_size, ("benchmark",), device)

    def batch(iteration: int) -> capture.Batch:
        return images.batch(rows_of(iteration), range(1, 6), device)

    def work(pixels: Tensor, side_labels: Tensor, truth: Tensor) -> Tensor:
        with precision.autocast(device):
            loss = edge_loss.deep_supervision_loss(*model(pixels), side_labels, truth)
        update(loss, optimiser)
        return loss

    return Case(model, optimiser, batch, work, device)


def as_written(case: Case) -> Callable[[int], object]:
    return lambda iteration: case.work(*case.batch(iteration)).detach()


def floor(case: Case) -> Callable[[int], object]:
    """The step alone, on one batch: no batch made or copied, no loss kept, rates that are numbers, gradients written anew, not zeroed."""
    inputs = case.batch(0)
    if case.device.type == "cpu":
        return lambda iteration: case.work(*inputs)
    graph = capture.CudaGraph(case.device)
    for _ in range(capture.EAGER):
        graph.warm_up(lambda: {"loss": case.work(*inputs).detach()})
    graph.capture(lambda: {"loss": case.work(*inputs).detach()})
    return lambda iteration: graph.replay()


def compiled(case: Case) -> Callable[[int], object]:
    case.model.forward = fused.Fused(case.model)
    return replayed(case)


def replayed(case: Case) -> Callable[[int], object]:
    return capture.Step(case.batch, case.work, [case.optimiser], case.device)


WAYS: dict[str, Callable[[Case], Callable[[int], object]]] = {
    "as written": as_written,
    "replayed": replayed,
    "fused": compiled,
    "floor": floor,
}


def milliseconds(step: Callable[[int], object], device: torch.device, steps: int) -> float:
    """A step's time, the device's queue run dry before and after."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    for iteration in range(steps):
        step(iteration)
    wait()
    return 1000 * (time.perf_counter() - started) / steps


def measure(make: Callable[[], Case], steps: int, ways: Collection[str]) -> tuple[dict[str, float], dict[str, object]]:
    """Medians of milliseconds a step, by way; the ways in turns. And what compiling took, or why nothing was compiled."""
    made = {way: (case := make(), WAYS[way](case)) for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for case, step in made.values():
        milliseconds(step, case.device, capture.EAGER + 2)
    for _ in range(ROUNDS):
        for way, (case, step) in made.items():
            times[way].append(milliseconds(step, case.device, steps))
    notes = fused.notes(made["fused"][0].model) if "fused" in made else {}
    return {way: statistics.median(values) for way, values in times.items()}, notes


def remarks(times: dict[str, float], notes: dict[str, object], device: str) -> list[str]:
    """What is to be said of a line: goals that were missed on a GPU, what compiling took, or why nothing was."""
    goals = {"replayed": GOAL, "fused": FUSED_GOAL}
    missed = [way for way, goal in goals.items() if way in times and times[way] > goal * times["floor"] and device == "cuda"]
    said = [f"{way} is above the {goals[way]} aimed at" for way in missed]
    if notes:
        said.append(f"compiled in {notes['compile_seconds']} s" if notes["fused"] else f"not fused: {notes['unfused_because']}")
    return said


class CutError(Exception):
    """A training is cut here."""


def curve(case: Case, step: Callable[[int], object], checkpoint: Path, cut_at: int | None = None) -> list[loop.Row]:
    def until_cut(iteration: int) -> loop.Losses:
        if iteration == cut_at:
            raise CutError
        return step(iteration)  # type: ignore[return-value]

    stateful = {"model": case.model, "optimiser": case.optimiser}
    return loop.train(until_cut, lambda done: {}, stateful, FUSION, checkpoint, "curve").rows


def agreement(make: Callable[[], Case]) -> dict[str, float]:
    """The largest difference of two curves of 100 steps, as a share of the loss. As written twice they differ too, on a GPU."""
    curves = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, cut_at) in enumerate([("as written", None), ("as written", None), ("replayed", None), ("replayed", 70)]):
            checkpoint = Path(folder) / str(number) / "c.pt"
            if cut_at is not None:
                case = make()
                with contextlib.suppress(CutError):
                    curve(case, WAYS[name](case), checkpoint, cut_at)
            case = make()
            curves.append(curve(case, WAYS[name](case), checkpoint))
    written, again, replayed, resumed = ([row["train_loss"] for row in rows] for rows in curves)
    return {
        "written and written again": _apart(written, again),
        "written and replayed": _apart(written, replayed),
        "whole and resumed at 60, replayed": _apart(replayed, resumed),
    }


def _apart(one: list[float], other: list[float]) -> float:
    return max(abs(a - b) / abs(a) for a, b in zip(one, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    chosen = parser.parse_args().device
    if chosen == "cuda" and not torch.cuda.is_available():
        sys.exit("error: PyTorch finds no GPU here, and it is one that this measures: `--device cpu` rehearses it")
    small, steps, edge_steps = (True, 2, 1) if chosen == "cpu" else (False, 200, 10)
    on = torch.cuda.get_device_name() if chosen == "cuda" else "a CPU, as a rehearsal"
    print(f"{on}, PyTorch {torch.__version__}", flush=True)
    exact = Runtime(chosen, 1, "fp32")
    device = exact.start()
    for what, apart in agreement(lambda: fusion_case("cfn-a", exact, device, small)).items():
        print(f"cfn-a, losses of 100 steps of fp32, {what}: apart by {apart:.2g}", flush=True)
    print("ms a step (and times the floor)", *WAYS, sep=" | ", flush=True)
    for words in ("fp32", "bf16"):
        precision = Runtime(chosen, 1, words)
        cases = [(name, fusion_case, steps) for name in NETWORKS] + [(name, edge_case, edge_steps) for name in EDGES]
        for name, make, count in cases:
            ways = [way for way in WAYS if way != "fused" or (name, words) in (FUSED[:1] if small else FUSED)]
            times, notes = measure(lambda name=name, make=make, precision=precision: make(name, precision, device, small), count, ways)
            cells = [f"{times[way]:.3f} ({times[way] / times['floor']:.2f})" if way in times else "" for way in WAYS]
            print(f"{name}, {words}", *cells, *remarks(times, notes, chosen), sep=" | ", flush=True)


if __name__ == "__main__":
    main()
