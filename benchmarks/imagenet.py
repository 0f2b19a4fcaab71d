"""ImageNet on a CPU: a training step of each network at its real size, the input pipeline beside CNN-11's step, memory as the set grows.

    python -m benchmarks.imagenet

All on two threads. Pictures are 500 x 375 of smooth noise, prepared at 256 x 256 as the stage does; a step is of 64 crops of 224 x 224,
with forward, backward and update. The pipeline is reading, decoding, cropping and mirroring. Memory is the peak of a process that goes
through 40 batches of a set; an epoch's order takes 8 bytes a picture of it.
"""

import io
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from stages.ch2_imagenet import prepare, train
from stages.ch2_imagenet.architectures import thesis_model
from stages.ch2_imagenet.data import Pictures, load_mean, random_crops
from stages.ch2_imagenet.prepare_settings import Preparation
from stages.ch2_imagenet.training_settings import Training, Variant
from stages.core import loop, settings
from stages.core.ahead import in_turn
from stages.core.runtime import Runtime
from stages.datasets.archived import Picture

THREADS, BATCH, CROP, ROUNDS = 2, 64, 224, 3
SIZES = (2_000, 20_000)  # of the sets that memory is measured with
CPU = torch.device("cpu")
CHAPTER = Path("workflow/scales/chapter/ch2_imagenet.yaml")


def pictures(count: int) -> Iterator[Picture]:
    """`count` JPEGs, of which a hundred differ."""
    contents = []
    for number in range(min(count, 100)):
        noise = np.random.Generator(np.random.PCG64(number)).integers(0, 256, (47, 63, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        contents.append(file.getvalue())
    for number in range(count):
        yield Picture(f"{number}.JPEG", number % 1000, contents[number % len(contents)])


def pack(folder: Path, count: int) -> float:
    """A prepared set; returns pictures a second."""
    started = time.perf_counter()
    preparation = Preparation(size=256, quality=95, max_skipped=0)
    np.save(folder / "mean.npy", prepare.write_part(folder, "benchmark", "train", pictures(count), preparation, THREADS).mean)
    return count / (time.perf_counter() - started)


def piped(folder: Path, batches: int) -> float:
    """Pictures a second that come ready out of the pipeline."""
    found = Pictures(folder, "train")
    rows = loop.batches(len(found), BATCH, ("benchmark",), CPU)
    ask = in_turn(lambda i: random_crops(found, rows(i), CROP, ("benchmark", i)), batches, threads=THREADS)
    started = time.perf_counter()
    for iteration in range(batches):
        ask(iteration)
    return batches * BATCH / (time.perf_counter() - started)


def trained(variant: Variant, folder: Path) -> float:
    """Pictures a second that a training step takes, the median of ROUNDS steps after a first."""
    model = thesis_model(variant)
    training = Training(
        iterations=1, batch_size=BATCH, learning_rate=0.01, learning_rate_steps=[], momentum=0.9, weight_decay=1e-4, top_rate=1,
        side_weight=1, gpus=1, log_every=1, checkpoint_every=1,
    )  # fmt: skip
    optimizer = train.optimiser_for(model, training)
    crops = random_crops(Pictures(folder, "train"), torch.arange(BATCH), CROP, ("benchmark",))
    mean, seconds = load_mean(folder, "channel", CPU), []
    for _ in range(1 + ROUNDS):
        started = time.perf_counter()
        images, labels = crops.normalised(mean, CPU)
        loss = train.loss_of(model(images), labels, 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return BATCH / statistics.median(seconds[1:])


def peak_of_reading(folder: str) -> None:
    """Print the peak memory in MB of reading 40 batches; run as a process of its own."""
    piped(Path(folder), 40)
    status = Path("/proc/self/status").read_text()  # getrusage would tell the peak of the process that began this one
    print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)


def main() -> None:
    Runtime("cpu", THREADS, "fp32").start()
    with tempfile.TemporaryDirectory() as made:
        folders = {count: Path(made) / str(count) for count in SIZES}
        for count, folder in folders.items():
            folder.mkdir()
            print(f"prepare: {pack(folder, count):.0f} pictures a second, {count} pictures")
        speed = piped(folders[SIZES[0]], 40)
        print(f"pipeline: {speed:.0f} pictures a second")
        for name, stated in yaml.safe_load(CHAPTER.read_text())["ch2_imagenet"]["variants"].items():
            step = trained(settings.build(Variant, stated), folders[SIZES[0]])
            print(f"{name}: {step:.1f} pictures a second in training, of which the pipeline has {speed / step:.1f} times as many")
        for count, folder in folders.items():
            command = [sys.executable, "-c", f"from benchmarks.imagenet import peak_of_reading; peak_of_reading({str(folder)!r})"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"peak memory of reading from {count} pictures: {float(done.stdout):.1f} MB")


if __name__ == "__main__":
    main()
