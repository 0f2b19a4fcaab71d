"""Photographs with the class of each pixel, in label maps: what readers of the kind `segmented` share.

Such a reader has CLASSES, the classes' names in their order; train_examples(folder) and val_examples(folder); read_labels(file), a label
map uint8 (H, W); read_pair(example), an image uint8 (H, W, 3) with its label map; and palette(), each value's colour, uint8 (256, 3).
"""

from dataclasses import dataclass
from pathlib import Path

IGNORE = 255  # of a label map: no class, and counted nowhere


@dataclass(frozen=True)
class Example:
    """The files of one image and of its labels, in the data set's own format."""

    name: str
    image: Path
    labels: Path
