"""Caltech-UCSD Birds 200 of 2011 with sentences: CUB_200_2011, and cvpr2016_cub/text_c10/<class>/<image>.txt."""

from pathlib import Path

from stages.datasets import cub200
from stages.datasets.captioned import CaptionedSet
from stages.datasets.ten_lines import described_by


def read(folder: Path) -> CaptionedSet:
    """5,994 images to train on and 5,794 to test on; errors as `cub200.read` and `ten_lines.described_by`."""
    return described_by(cub200.read(folder), folder / "cvpr2016_cub/text_c10")
