"""The captioned data sets' readers: against folders in the official layouts, typed by hand; every damage is one sentence."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets import flickr8k, flickr30k, mscoco, pascal_sentence
from stages.datasets.captioned import PARTS, SHARED, CaptionedSet, checked, described, drawn, load_described, read_set

MIRROR = Path(os.environ.get("THESIS_MIRROR") or "~/mirror").expanduser()
AGAIN = "download the data set again"


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def write(file: Path, text: str) -> None:
    touch(file)
    file.write_text(text)


def message(read: Any, folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def stems(whole: CaptionedSet, part: str) -> list[str]:
    return [whole.images[index].stem for index in whole.parts[part]]


def captions_of(whole: CaptionedSet) -> dict[str, list[str]]:
    own: dict[str, list[str]] = {image.stem: [] for image in whole.images}
    for caption, index in zip(whole.captions, whole.image_of, strict=True):
        own[whole.images[index].stem].append(caption)
    return own


# Flickr

TOKENS = (
    "11.jpg#0\tTwo dogs run .\n11.jpg#1\tDogs on a beach .\n22.jpg#1\tA red\u2028boat .\n22.jpg#0\tA boat .\r\n22.jpg#2\tShip\n"
    "33.jpg#0\tA man # 1 .\n44.jpg#0\tSnow .\n55.jpg#0\tNobody lists me ."
)


@pytest.fixture
def thirty(tmp_path: Path) -> Path:
    touch(*(tmp_path / f"flickr30k-images/{name}.jpg" for name in (11, 22, 33, 44, 55)))
    write(tmp_path / "results_20130124.token", TOKENS)
    for part, names in {"train": "33\n11\n", "val": "44", "test": "22.jpg\r\n"}.items():
        write(tmp_path / f"flickr30k_entities/{part}.txt", names)
    images = [{"filename": f"{name}.jpg", "split": split} for name, split in ((22, "train"), (44, "test"), (11, "train"), (33, "val"))]
    write(tmp_path / "dataset_flickr30k.json", json.dumps({"images": images}))
    return tmp_path


def test_flickr30k_by_hand(thirty: Path) -> None:
    whole = flickr30k.read(thirty)
    assert [image.name for image in whole.images] == ["33.jpg", "11.jpg", "44.jpg", "22.jpg"]
    assert {part: indices.tolist() for part, indices in whole.parts.items()} == {"train": [0, 1], "val": [2], "test": [3]}
    assert whole.captions == ["A man # 1 .", "Two dogs run .", "Dogs on a beach .", "Snow .", "A boat .", "A red\u2028boat .", "Ship"]
    assert whole.image_of.tolist() == [0, 1, 1, 2, 3, 3, 3]
    assert whole.image_of.dtype == np.int64
    assert (whole.classes, whole.labels, whole.single) == ([], None, False)
    assert whole.counts["images in no list"] == 1


def test_flickr30k_by_karpathy(thirty: Path) -> None:
    whole = flickr30k.read(thirty, split="karpathy")
    assert {part: stems(whole, part) for part in PARTS} == {"train": ["22", "11"], "val": ["33"], "test": ["44"]}
    assert captions_of(whole)["11"] == ["Two dogs run .", "Dogs on a beach ."]


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "results_20130124.token",
            "44.jpg#0\tSnow .",
            "44.jpg#0 Snow .",
            "line 7: '44.jpg#0 Snow .' is no image, #, number, tab and caption",
        ),
        ("results_20130124.token", "44.jpg", "99.jpg", "line 7: the image flickr30k-images/99.jpg is missing"),
        ("results_20130124.token", "11.jpg#1", "11.jpg#0", "line 2: 11.jpg has had a caption 0 before"),
        ("results_20130124.token", "44.jpg#0\tSnow .\n", "", "the image flickr30k-images/44.jpg has no caption"),
        ("flickr30k_entities/val.txt", "44", "33", "the image flickr30k-images/33.jpg is in train and in val"),
        ("flickr30k_entities/train.txt", "33", "11", "the image flickr30k-images/11.jpg is in train and in train"),
        ("flickr30k_entities/val.txt", "44", "99", "flickr30k_entities lists 99.jpg, and flickr30k-images/99.jpg is missing"),
        ("flickr30k_entities/val.txt", "44", "", "flickr30k_entities/val.txt is empty"),
    ],
)
def test_what_is_wrong_with_flickr30k(thirty: Path, file: str, old: str, new: str, says: str) -> None:
    text = (thirty / file).read_bytes().decode()
    assert old in text
    (thirty / file).write_bytes(text.replace(old, new, 1).encode())
    assert says in message(flickr30k.read, thirty)


def test_what_is_wrong_with_karpathys_json(thirty: Path) -> None:
    file = thirty / "dataset_flickr30k.json"
    file.write_text('{"images": [{"filename": "11.jpg", "split": "train"}, {"filename": "22.jpg"}]}')
    says = f"dataset_flickr30k.json: images[1] has no split of the type str, as official files have: {AGAIN}"
    assert message(flickr30k.read, thirty, split="karpathy") == says
    file.write_text('{"dataset": "flickr30k"}')
    assert message(flickr30k.read, thirty, split="karpathy").startswith("dataset_flickr30k.json has no list images")
    file.write_text('{"images": [')
    assert message(flickr30k.read, thirty, split="karpathy").startswith("dataset_flickr30k.json is truncated or no JSON")
    file.unlink()
    assert message(flickr30k.read, thirty, split="karpathy") == f"dataset_flickr30k.json is missing: {AGAIN}"
    assert message(flickr30k.read, thirty, split="random") == "flickr30k has no split random: it is one of mao, karpathy"


def test_flickr8k_by_hand(tmp_path: Path) -> None:
    touch(*(tmp_path / f"Flicker8k_Dataset/{name}.jpg" for name in ("1_a", "2_b", "3_c")))
    texts = tmp_path / "Flickr8k_text"
    lines = "1_a.jpg#0\tOne\n2258277193_586949ec62.jpg.1#0\tNever there\n2_b.jpg#0\tTwo\n2_b.jpg#1\tToo\n3_c.jpg#0\tThree\n"
    write(texts / "Flickr8k.token.txt", lines)
    for name, listed in {"train": "2_b.jpg", "dev": "1_a.jpg", "test": "3_c.jpg"}.items():
        write(texts / f"Flickr_8k.{name}Images.txt", listed)
    whole = flickr8k.read(tmp_path)
    assert captions_of(whole) == {"2_b": ["Two", "Too"], "1_a": ["One"], "3_c": ["Three"]}
    assert {part: stems(whole, part) for part in PARTS} == {"train": ["2_b"], "val": ["1_a"], "test": ["3_c"]}
    assert whole.counts == {"images in no list": 0, "captioned images that the set lacks": 1, SHARED: 0}


def test_the_real_flickr8k() -> None:
    """The mirror's list to train on is three names short, so that 94 images and not 91 are in no list."""
    if not (MIRROR / "flickr8k").is_dir():
        pytest.skip(f"there is no mirror with flickr8k: {MIRROR}")
    whole = flickr8k.read(MIRROR / "flickr8k")
    assert {part: len(whole.parts[part]) for part in PARTS} == {"train": 5997, "val": 1000, "test": 1000}
    assert whole.counts["images in no list"] == 94
    assert np.bincount(whole.image_of).tolist() == [5] * 7997
    assert len({caption.lower() for caption in whole.captions[-5000:]}) == 4992


# MSCOCO


def coco_name(half: str, number: int) -> str:
    return f"COCO_{half}_{number:012d}.jpg"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Images 9 and 4 to train on, 7, 2, 5 and 6 in val2014. 4 has seven captions, 7 has no instances; category 2 is the first by id."""
    captions = {"train2014": {9: 1, 4: 7}, "val2014": {7: 1, 2: 2, 5: 1, 6: 1}}
    instances = {"train2014": [(9, 17), (9, 17), (9, 2), (4, 17)], "val2014": [(2, 2), (5, 2), (6, 17)]}
    for half, numbers in captions.items():
        images = [{"id": number, "file_name": coco_name(half, number)} for number in numbers]
        touch(*(tmp_path / half / image["file_name"] for image in images))
        pairs = [(number, one) for one in range(7) for number, count in numbers.items() if one < count]
        rows = [{"id": 100 - row, "image_id": number, "caption": f" {number}\n{one} "} for row, (number, one) in enumerate(pairs)]
        write(tmp_path / f"annotations/captions_{half}.json", json.dumps({"images": images, "annotations": rows}))
        objects: dict[str, Any] = {"categories": [{"id": 17, "name": "cat"}, {"id": 2, "name": "bicycle"}]}
        objects["annotations"] = [{"image_id": number, "category_id": category} for number, category in instances[half]]
        write(tmp_path / f"annotations/instances_{half}.json", json.dumps(objects))
    write(tmp_path / "mscoco_test_mao.txt", coco_name("val2014", 5) + "\n")
    split = [(coco_name("val2014", 7), "test"), (coco_name("val2014", 6), "val"), (coco_name("val2014", 2), "test")]
    split += [(coco_name("train2014", 9), "train"), (coco_name("val2014", 5), "restval")]
    write(tmp_path / "dataset_coco.json", json.dumps({"images": [{"filename": name, "split": part} for name, part in split]}))
    return tmp_path


def test_mscoco_by_hand(coco: Path) -> None:
    whole = mscoco.read(coco, val=2)
    assert {part: [int(stem[-3:]) for stem in stems(whole, part)] for part in PARTS} == {"train": [4, 9], "val": [2, 6], "test": [5]}
    assert whole.captions == ["4 0", "4 1", "4 2", "4 3", "4 4", "9 0", "2 0", "2 1", "6 0", "5 0"]
    assert whole.classes == ["bicycle", "cat"]
    assert whole.labels is not None
    assert whole.labels.astype(int).tolist() == [[0, 1], [1, 1], [1, 0], [0, 1], [1, 0]]
    assert not whole.single
    assert whole.counts == {"captions after an image's fifth": 2, "images without instances": 0, "images in no part": 1, SHARED: 0}


def test_mscoco_keeps_images_without_instances(coco: Path) -> None:
    whole = mscoco.read(coco)  # 7 is a validation image now, of which there are fewer than the default
    assert whole.labels is not None
    assert stems(whole, "val")[-1].endswith("07")
    assert whole.labels[whole.parts["val"][-1]].tolist() == [False, False]
    assert whole.counts["images without instances"] == 1


def test_mscoco_by_karpathy(coco: Path) -> None:
    whole = mscoco.read(coco, test="full5k")
    assert {part: [int(stem[-3:]) for stem in stems(whole, part)] for part in PARTS} == {"train": [4, 9], "val": [6], "test": [7, 2]}
    assert stems(mscoco.read(coco, test="first1k"), "test") == stems(whole, "test")
    assert message(mscoco.read, coco, test="2k") == "mscoco has no test images 2k: they are one of mao1k, first1k, full5k"


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("captions_val2014", lambda it: it["images"][1].pop("file_name"), "images[1] has no file_name of the type str"),
        ("captions_val2014", lambda it: it["annotations"][3].pop("caption"), "annotations[3] has no caption"),
        ("captions_val2014", lambda it: it["images"][0].update(id="7"), "images[0] has no id of the type int"),
        ("captions_val2014", lambda it: it["annotations"][0].update(image_id=8), "annotations[0] is of the image 8, which"),
        ("captions_val2014", lambda it: it["annotations"].pop(2), "000005.jpg has no caption"),
        ("captions_train2014", lambda it: it.pop("annotations"), "captions_train2014.json has no list annotations"),
        ("instances_train2014", lambda it: it["annotations"][3].update(category_id=3), "annotations[3] is of the category 3, which"),
        ("instances_train2014", lambda it: it["categories"][0].pop("name"), "categories[0] has no name"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_mscoco(coco: Path, file: str, change: Any, says: str) -> None:
    place = coco / f"annotations/{file}.json"
    content = json.loads(place.read_text())
    change(content)
    place.write_text(json.dumps(content))
    assert says in message(mscoco.read, coco)


def test_images_that_mscoco_lacks(coco: Path) -> None:
    name = coco_name("train2014", 9)
    write(coco / "mscoco_test_mao.txt", f"{name}\n")
    assert message(mscoco.read, coco) == f"mscoco_test_mao.txt lists {name}, which is no image of captions_val2014.json: {AGAIN}"
    (coco / "train2014" / name).unlink()
    assert message(mscoco.read, coco) == f"annotations/captions_train2014.json: the image train2014/{name} is missing: {AGAIN}"


# Pascal Sentence, and what readers share


def pascal(folder: Path, images: int = 4) -> Path:
    for name, count in (("sheep", images), ("cat", images + 1)):
        for number in range(count):
            touch(folder / f"dataset/{name}/2008_{number:06d}.jpg")
            write(folder / f"sentence/{name}/2008_{number:06d}.txt", "".join(f"A {name} {one} .\n" for one in range(1 + number)) + "\n")
    return folder


def test_pascal_sentence_by_hand(tmp_path: Path) -> None:
    whole = pascal_sentence.read(pascal(tmp_path), val_per_class=1, test_per_class=1)
    assert (whole.classes, whole.single) == (["cat", "sheep"], True)
    assert whole.labels is not None
    for part, counts in {"train": [3, 2], "val": [1, 1], "test": [1, 1]}.items():
        assert whole.labels[whole.parts[part]].sum(0).tolist() == counts
    for index, image in enumerate(whole.images):
        own = [caption for caption, of in zip(whole.captions, whole.image_of, strict=True) if of == index]
        assert own == [f"A {image.parent.name} {one} ." for one in range(1 + int(image.stem[-2:]))]
        assert whole.classes[int(whole.labels[index].argmax())] == image.parent.name
    other = pascal_sentence.read(tmp_path, val_per_class=1, test_per_class=1, seed=1)
    assert sorted(other.images) == sorted(whole.images)
    assert other.images != whole.images


def test_what_is_wrong_with_pascal_sentence(tmp_path: Path) -> None:
    says = f"{tmp_path / 'dataset/cat'} has 5 images, where 5 are for validation, 5 for the test and others to train on: "
    assert message(pascal_sentence.read, pascal(tmp_path)) == (says + "lower these, or add images").replace(f"{tmp_path}/", "")
    (tmp_path / "dataset/cat/2008_000003.jpg").unlink()
    says = "sentence/cat/2008_000003.txt has sentences of an image that is missing, dataset/cat/2008_000003.jpg"
    assert says in message(pascal_sentence.read, tmp_path, val_per_class=1, test_per_class=1)
    (tmp_path / "sentence/cat/2008_000003.txt").unlink()
    (tmp_path / "sentence/cat/2008_000001.txt").unlink()
    assert "sentence/cat/2008_000001.txt is missing" in message(pascal_sentence.read, tmp_path, val_per_class=1, test_per_class=1)


def test_a_draw_is_a_split_by_its_purpose(tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.jpg" for number in range(10)]
    parts = drawn(images, 2, 3, "set", 0)
    assert [len(parts[part]) for part in PARTS] == [5, 2, 3]
    assert sorted(image for part in parts.values() for image in part) == images
    assert all(part == sorted(part) for part in parts.values())
    assert drawn(images, 2, 3, "set", 0) == parts != drawn(images, 2, 3, "set", 1)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    images = [tmp_path / "a/x/1.jpg", tmp_path / "b/x/1.jpg"]
    parts = {"train": np.array([0]), "val": np.array([], np.int64), "test": np.array([1])}
    with pytest.raises(UserError, match=r"a/x/1.jpg and .*b/x/1.jpg have one name, with their folder's: rename one"):
        checked(CaptionedSet(images, ["A", "B"], np.array([0, 1]), parts), tmp_path)
    with pytest.raises(UserError, match="no image is in the part test"):
        checked(CaptionedSet(images[:1], ["A"], np.array([0]), parts | {"test": parts["val"]}), tmp_path)


def test_what_is_described_is_read_back(coco: Path) -> None:
    whole = mscoco.read(coco)
    write_json(coco / "set.json", described(whole))
    back = load_described(coco)
    assert back.names == [f"{image.parent.name}/{image.stem}" for image in whole.images]
    assert (back.captions, back.classes, back.single) == (whole.captions, whole.classes, whole.single)
    assert np.array_equal(back.image_of, whole.image_of)
    assert back.labels is not None
    assert np.array_equal(back.labels, whole.labels)
    assert {part: rows.tolist() for part, rows in back.parts.items()} == {part: rows.tolist() for part, rows in whole.parts.items()}
    content = described(whole)
    del content["image_of"]
    write_json(coco / "set.json", content)
    with pytest.raises(UserError, match=r"set.json lacks image_of: run the stage that wrote it again"):
        load_described(coco)
    for damaged in ('{"names": ["a', "[]"):
        (coco / "set.json").write_text(damaged)
        with pytest.raises(UserError, match=r"set.json is damaged \(.*\): run the stage that wrote it again"):
            load_described(coco)


def test_texts_of_several_images_are_counted(thirty: Path) -> None:
    file = thirty / "results_20130124.token"
    file.write_text(file.read_text().replace("Snow .", "A boat .").replace("Dogs on a beach .", "Two dogs run ."))
    assert flickr30k.read(thirty).counts[SHARED] == 1  # 44's and 22's; 11's two are of one image


def test_an_option_that_no_reader_has(coco: Path) -> None:
    with pytest.raises(UserError, match=r"matching\.options\.mscoco: .*mscoco.py got an unexpected keyword argument"):
        read_set("mscoco", coco, {"split": "mao"})
    assert len(read_set("mscoco", coco, {"val": 1}).parts["val"]) == 1
