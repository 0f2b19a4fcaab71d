"""A miniature of QMUL's shoes (stages/miniatures/sketches.py), of shapes that the other kind does not have."""

from pathlib import Path

from stages.miniatures.sketches import write_kind

SHAPES = ("crescent", "disc", "heart", "ring", "star")
_STREAM = 7_030  # of random numbers: data sets never share a scene


def write(folder: Path, *, train: int, test: int, size: int, seed: int) -> None:
    """Write `train` and `test` pairs, each `size` pixels a side."""
    write_kind(folder, "shoes", SHAPES, {"train": train, "test": test}, size, seed, _STREAM)
