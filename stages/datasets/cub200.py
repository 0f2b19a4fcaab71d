"""Caltech-UCSD Birds 200 of 2011 in its official layout, CUB_200_2011: 11,788 pictures of 200 species (Wah et al., CNS-TR-2011-001).

Each of its tables has a number and a value a line: classes.txt "1 001.Black_footed_Albatross"; images.txt the pictures below images/;
image_class_labels.txt the class of each picture; train_test_split.txt 1 for each of the 5,994 to train on, and 0 for the other 5,794.
"""

from collections.abc import Collection
from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.labelled import ClassifiedSet, Labelled, checked, existing, read_lines


def read(folder: Path) -> ClassifiedSet:
    """The pictures in images.txt's order; the classes in the order of classes.txt, by their whole names.

    A UserError names a table that is missing or has a line that cannot be read, a picture that is missing or that a table lacks, and a
    species without pictures to train or to test on.
    """
    base = folder / "CUB_200_2011"
    classes, names = _table(base / "classes.txt"), _table(base / "images.txt")
    species = _values_of(names, base / "image_class_labels.txt", classes)
    split = _values_of(names, base / "train_test_split.txt", ("0", "1"))
    images = {
        number: existing(base / "images" / name, base / "images.txt", f"line {line}")
        for line, (number, name) in enumerate(names.items(), 1)
    }
    labels = {number: label for label, number in enumerate(classes)}
    parts = []
    for wanted in ("1", "0"):
        numbers = [number for number in images if split[number] == wanted]
        parts.append(Labelled([images[number] for number in numbers], [labels[species[number]] for number in numbers]))
    return checked(ClassifiedSet(list(classes.values()), *parts), base / "train_test_split.txt")


def _table(file: Path, values: Collection[str] | None = None) -> dict[str, str]:
    """The value of each number; a UserError names a line that has none, or none of `values`, or a number that was there before."""
    found: dict[str, str] = {}
    for line, text in enumerate(read_lines(file), 1):
        number, _, value = text.partition(" ")
        if not value or number in found or (values is not None and value not in values):
            raise UserError(f"{file}, line {line}: {text!r} is no number of its own and its value: {AGAIN}")
        found[number] = value
    return found


def _values_of(names: dict[str, str], file: Path, values: Collection[str]) -> dict[str, str]:
    """The table of a file that has to have the pictures' numbers."""
    found = _table(file, values)
    for number, name in names.items():
        if number not in found:
            raise UserError(f"{file} lacks the picture {number}, {name}: {AGAIN}")
    return found
