"""A miniature of QMUL's chairs (stages/miniatures/sketches.py), of shapes that the other kind does not have."""

from pathlib import Path

from stages.miniatures.sketches import write_kind

SHAPES = ("cross", "hourglass", "square", "triangle", "arrow")
_STREAM = 7_020  # of random numbers: data sets never share a scene


def write(folder: Path, *, train: int, test: int, size: int, seed: int) -> None:
    """Write `train` and `test` pairs, each `size` pixels a side."""
    write_kind(folder, "chairs", SHAPES, {"train": train, "test": test}, size, seed, _STREAM)
