"""Captioned pictures of one's own: a folder with captions.csv: file, caption and, if you like, label and part.

    file,caption,label,part
    images/beach.jpg,Two dogs run along the sea .,dog,train
    images/beach.jpg,Dogs at the beach .,dog;beach,train

Or captions.jsonl, with an object of these keys a line, where label may be a list. `file` is relative to the folder; an
image has as many rows as captions. Labels are separated by ; and an image has those of all its rows. `part` is train,
val or test: of all images, or of none.
"""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from stages.datasets.captioned import PARTS, CaptionedSet, drawn, gathered

KEYS = ("file", "caption")

Rows = list[tuple[str, dict[str, Any]]]  # by line, in words


def read(folder: Path, *, val: float = 0.1, test: float = 0.1, seed: int = 0) -> CaptionedSet:
    """The images in the order of their first rows; without parts, split at random by `seed` in shares `val` and `test`.

    A UserError names the file and the row that lacks a key or its image, is empty, or has another part than the image's
    first.
    """
    file, rows = _table(folder)
    captions: dict[Path, list[str]] = {}
    labels: dict[Path, list[str]] = {}
    parts: dict[Path, str] = {}
    for row, values in rows:
        name, part = Path(values["file"]), values.get("part") or ""
        if name.is_absolute() or ".." in name.parts:  # the second name of an image would be a second image
            raise UserError(f"{file}, {row}: {name} may not lead out of the folder of {file.name}: name it from there")
        image = folder / name
        if image not in captions and not os.path.isfile(image):  # noqa: PTH113 - False also of a name that is too long
            raise UserError(f"{file}, {row}: the image {image} is missing: names are relative to the folder of {file.name}")
        if part not in (*PARTS, ""):
            raise UserError(f"{file}, {row}: the part is {part}: it is one of {', '.join(PARTS)}, or empty")
        if parts.setdefault(image, part) != part:
            raise UserError(f"{file}, {row}: {image} is in the part {part or 'none'}, before in {parts[image] or 'none'}")
        captions.setdefault(image, []).append(values["caption"])
        labels.setdefault(image, []).extend(values["label"])
    names = sorted({label for own in labels.values() for label in own})
    places = {name: place for place, name in enumerate(names)}
    return gathered(
        _parts(file, parts, val, test, seed),
        captions,
        file,
        classes=names,
        labels_of={image: [places[name] for name in own] for image, own in labels.items()} if names else None,
        remedy="mend the table",
    )


def _parts(file: Path, part_of: dict[Path, str], val: float, test: float, seed: int) -> dict[str, list[Path]]:
    images = list(part_of)
    if not any(part_of.values()):
        count = {share: max(1, round(share * len(images))) for share in (val, test)}
        return drawn(images, count[val], count[test], "own_captions", seed)
    if without := [image for image, part in part_of.items() if not part]:
        raise UserError(f"{file} gives no part to {without[0]}, but to other images: give all a part, or none")
    return {part: [image for image in images if part_of[image] == part] for part in PARTS}


def captions(folder: Path) -> list[str]:
    """The captions alone, in their file's order: images may be missing, and parts as they like."""
    return [values["caption"] for _, values in _table(folder)[1]]


def _table(folder: Path) -> tuple[Path, Rows]:
    """The file that there is, and its rows, at least one, each with a file and a caption; a label is a list."""
    readers = {folder / "captions.csv": _csv_rows, folder / "captions.jsonl": _jsonl_rows}
    there = [file for file in readers if file.is_file()]
    if len(there) != 1:
        raise UserError(f"{folder} has {'both' if there else 'no'} captions.csv {'and' if there else 'or'} captions.jsonl: give it one")
    file, rows = there[0], list(readers[there[0]](there[0]))
    if not rows:
        raise UserError(f"{file} has no captions: give it a row for each")
    for row, values in rows:
        if missing := [key for key in KEYS if not values.get(key)]:
            raise UserError(f"{file}, {row} has no {missing[0]}: give it one, or take the row away")
    return file, rows


def _csv_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:  # spreadsheets begin a file with a mark
        try:
            reader = csv.DictReader(stream, strict=True)
            if missing := [key for key in KEYS if key not in (reader.fieldnames or ())]:
                raise UserError(f"{file} has no column {missing[0]}: its first line names them, file,caption,label,part")
            for values in reader:
                if None in values:  # else a caption would end at its first comma
                    raise UserError(f"{file}, line {reader.line_num} has more fields than the first line: a text with a comma needs quotes")
                row = {key: (value or "").strip() for key, value in values.items() if isinstance(key, str)}
                yield f"line {reader.line_num}", row | {"label": _labels(row.get("label", "").split(";"))}
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is no text: save it as UTF-8") from error
        except csv.Error as error:
            raise UserError(f"{file}, after line {reader.line_num}: {error}: mend that row") from error


def _jsonl_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for line, text in enumerate(file.read_bytes().split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}, line {line} is no JSON ({error}): mend that line") from error
        if not isinstance(values, dict) or not all(isinstance(values.get(key, ""), str) for key in (*KEYS, "part")):
            raise UserError(f"{file}, line {line}: it has to be an object whose file, caption and part are texts")
        label = values.get("label") or []
        labels = label.split(";") if isinstance(label, str) else label
        if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
            raise UserError(f"{file}, line {line}: the label has to be a text, or a list of texts")
        stripped = {key: values[key].strip() for key in (*KEYS, "part") if key in values}
        yield f"line {line}", values | stripped | {"label": _labels(labels)}


def _labels(names: list[str]) -> list[str]:
    return [name.strip() for name in names if name.strip()]
