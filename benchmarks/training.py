"""What the training stage costs beside a bare PyTorch loop on the same model, and CFN-B beside CNN-B.

Both sides run on one thread with the same pinned kernels, at the thesis's width, in turns; the medians' ratios are printed.
The stage's time is that of its run record: the loop with its batches, normalisation, logging and checkpoints, without tests.
"""

import json
import statistics
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.project import clone, run
from stages.ch2_fusion.architectures import thesis_model
from stages.ch2_fusion.training_settings import Variant
from stages.core.runtime import Runtime

ITERATIONS, ROUNDS = {"cnn-a": 40, "cnn-b": 10, "cfn-b": 10}, 3
VARIANTS = {"cnn-a": Variant(base="a"), "cnn-b": Variant(base="b"), "cfn-b": Variant(base="b", fusion="local")}


def bare_seconds(name: str) -> float:
    """Seconds per step of the plainest loop: one batch in memory, forward, backward, update."""
    Runtime("cpu", 1, "fp32").start()
    model = thesis_model(VARIANTS[name], 10, 3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    images, labels = torch.randn(100, 3, 32, 32), torch.randint(10, (100,))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    started = time.perf_counter()
    for _ in range(ITERATIONS[name]):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - started) / ITERATIONS[name]


def stage_seconds(name: str, folder: Path) -> float:
    """Seconds per step of the training stage."""
    training = {"iterations": ITERATIONS[name], "batch_size": 100, "learning_rate": 0.001}
    training |= {"log_every": 5, "test_every": 1000, "checkpoint_every": 10}
    settings = " ".join(f"ch2_fusion.training.{key}={value}" for key, value in training.items())
    run(f"python -m workflow.scale mini ch2_fusion.network.width=1 ch2_fusion.network.conv_std=0.05 {settings}", folder)
    run(f"dvc repro -s -f ch2_train@cifar10-{name}-0", folder)
    (file,) = (folder / f"data/runs/ch2_train@cifar10-{name}-0").glob("*.json")
    record = json.loads(file.read_text())
    return record["train_seconds"] / record["iterations"]


def main() -> None:
    with clone() as folder:
        run("dvc repro -q code && dvc repro -q ch2_prepare@cifar10", folder)
        times: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for name in ITERATIONS:
                times.setdefault(f"bare {name}", []).append(bare_seconds(name))
                times.setdefault(f"stage {name}", []).append(stage_seconds(name, folder))
    medians = {key: statistics.median(values) for key, values in times.items()}
    for key, seconds in medians.items():
        print(f"{key}: {1000 * seconds:.0f} ms a step (median of {ROUNDS})")
    for name in ITERATIONS:
        print(f"{name}: stage / bare = {medians[f'stage {name}'] / medians[f'bare {name}']:.3f} (at most 1.10)")
    print(f"cfn-b / cnn-b = {medians['stage cfn-b'] / medians['stage cnn-b']:.3f} (at most 1.25)")


if __name__ == "__main__":
    main()
