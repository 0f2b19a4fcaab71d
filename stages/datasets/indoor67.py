"""MIT Indoor (Indoor-67) in its official layout: Images/<category>/*.jpg, and its split (Quattoni and Torralba, CVPR 2009).

Of 15,620 pictures of 67 categories TrainImages.txt lists 5,360 and TestImages.txt 1,340, one a line: kitchen/int474.jpg.
"""

from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.labelled import ClassifiedSet, Labelled, checked, existing, read_lines

TRAIN, TEST = "TrainImages.txt", "TestImages.txt"


def read(folder: Path) -> ClassifiedSet:
    """The listed pictures, in the lists' order; the categories by name.

    A UserError names a list that is missing, a line that is no picture's name or whose picture is missing, and a category that is in
    one list only.
    """
    train, test = (_listed(folder / name) for name in (TRAIN, TEST))
    classes = sorted({category for category, _ in train + test})
    labels = {category: label for label, category in enumerate(classes)}
    parts = [Labelled([image for _, image in part], [labels[category] for category, _ in part]) for part in (train, test)]
    return checked(ClassifiedSet(classes, *parts), folder)


def _listed(file: Path) -> list[tuple[str, Path]]:
    """The category and the picture of each line; names of pictures may have spaces."""
    found = []
    for number, line in enumerate(read_lines(file), 1):
        category, _, name = line.partition("/")
        if not (category and name):
            raise UserError(f"{file}, line {number}: {line!r} is no picture's name, as kitchen/int474.jpg is: {AGAIN}")
        found.append((category, existing(file.parent / "Images" / line, file, f"line {number}")))
    return found
