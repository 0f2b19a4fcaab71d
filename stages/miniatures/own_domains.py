"""Two domains of pictures such as anyone may have: discs by day, and discs by night, of other scenes and not as many."""

from dataclasses import replace
from pathlib import Path

from stages.miniatures import request
from stages.miniatures.files import save_jpeg
from stages.miniatures.world import SHAPES, generator, render, sample_scene

_STREAM = 7_040  # of random numbers: data sets never share a scene


def write(folder: Path, *, train_a: int, train_b: int, test_a: int, test_b: int, size: int, seed: int) -> None:
    """Write `folder`/trainA, trainB, testA and testB."""
    counts = {"trainA": train_a, "trainB": train_b, "testA": test_a, "testB": test_b}
    request.check("pair of one's own domains", counts, size, size)
    for number, (name, count) in enumerate(counts.items()):
        for index in range(count):
            scene = sample_scene(generator(seed, _STREAM + number, index), SHAPES.index("disc"))
            if name.endswith("B"):
                scene = replace(scene, light=replace(scene.light, gain=0.35, cast=(0.8, 0.9, 1.3)))
            save_jpeg(render(scene, size)[0], folder / name / f"{index + 1:04d}.jpg")
