"""QMUL's shoes: sketches and photos (stages/datasets/sbir.py)."""

from pathlib import Path

from stages.datasets import sbir
from stages.datasets.sbir import read
from stages.datasets.translated import Pair

__all__ = ["PAIRED", "pairs", "read"]

PAIRED = True


def pairs(folder: Path, part: str) -> list[Pair]:
    """The shoes of train or test, by name."""
    return sbir.pairs_of(folder, "shoes", part)
