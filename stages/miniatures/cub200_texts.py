"""A miniature of CUB-200 with sentences: that of CUB-200 itself, from near, and ten sentences of each picture."""

from pathlib import Path

from stages.datasets import cub200 as reader
from stages.miniatures import cub200, ten_lines
from stages.miniatures.shapes import PATTERNS

_STREAM = 6_070  # of random numbers

PHRASES = (
    "this bird is {colour}", "a {colour} bird with {pattern} wings", "the wings of this bird are {pattern}", "a bird with {colour} wings",
    "the {colour} bird has {pattern} wings", "a bird with wings",
)  # fmt: skip


def write(folder: Path, *, classes: int, train: int, test: int, width: int, height: int, seed: int) -> None:
    """Write what `cub200.write` does, and `folder`/cvpr2016_cub/text_c10/<class>/<image>.txt, in the images' folders' names."""
    paint = ten_lines.close_up(cub200.bird, zoom=1.6)
    cub200.write(folder, classes=classes, train=train, test=test, width=width, height=height, seed=seed, paint=paint)
    texts = folder / "cvpr2016_cub/text_c10"
    ten_lines.write(reader.read(folder), texts, lambda _, image: image.parent.name, _traits, PHRASES, seed, _STREAM)


def _traits(label: int) -> tuple[int, float]:
    return label % len(PATTERNS), 8 * label % 21 / 21  # as cub200 paints the class
