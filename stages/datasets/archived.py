"""What large data sets have in common that are read from their archives as they are: classes, and a stream of pictures for each part.

A reader of the kind `archived` offers `read_classes(folder)` -> list[Synset], `train_pictures(folder)` and `val_pictures(folder)`
-> Iterator[Picture].
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Synset:
    """A class: its WordNet id and its names, separated by commas."""

    wnid: str
    words: str


@dataclass(frozen=True)
class Picture:
    """A picture's file name, the index of its class in `read_classes`, and its file's bytes, a JPEG."""

    name: str
    label: int
    content: bytes
