"""DeepFashion's In-shop Clothes Retrieval Benchmark (Liu et al., CVPR 2016), and generated figures in its layout.

    Img/img/WOMEN/Tees_Tanks/id_00000001/01_1_front.jpg    Anno/list_bbox_inshop.txt    Eval/list_eval_partition.txt
    openpose/WOMEN/Tees_Tanks/id_00000001/01_1_front_keypoints.json    key points, which OpenPose makes
    lip/WOMEN/Tees_Tanks/id_00000001/01_1_front.png                    classes 0 to 19, which a parser trained on LIP makes

The last two are no part of it: who has it runs both programs. Of generated figures alone there are

    flat/WOMEN/Tees_Tanks/id_00000001/01.png    the upper clothes lying flat on white
    attributes.csv                              of each photo by `name`: whether those are `patterned`, and have long `sleeves`, 0 or 1
    swaps/pairs.csv, swaps/*.png                `file`: the figure of the photo `reference` in the clothes of `condition`
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.datasets import AGAIN

PARTITION, BOXES = "Eval/list_eval_partition.txt", "Anno/list_bbox_inshop.txt"
PARTS = {"train": "train", "query": "test", "gallery": "test"}
FRONTAL = 1  # of pose types: frontal, side, back, zoomed out, zoomed in, without a person
NAME = re.compile(r"img/((?:WOMEN|MEN)/([^/]+)/(id_\d+)/(\d+)_\d+_([^/.]+))\.jpg")


@dataclass(frozen=True)
class Photo:
    """A photo and the files of it, of which those of key points and of classes need not be there.

    name : as WOMEN/Tees_Tanks/id_00000001/01_1_front. person : as id_00000001/01, an item in one colour, for DeepFashion names no people
    and shows such clothes on one. clothes_type : 1 upper, 2 lower, 3 both. part : train or test.
    """

    name: str
    category: str
    item: str
    person: str
    view: str
    clothes_type: int
    pose_type: int
    part: str
    image: Path
    key_points: Path
    parsing: Path


def photos(folder: Path) -> list[Photo]:
    """All photos, by name; a UserError of lists that are missing or damaged or do not agree, or of a photo that is missing."""
    types = {name: (clothes, pose) for name, clothes, pose, *_ in _rows(folder / BOXES, 7)}
    made: dict[str, Photo] = {}
    for path, item, status in _rows(folder / PARTITION, 3):
        matched = NAME.fullmatch(path)
        if not matched or matched[3] != item or status not in PARTS or path in made:
            raise UserError(
                f"{folder / PARTITION} has `{path} {item} {status}`: its rows are img/WOMEN/CATEGORY/ITEM/NUMBER_SHOT_VIEW.jpg, once each, "
                f"ITEM, and train, query or gallery: {AGAIN}"
            )
        made[path] = _photo(folder, path, types, matched, PARTS[status])
    return sorted(made.values(), key=lambda photo: photo.name)


def _photo(folder: Path, path: str, types: dict[str, tuple[str, str]], matched: re.Match[str], part: str) -> Photo:
    name, category, item, number, view = matched.groups()
    if path not in types or not all(kind.isascii() and kind.isdigit() for kind in types[path]):
        raise UserError(f"{folder / BOXES} has no clothes type and pose type of {path}, which {PARTITION} has: {AGAIN}")
    clothes, pose = map(int, types[path])
    image = folder / "Img" / path
    if not image.is_file():
        raise UserError(f"{image} is missing, and {PARTITION} has it: {AGAIN}")
    key_points, parsing = folder / f"openpose/{name}_keypoints.json", folder / f"lip/{name}.png"
    return Photo(name, category, item, f"{item}/{number}", view, clothes, pose, part, image, key_points, parsing)


def _rows(file: Path, columns: int) -> Iterator[list[str]]:
    """The rows of an official list: its number of rows, a line of titles, and the rows, with spaces between columns."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is missing, or no text: {AGAIN}") from error
    rows = [line.split() for line in lines[2:] if line.strip()]
    if not rows or lines[0].strip() != str(len(rows)):
        raise UserError(f"{file} has {len(rows)} rows, and says in its first line how many it had: {AGAIN}")
    for number, row in enumerate(rows, 3):
        if len(row) != columns:
            raise UserError(f"{file}, line {number}: {len(row)} columns, and there are {columns}: {AGAIN}")
        yield row


def true_swaps(folder: Path) -> list[tuple[str, str, Path]] | None:
    """Of generated figures: names of reference and condition, and the picture of the one in the other's clothes; else None."""
    rows = _own(folder / "swaps/pairs.csv", "reference", "condition", "file")
    return None if rows is None else [(reference, condition, folder / "swaps" / file) for reference, condition, file in rows]


def flat(folder: Path, photo: Photo) -> Path | None:
    """The picture of a photo's upper clothes lying flat; None where there is none, as of people."""
    file = folder / "flat" / Path(photo.name).with_name(f"{photo.person.split('/')[1]}.png")
    return file if file.is_file() else None


def attributes(folder: Path) -> dict[str, tuple[int, int]] | None:
    """Of generated figures, by photo: whether its upper clothes are patterned, and whether their sleeves are long, 0 or 1; else None."""
    rows = _own(folder / "attributes.csv", "name", "patterned", "sleeves")
    if rows is None:
        return None
    if wrong := [row for row in rows if not {row[1], row[2]} <= {"0", "1"}]:
        raise UserError(f"{folder / 'attributes.csv'}: {wrong[0][0]} has {wrong[0][1]} and {wrong[0][2]}, which are 0 or 1: {AGAIN}")
    return {name: (int(patterned), int(sleeves)) for name, patterned, sleeves in rows}


def _own(file: Path, *columns: str) -> list[tuple[str, ...]] | None:
    if not file.is_file():
        return None
    try:
        rows = read_csv(file)
    except UnicodeDecodeError:
        rows = []
    if not rows or any(row.get(column) is None for row in rows for column in columns):
        raise UserError(f"{file} has no rows of {', '.join(columns)}: {AGAIN}")
    return [tuple(row[column] for column in columns) for row in rows]
