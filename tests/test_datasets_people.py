"""Readers of DeepFashion In-shop, and of what OpenPose and a parser make of its photos."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.datasets import deepfashion_inshop, inshop, lip, openpose

NUMBERS = [float(number) for number in range(54)]


def key_points(file: Path, *people: Any) -> Path:
    file.write_text(json.dumps({"version": 1.3, "people": list(people)}))
    return file


def person(numbers: Any, key: str = "pose_keypoints_2d") -> dict[str, Any]:
    return {"person_id": [-1], key: numbers}


@pytest.mark.parametrize("key", ["pose_keypoints_2d", "pose_keypoints"])
def test_54_numbers_are_cocos_points(tmp_path: Path, key: str) -> None:
    points = openpose.read(key_points(tmp_path / "a.json", person(NUMBERS, key)))
    assert points.dtype == np.float64
    assert points.ravel().tolist() == NUMBERS


def test_75_numbers_are_mapped_to_cocos_points(tmp_path: Path) -> None:
    names = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle REye LEye REar LEar"
    own = [*names.split(), "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"]  # OpenPose's list of BODY_25
    coco = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle REye LEye REar LEar"
    numbers = [value for number in range(25) for value in (number, 100 + number, 0.5)]
    points = openpose.read(key_points(tmp_path / "a.json", person(numbers)))
    assert " ".join(own[int(x)] for x in points[:, 0]) == coco
    assert (points[:, 1] == points[:, 0] + 100).all()


def test_of_two_people_the_surer_one_is_taken(tmp_path: Path) -> None:
    faint = person([1.0, 1.0, 0.9] * 10 + [0.0] * 24)
    sure = person([2.0, 2.0, 0.6] * 18)
    for people in ((faint, sure), (sure, faint)):
        file = key_points(tmp_path / "a.json", *people)
        assert openpose.read(file)[0].tolist() == [2, 2, 0.6]
        assert openpose.people(file).shape == (2, 18, 3)


@pytest.mark.parametrize("numbers", [NUMBERS[:-1], [*NUMBERS, 0.0], "54", None, [NUMBERS], [float("nan")] * 54, ["x"] * 54, [10**400] * 54])
def test_other_numbers_are_refused(tmp_path: Path, numbers: Any) -> None:
    with pytest.raises(UserError, match=r"a\.json: a person has not 54 numbers \(COCO\) or 75 \(BODY_25\)"):
        openpose.read(key_points(tmp_path / "a.json", person(NUMBERS), person(numbers)))


def test_key_points_without_people_or_without_a_file_are_refused(tmp_path: Path) -> None:
    file = key_points(tmp_path / "a.json")
    assert openpose.people(file).shape == (0, 18, 3)
    for nobody in (file, key_points(tmp_path / "c.json", person([3.0, 3.0, 0.0] * 18))):
        with pytest.raises(UserError, match=r"\.json has no people, or none with a key point: OpenPose sees nobody in its photo"):
            openpose.read(nobody)
    with pytest.raises(UserError, match=r"b\.json is missing: run OpenPose on its photo"):
        openpose.read(tmp_path / "b.json")
    for text in ('{"people": [', '{"persons": []}', "[]", '{"people": 3}', '{"people": [3]}', "[" * 100_000):
        file.write_text(text)
        with pytest.raises(UserError, match=r"a\.json is no JSON with a list of people \(.*run OpenPose on its photo again"):
            openpose.people(file)


def test_a_map_of_classes_is_read_as_indices_whatever_its_colours(tmp_path: Path) -> None:
    classes = np.arange(20, dtype=np.uint8).reshape(4, 5)
    grey, coloured = Image.fromarray(classes), Image.fromarray(classes)
    coloured.putpalette([255 - value for value in range(256) for _ in range(3)])
    for name, picture in (("grey", grey), ("coloured", coloured)):
        picture.save(tmp_path / f"{name}.png")
        read = lip.read(tmp_path / f"{name}.png")
        assert read.dtype == np.uint8
        assert np.array_equal(read, classes)


def test_what_is_no_map_of_lips_classes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.png"
    Image.fromarray(np.array([[0, 19], [3, 20]], np.uint8)).save(file)
    with pytest.raises(UserError, match=r"map\.png has the value 20, and LIP's classes are 0 to 19"):
        lip.read(file)
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(file)
    with pytest.raises(UserError, match=r"map\.png is a PNG of the mode RGB, and the map of a parser has indices"):
        lip.read(file)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(UserError, match=r"map\.png cannot be read"):
        lip.read(file)
    with pytest.raises(UserError, match=r"none\.png is missing: run a parser of LIP's 20 classes on its photo"):
        lip.read(tmp_path / "none.png")


ROWS = {
    "img/WOMEN/Tees_Tanks/id_00000002/02_4_full.jpg": ("gallery", 3, 4),
    "img/MEN/Denim/id_00000001/01_1_front.jpg": ("train", 2, 1),
    "img/WOMEN/Tees_Tanks/id_00000002/02_1_front.jpg": ("query", 1, 1),
}


def write(folder: Path, rows: dict[str, tuple[str, int, int]]) -> Path:
    """The two lists as the official ones are, and empty photos."""
    boxes = [f"{name}  {clothes} {pose} 001 002 250 251" for name, (_, clothes, pose) in rows.items()]
    parts = [f"{name:80} {name.split('/')[3]} {status}" for name, (status, _, _) in rows.items()]
    for file, title, lines in (
        ("Anno/list_bbox_inshop.txt", "image_name  clothes_type  pose_type  x_1  y_1  x_2  y_2", boxes),
        ("Eval/list_eval_partition.txt", "image_name  item_id  evaluation_status", parts),
    ):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("\n".join([str(len(lines)), title, *lines]) + "\n")
    for name in rows:
        (folder / "Img" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "Img" / name).touch()
    return folder


def test_photos_are_what_both_lists_say(tmp_path: Path) -> None:
    photos = deepfashion_inshop.photos(write(tmp_path, ROWS))
    assert [photo.name for photo in photos] == [
        "MEN/Denim/id_00000001/01_1_front",
        "WOMEN/Tees_Tanks/id_00000002/02_1_front",
        "WOMEN/Tees_Tanks/id_00000002/02_4_full",
    ]
    assert [(photo.part, photo.clothes_type, photo.pose_type) for photo in photos] == [("train", 2, 1), ("test", 1, 1), ("test", 3, 4)]
    full = photos[2]
    assert (full.category, full.item, full.person, full.view) == ("Tees_Tanks", "id_00000002", "id_00000002/02", "full")
    assert full.image == tmp_path / "Img/img/WOMEN/Tees_Tanks/id_00000002/02_4_full.jpg"
    assert full.key_points == tmp_path / "openpose/WOMEN/Tees_Tanks/id_00000002/02_4_full_keypoints.json"
    assert full.parsing == tmp_path / "lip/WOMEN/Tees_Tanks/id_00000002/02_4_full.png"
    assert deepfashion_inshop.true_swaps(tmp_path) is None
    assert deepfashion_inshop.attributes(tmp_path) is None
    assert deepfashion_inshop.flat(tmp_path, full) is None


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("Eval/list_eval_partition.txt", "3\n", "4\n", "has 3 rows, and says in its first line how many it had"),
        ("Eval/list_eval_partition.txt", "gallery", "", r"line 3: 2 columns, and there are 3"),
        ("Eval/list_eval_partition.txt", "gallery", "test", r"02_4_full\.jpg id_00000002 test`: its rows are img/WOMEN/CATEGORY/ITEM/"),
        ("Eval/list_eval_partition.txt", " id_00000001 train", " id_00000003 train", r"01_1_front\.jpg id_00000003 train`: its rows"),
        ("Eval/list_eval_partition.txt", "02_4_full", "02_1_front", r"02_1_front\.jpg id_00000002 query`: its rows are .* once each"),
        ("Eval/list_eval_partition.txt", "img/MEN", "../MEN", r"has `\.\./MEN/Denim"),
        ("Anno/list_bbox_inshop.txt", " 3 4 001", " 3 4", "line 3: 6 columns, and there are 7"),
        ("Anno/list_bbox_inshop.txt", " 3 4 001", " 3 front 001", r"has no clothes type and pose type of .*02_4_full\.jpg, which Eval"),
        ("Anno/list_bbox_inshop.txt", "01_1_front", "01_2_side", r"has no clothes type and pose type of .*01_1_front\.jpg"),
    ],
)
def test_lists_that_are_damaged_are_refused(tmp_path: Path, file: str, old: str, new: str, sentence: str) -> None:
    write(tmp_path, ROWS)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=sentence):
        inshop.photos(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    photo = tmp_path / "Img/img/MEN/Denim/id_00000001/01_1_front.jpg"
    photo.unlink()
    with pytest.raises(UserError, match=r"01_1_front\.jpg is missing, and Eval/list_eval_partition\.txt has it"):
        inshop.photos(tmp_path)
    (tmp_path / "Anno/list_bbox_inshop.txt").unlink()
    with pytest.raises(UserError, match=r"list_bbox_inshop\.txt is missing, or no text"):
        inshop.photos(tmp_path)


def test_what_only_generated_figures_have(tmp_path: Path) -> None:
    photo = inshop.photos(write(tmp_path, ROWS))[1]
    (tmp_path / "swaps").mkdir()
    (tmp_path / "swaps/pairs.csv").write_text("reference,condition,file\na,b,00000.png\n")
    (tmp_path / "attributes.csv").write_text("name,patterned,sleeves\na,1,0\nb,0,1\n")
    flat = tmp_path / "flat/WOMEN/Tees_Tanks/id_00000002/02.png"
    flat.parent.mkdir(parents=True)
    flat.touch()
    assert inshop.true_swaps(tmp_path) == [("a", "b", tmp_path / "swaps/00000.png")]
    assert inshop.attributes(tmp_path) == {"a": (1, 0), "b": (0, 1)}
    assert inshop.flat(tmp_path, photo) == flat
    (tmp_path / "attributes.csv").write_text("name,patterned,sleeves\na,yes,0\n")
    with pytest.raises(UserError, match=r"attributes\.csv: a has yes and 0, which are 0 or 1"):
        inshop.attributes(tmp_path)
    for damaged in (b"name,patterned\na,1\n", b"\xff\xfe\0"):
        (tmp_path / "attributes.csv").write_bytes(damaged)
        with pytest.raises(UserError, match=r"attributes\.csv has no rows of name, patterned, sleeves"):
            inshop.attributes(tmp_path)
