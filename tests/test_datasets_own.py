"""Captioned folders of one's own, and the ten sentences of Flowers and CUB: by hand, and what is wrong with them in a sentence."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.datasets import cub200_texts, flowers102_texts, own_captions
from stages.datasets.captioned import PARTS
from stages.miniatures import cub200, flowers102

CSV = (
    "\ufefffile,caption,label,part,author\n"
    'images/b.jpg,"Two dogs, running .",dog;beach,train,me\n'
    "images/a.jpg,A cat .,cat,test,me\n"
    "images/b.jpg,Dogs .,dog,train\n"
    "images/c.jpg,Nothing .,,val,me\n"
)
JSONL = (
    '{"file": "images/b.jpg", "caption": "Two dogs, running .", "label": ["dog", "beach"], "part": "train"}\n\n'
    '{"file": "images/a.jpg", "caption": "A cat .", "label": "cat", "part": "test"}\n'
    '{"file": "images/b.jpg", "caption": "Dogs .", "part": "train"}\n'
    '{"file": "images/c.jpg", "caption": "Nothing .", "label": null, "part": "val"}'
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in "abc":
        (tmp_path / f"images/{name}.jpg").touch()
    return tmp_path


def message(read: Any, folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(("name", "text"), [("captions.csv", CSV), ("captions.jsonl", JSONL)])
def test_ones_own_by_hand(own: Path, name: str, text: str) -> None:
    (own / name).write_text(text, encoding="utf-8")
    whole = own_captions.read(own)
    assert [image.name for image in whole.images] == ["b.jpg", "c.jpg", "a.jpg"]
    assert whole.captions == ["Two dogs, running .", "Dogs .", "Nothing .", "A cat ."]
    assert whole.image_of.tolist() == [0, 0, 1, 2]
    assert {part: rows.tolist() for part, rows in whole.parts.items()} == {"train": [0], "val": [1], "test": [2]}
    assert whole.classes == ["beach", "cat", "dog"]
    assert whole.labels is not None
    assert whole.labels.astype(int).tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert not whole.single


def test_captions_alone_need_no_images_and_no_parts(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("file,caption,part\nz.jpg,Two ,\na.jpg,One,train\n")
    assert own_captions.captions(tmp_path) == ["Two", "One"]


def test_without_parts_the_split_is_by_the_seed(own: Path) -> None:
    for number in range(20):
        (own / f"images/{number}.jpg").touch()
    (own / "captions.csv").write_text("file,caption\n" + "".join(f"images/{number}.jpg,Number {number} .\n" for number in range(20)))
    whole = own_captions.read(own, val=0.2, test=0.25)
    assert [len(whole.parts[part]) for part in PARTS] == [11, 4, 5]
    assert (whole.classes, whole.labels) == ([], None)
    assert own_captions.read(own, val=0.2, test=0.25).images == whole.images != own_captions.read(own, val=0.2, test=0.25, seed=1).images


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("file,caption", "name,caption", "captions.csv has no column file: its first line names them, file,caption,label,part"),
        ("A cat .", " ", "captions.csv, line 3 has no caption: give it one, or take the row away"),
        ("images/a.jpg", "", "captions.csv, line 3 has no file: give it one, or take the row away"),
        ("a.jpg", "z.jpg", "captions.csv, line 3: the image images/z.jpg is missing: names are relative to the folder of captions.csv"),
        ("test", "dev", "captions.csv, line 3: the part is dev: it is one of train, val, test, or empty"),
        ("Dogs .,dog,train", "Dogs .,dog,test", "captions.csv, line 4: images/b.jpg is in the part test, before in train"),
        (",cat,test", ",cat,", "captions.csv gives no part to images/a.jpg, but to other images: give all a part, or none"),
        (",cat,test", ",cat,train", "captions.csv: no image is in the part test: mend the table"),
        (
            '"Two dogs, running ."',
            "Two dogs, running .",
            "captions.csv, line 2 has more fields than the first line: a text with a comma needs quotes",
        ),
        (
            "images/a.jpg",
            "images/../images/b.jpg",
            "captions.csv, line 3: images/../images/b.jpg may not lead out of the folder of captions.csv: name it from there",
        ),
        ("images/a.jpg", "/a.jpg", "captions.csv, line 3: /a.jpg may not lead out of the folder of captions.csv: name it from there"),
        (
            "a.jpg",
            300 * "a",
            f"captions.csv, line 3: the image images/{300 * 'a'} is missing: names are relative to the folder of captions.csv",
        ),
        ('"Two dogs', '"Two "dogs', "captions.csv, after line 1: ',' expected after '\"': mend that row"),
    ],
)
def test_what_is_wrong_with_a_csv(own: Path, old: str, new: str, says: str) -> None:
    assert old in CSV
    (own / "captions.csv").write_text(CSV.replace(old, new, 1), encoding="utf-8")
    assert message(own_captions.read, own) == says


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "captions.jsonl, line 6 is no JSON ("),
        ("[1]", "captions.jsonl, line 6: it has to be an object whose file, caption and part are texts"),
        ('{"file": "images/a.jpg", "caption": 3}', "captions.jsonl, line 6: it has to be an object whose"),
        ("[" * 100_000, "captions.jsonl, line 6 is no JSON ("),
        ('{"file": "images/a.jpg", "caption": " "}', "captions.jsonl, line 6 has no caption"),
        ('{"file": "images/a.jpg"}', "captions.jsonl, line 6 has no caption"),
        ('{"file": "images/a.jpg", "caption": "A", "label": {}, "part": 1}', "captions.jsonl, line 6: it has to be an object"),
        ('{"file": "images/a.jpg", "caption": "A", "label": 5}', "captions.jsonl, line 6: the label has to be a text, or a list"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_jsonl(own: Path, line: str, says: str) -> None:
    (own / "captions.jsonl").write_text(f"{JSONL}\n{line}\n")
    assert message(own_captions.read, own).startswith(says)


def test_there_is_one_table(own: Path) -> None:
    assert message(own_captions.read, own) == f"{own} has no captions.csv or captions.jsonl: give it one"
    (own / "captions.csv").write_text("file,caption\n")
    assert message(own_captions.read, own) == "captions.csv has no captions: give it a row for each"
    (own / "captions.csv").write_bytes(b"file,caption\nimages/a.jpg,\xff\n")
    assert message(own_captions.read, own) == "captions.csv is no text: save it as UTF-8"
    (own / "captions.jsonl").write_text(JSONL)
    assert message(own_captions.read, own) == f"{own} has both captions.csv and captions.jsonl: give it one"
    (own / "captions.csv").write_text("file,caption\nimages/a.jpg,A\nimages/b.jpg,B\n")
    (own / "captions.jsonl").unlink()
    assert message(own_captions.read, own).startswith("images has 2 images, where 1 are for validation, 1 for the test")


# The ten sentences of Flowers and CUB


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    flowers102.write(folder / "flowers102_texts", classes=2, train=1, val=1, test=1, width=48, height=48, seed=0)
    cub200.write(folder / "cub200_texts", classes=2, train=2, test=1, width=48, height=48, seed=0)
    return folder


def write_texts(folder: Path, count: int = 10) -> list[Path]:
    """A text of `count` sentences for each picture; in Flowers all classes' texts are in one folder here, for only the name counts."""
    texts = []
    for image in sorted(folder.rglob("*.jpg")):
        flower = image.parent.name == "jpg"
        texts.append(folder / ("cvpr2016_flowers" if flower else "cvpr2016_cub") / "text_c10" / image.parent.name / f"{image.stem}.txt")
        texts[-1].parent.mkdir(parents=True, exist_ok=True)
        texts[-1].write_text("".join(f"{image.stem} {one} .\n" for one in range(count)))
        texts[-1].with_suffix(".t7").touch()
    return texts


@pytest.mark.parametrize(("name", "read"), [("flowers102_texts", flowers102_texts.read), ("cub200_texts", cub200_texts.read)])
def test_sentences_are_of_their_images(images: Path, name: str, read: Any) -> None:
    texts = write_texts(images / name)
    whole = read(images / name)
    assert [len(whole.parts[part]) for part in PARTS] == [4, 0, 2]
    assert len(whole.captions) == 10 * 6
    for caption, index in zip(whole.captions, whole.image_of, strict=True):
        assert caption.split()[0] == whole.images[index].stem
    assert (len(whole.classes), whole.single) == (2, True)
    assert whole.labels is not None
    assert Counter(np.nonzero(whole.labels)[1].tolist()) == {0: 3, 1: 3}

    texts[0].unlink()
    assert message(read, images / name).endswith(f"{texts[0].stem}.jpg has no caption: download the data set again")
    texts[0].write_text("\n")
    assert message(read, images / name).endswith(f"{texts[0].name} is empty: download the data set again")
    texts[0].write_text(9 * "A .\n")
    assert message(read, images / name).endswith(f"{texts[0].name} has 9 sentences, where each image has 10: download the data set again")
    write_texts(images / name)
    other = texts[0].parent / "image_99999.txt"
    other.write_text("A .\n")
    assert "image_99999.txt has sentences of an image that is missing, image_99999.jpg" in message(read, images / name)
    other.unlink()
    second = texts[0].parent.parent / "zzz" / texts[0].name
    second.parent.mkdir()
    second.write_text("A .\n")
    assert f"zzz/{texts[0].name} is the second text of the image {texts[0].stem}.jpg" in message(read, images / name)
