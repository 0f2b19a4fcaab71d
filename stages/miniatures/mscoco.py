"""A miniature of MSCOCO of 2014 in its official layout: generated scenes with sentences, and the kinds of things as categories."""

import json
from pathlib import Path
from typing import Any

from stages.miniatures import request
from stages.miniatures.captioned import THINGS, Content, draw, sentence
from stages.miniatures.files import write_text
from stages.miniatures.world import generator

_STREAM = 6_030  # of random numbers: data sets never share a scene
_ORDER = 3

CATEGORIES = (1, 2, 3, 5, 6, 7, 9, 10, 11, 13)  # ids of the kinds of things: the official ones have gaps too
EMPTY = 50  # one of so many pictures shows nothing, so it has no instances
SENTENCES, MORE = 5, 40  # of a picture; one of so many pictures has a sixth


def write(folder: Path, *, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/train2014, val2014 with `val` and `test` pictures mixed, annotations, and the list of those to test on."""
    request.check("MSCOCO", {"train": train, "val": val, "test": test}, width, height)
    ids = (generator(seed, _STREAM, _ORDER).permutation(train + val + test) + 1).tolist()
    _half(folder, "train2014", ids[:train], 0, (width, height), seed)
    names = _half(folder, "val2014", ids[train:], train, (width, height), seed)
    write_text("".join(f"{name}\n" for name in names[val:]), folder / "mscoco_test_mao.txt")


def _half(folder: Path, half: str, ids: list[int], first: int, size: tuple[int, int], seed: int) -> list[str]:
    """One of the two parts, whose pictures are drawn from number `first` on; the names of its pictures."""
    names = [f"COCO_{half}_{number:012d}.jpg" for number in ids]
    contents: list[Content] = []
    captions: list[tuple[int, int, str]] = []  # a sentence's place among its picture's, so that they do not lie together
    for place, (number, name) in enumerate(zip(ids, names, strict=True)):
        index = first + place
        content, rng = draw(folder / half / name, seed, _STREAM, index, size, () if index % EMPTY == 0 else None)
        contents.append(content)
        captions += [(one, number, sentence(rng, content)) for one in range(SENTENCES + (index % MORE == 0))]
    images = [{"id": number, "file_name": name} for number, name in zip(ids, names, strict=True)]
    sentences = [{"id": row, "image_id": number, "caption": text} for row, (_, number, text) in enumerate(sorted(captions), 1)]
    pairs = [(number, kind) for number, content in zip(ids, contents, strict=True) for kind in content.things]
    instances = [{"id": row, "image_id": number, "category_id": CATEGORIES[kind]} for row, (number, kind) in enumerate(pairs, 1)]
    categories = [{"id": number, "name": words[0]} for number, words in zip(CATEGORIES, THINGS, strict=True)]
    _write_json({"images": images, "annotations": sentences}, folder / f"annotations/captions_{half}.json")
    objects = {"images": images, "annotations": instances, "categories": categories}
    _write_json(objects, folder / f"annotations/instances_{half}.json")
    return names


def _write_json(value: dict[str, Any], file: Path) -> None:
    write_text(json.dumps(value) + "\n", file)
