"""The data sets that Chapter 3 tests on, each by its test images."""

from collections.abc import Callable
from pathlib import Path

from stages.datasets import bsds500, nyud_v2
from stages.datasets.bsds500 import Example

TEST_SETS: dict[str, Callable[[Path], list[Example]]] = {
    "bsds500": lambda folder: bsds500.list_split(folder, "test"),
    "nyud_v2": lambda folder: nyud_v2.list_split(folder, "test"),
}
