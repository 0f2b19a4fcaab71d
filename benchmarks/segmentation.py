"""A training step of FCN-8s and of FCFN at their real size on a CPU, in turns.

    python -m benchmarks.segmentation

On two threads, with forward, backward and update of one image of 500 x 375 pixels of noise, weights random.
"""

import resource
import statistics
import time

import torch

from stages.ch2_segmentation.model import FCFN
from stages.core.runtime import Runtime
from stages.encoders.fcn8s import FCN8s, count_parameters, segmentation_loss

THREADS, ROUNDS = 2, 3
HEIGHT, WIDTH = 375, 500


def main() -> None:
    Runtime("cpu", THREADS, "fp32").start()
    models = {"fcn-8s": FCN8s(), "fcfn": FCFN((500, 500))}
    images = torch.randn(1, 3, HEIGHT, WIDTH)
    labels = torch.randint(21, (1, HEIGHT, WIDTH))
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(1 + ROUNDS):
        for name, model in models.items():
            optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)
            started = time.perf_counter()
            loss = segmentation_loss(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    for name, model in models.items():
        print(f"{name}: {medians[name]:.2f} s a step, {count_parameters(model):,} parameters")
    print(f"fcfn / fcn-8s = {medians['fcfn'] / medians['fcn-8s']:.3f}")
    print(f"peak memory of both: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
