"""What Flickr8k and Flickr30K have in common: lists of images, and captions, "1000092795.jpg#0<TAB>Two guys ...\"."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.captioned import PARTS, CaptionedSet, gathered
from stages.datasets.labelled import read_lines

_LINE = re.compile(r"(?P<name>[^\t]+)#(?P<number>\d+)\t(?P<caption>.*)")


def read(pictures: Path, tokens: Path, names: Mapping[str, list[str]], lists: Path, *, absent: Collection[str] = ()) -> CaptionedSet:
    """The images of `names` part by part, with their captions by number; other images are left out, and counted.

    pictures : the folder of images. tokens : the file of captions. names : of each part, which `lists` has.
    absent : images that the official set itself has captions of and lacks.
    A UserError names a line that is no caption, a captioned or listed image that is missing, and what
    `captioned.checked` refuses.
    """
    present = {file.name: file for file in pictures.glob("*.jpg")}
    captions: dict[Path, dict[int, str]] = {}
    skipped = set()
    for line, name, number, caption in _captions(tokens):
        if name in absent:
            skipped.add(name)
            continue
        if name not in present:
            raise UserError(f"{tokens}, line {line}: the image {pictures / name} is missing: {AGAIN}")
        if number in captions.setdefault(present[name], {}):
            raise UserError(f"{tokens}, line {line}: {name} has had a caption {number} before: {AGAIN}")
        captions[present[name]][number] = caption
    images = {part: [_present(present, pictures, name, lists) for name in names[part]] for part in PARTS}
    listed = {image for part in images.values() for image in part}
    counts = {
        "images in no list": len(present.keys() - {image.name for image in listed}),
        "captioned images that the set lacks": len(skipped),
    }
    ordered = {image: [one[number] for number in sorted(one)] for image, one in captions.items()}
    return gathered(images, ordered, tokens, counts=counts)


def _captions(file: Path) -> Iterator[tuple[int, str, int, str]]:
    """Line, image, number and caption of each line."""
    if not file.is_file():
        raise UserError(f"{file} is missing: {AGAIN}")
    with file.open(encoding="utf-8", newline="\n") as stream:
        try:
            for line, text in enumerate(stream, 1):
                match = _LINE.fullmatch(text.rstrip("\r\n"))
                if match is None:
                    raise UserError(f"{file}, line {line}: {text.strip()!r} is no image, #, number, tab and caption: {AGAIN}")
                yield line, match["name"], int(match["number"]), match["caption"].strip()
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is no text: {AGAIN}") from error


def _present(present: Mapping[str, Path], pictures: Path, name: str, lists: Path) -> Path:
    if name not in present:
        raise UserError(f"{lists} lists {name}, and {pictures / name} is missing: {AGAIN}")
    return present[name]


def names_of_lists(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """The names in each part's list, one a line, with or without .jpg; a UserError where a list is missing or empty."""
    return {part: [f"{name.removesuffix('.jpg')}.jpg" for name in read_lines(file)] for part, file in files.items()}
