"""Chapter 3 on a GPU: batches put together there, maps saved by threads beside the network; here with a CPU in its place."""

import threading
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.ch3_edges import data, labels, predict
from stages.ch3_edges.model import EdgeNetwork
from stages.core.runtime import Runtime
from stages.datasets.edges import Example

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def edge_images(relaxed: bool) -> data.EdgeImages:
    """Four of 7 x 13 pixels: the second byte of a row of bits is filled in part."""
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (4, 3, 7, 13), np.uint8)
    truth, responses = draws.random((4, 7, 13)) < 0.3, draws.random((4, 5, 7, 13)) < 0.5
    return data.EdgeImages(pixels, labels.packed(truth), labels.packed(responses) if relaxed else None)


@pytest.mark.parametrize(("relaxed", "supervise"), [(True, (1, 2, 3)), (False, range(1, 6)), (True, ()), (False, (5,))])
def test_a_batch_put_together_on_the_device_is_the_same(relaxed: bool, supervise: Collection[int]) -> None:
    images, rows = edge_images(relaxed), torch.tensor([3, 1])
    there = data.on_device(images, CPU)
    assert (len(there), there.size, there.device) == (len(images), images.size, images.device) == (4, (7, 13), CPU)
    for one, other in zip(images.batch(rows, supervise, CPU), there.batch(rows, supervise, CPU), strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)


def test_images_lie_on_a_gpu_that_has_four_times_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    images = edge_images(True)
    size = 4 * 3 * 7 * 13 + 4 * 7 * 2 + 4 * 5 * 7 * 2
    monkeypatch.setattr(data, "on_device", lambda images, device: "there")
    for free, expected in ((4 * size, "there"), (4 * size - 1, images)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10 * size))
        assert data.nearest(images, GPU) is expected
    assert data.nearest(images, CPU) is images


def test_maps_beside_a_gpu_are_saved_by_threads_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, precision, beside = EdgeNetwork((2, 2, 2, 2, 2)).eval(), Runtime("cpu", 1, "fp32"), predict.beside
    pictures = {f"{i}.jpg": np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8) for i in range(9)}
    examples = [Example(name, Path(name), Path()) for name in pictures]
    monkeypatch.setattr(predict, "read_image", lambda file: pictures[file.name])
    monkeypatch.setattr(predict, "beside", lambda function, items, device: beside(function, items, GPU))
    monkeypatch.setenv("THESIS_WORKERS", "2")
    saved, threads = {}, set()

    def save(example: Example, edges: np.ndarray) -> None:
        threads.add(threading.get_ident())
        if example.name in saved:
            raise FileExistsError(example.name)
        saved[example.name] = edges

    assert predict.predict(model, examples, save, precision, CPU) > 0
    assert saved.keys() == pictures.keys() and threading.get_ident() not in threads
    for name, edges in saved.items():
        assert np.array_equal(edges, predict.fused_map(model, pictures[name], precision, CPU))
    with pytest.raises(FileExistsError):  # what fails in a thread is not lost
        predict.predict(model, examples, save, precision, CPU)


def test_on_a_cpu_nothing_is_done_before_it_is_asked_for() -> None:
    done: list[int] = []

    def note(number: int) -> int:
        done.append(number)
        return threading.get_ident()

    results = predict.beside(note, range(3), CPU)
    assert (next(results), done) == (threading.get_ident(), [0])
