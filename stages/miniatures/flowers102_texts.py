"""A miniature of Flowers with sentences: that of Flowers itself, from near, and ten sentences of each picture."""

from pathlib import Path

from stages.datasets import flowers102 as reader
from stages.miniatures import flowers102, ten_lines
from stages.miniatures.shapes import PATTERNS

_STREAM = 6_060  # of random numbers

PHRASES = (
    "this flower has {colour} petals", "this {pattern} flower is {colour}", "a {colour} blossom", "the petals are {pattern}",
    "a blossom with {pattern} {colour} petals", "petals of {colour}", "this flower has petals",
)  # fmt: skip


def write(folder: Path, *, classes: int, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write what `flowers102.write` does, and `folder`/cvpr2016_flowers/text_c10/class_00001/image_00001.txt and so on."""
    paint = ten_lines.close_up(flowers102.flower, zoom=2.3)
    flowers102.write(folder, classes=classes, train=train, val=val, test=test, width=width, height=height, seed=seed, paint=paint)
    texts = folder / "cvpr2016_flowers/text_c10"
    ten_lines.write(reader.read(folder), texts, lambda label, _: f"class_{label + 1:05d}", _traits, PHRASES, seed, _STREAM)


def _traits(label: int) -> tuple[int, float]:
    return label % len(PATTERNS), 3 * label % 11 / 11  # as flowers102 paints the class
