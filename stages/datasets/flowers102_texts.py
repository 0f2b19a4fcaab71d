"""Oxford's 102 flowers with sentences: their own layout, and cvpr2016_flowers/text_c10/class_00001/image_06734.txt."""

from pathlib import Path

from stages.datasets import flowers102
from stages.datasets.captioned import CaptionedSet
from stages.datasets.ten_lines import described_by


def read(folder: Path) -> CaptionedSet:
    """2,040 images to train on and 6,149 to test on; errors as `flowers102.read` and `ten_lines.described_by`."""
    return described_by(flowers102.read(folder), folder / "cvpr2016_flowers/text_c10")
