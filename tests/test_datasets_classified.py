"""The readers of ImageNet and of the sets that features are carried over to: files in the official layouts, with answers by hand."""

import io
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from stages.core.errors import UserError
from stages.datasets import cub200, flowers102, imagenet, indoor67, scene15
from stages.datasets.imagenet import DEVKIT, META, TRAIN, TRUTH, VAL, Picture, Synset
from stages.datasets.labelled import ClassifiedSet, divided

AGAIN = "download the data set again"
SYNSETS = [(1, "n03", "fish", 0), (2, "n01", "cat, tomcat", 0), (3, "n02", "animal", 2), (4, "n04", "fox", 0)]
CLASSES = {"n03": ["b", "a"], "n04": ["c"], "n01": ["d", "e"]}


def sentence(call: Callable[[], object], folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


# ImageNet


def tar(files: dict[str, bytes], kind: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=kind) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write_devkit(folder: Path, synsets: list[tuple] = SYNSETS, truth: str = "4\n1\n2\n", drop: str = "") -> None:
    fields = ("ILSVRC2012_ID", "WNID", "words", "num_children")
    table = np.empty((len(synsets), 1), dtype=[(field, object) for field in fields])
    for index, row in enumerate(synsets):
        table[index, 0] = row
    mat = io.BytesIO()
    savemat(mat, {"synsets": table})
    files = {META: mat.getvalue(), TRUTH: truth.encode()}
    (folder / DEVKIT).write_bytes(tar({name: content for name, content in files.items() if name != drop}, "w:gz"))


def write_train(folder: Path, classes: dict[str, list[str]]) -> None:
    inner = {wnid: tar({f"{wnid}_{name}.JPEG": f"{wnid}{name}".encode() * 400 for name in names}) for wnid, names in classes.items()}
    (folder / TRAIN).write_bytes(tar({f"{wnid}.tar": content for wnid, content in inner.items()}))


def write_val(folder: Path, numbers: tuple[int, ...]) -> None:
    (folder / VAL).write_bytes(tar({f"ILSVRC2012_val_{number:08d}.JPEG": f"{number}".encode() for number in numbers}))


@pytest.fixture
def ilsvrc(tmp_path: Path) -> Path:
    write_devkit(tmp_path)
    write_train(tmp_path, CLASSES)
    write_val(tmp_path, (2, 1, 3))
    return tmp_path


def test_imagenet_by_hand(ilsvrc: Path) -> None:
    assert imagenet.read_classes(ilsvrc) == [Synset("n01", "cat, tomcat"), Synset("n03", "fish"), Synset("n04", "fox")]
    assert list(imagenet.train_pictures(ilsvrc)) == [
        Picture(f"{wnid}/{wnid}_{name}.JPEG", label, f"{wnid}{name}".encode() * 400)
        for wnid, label, name in [("n03", 1, "b"), ("n03", 1, "a"), ("n04", 2, "c"), ("n01", 0, "d"), ("n01", 0, "e")]
    ]
    # Line 1 is 4, which is n04, the last of three; line 2 is 1, n03; line 3 is 2, n01.
    found = [(picture.name[-6:], picture.label, picture.content) for picture in imagenet.val_pictures(ilsvrc)]
    assert found == [("2.JPEG", 1, b"2"), ("1.JPEG", 2, b"1"), ("3.JPEG", 0, b"3")]


@pytest.mark.parametrize("file", [DEVKIT, TRAIN, VAL])
def test_imagenets_archives_are_named(ilsvrc: Path, file: str) -> None:
    read = imagenet.val_pictures if file == VAL else imagenet.train_pictures
    content = (ilsvrc / file).read_bytes()
    for wrong in (b"", b"no tar" * 500, content[: len(content) // 3]):
        (ilsvrc / file).write_bytes(wrong)
        said = sentence(lambda: list(read(ilsvrc)), ilsvrc)
        assert said.startswith(f"{file} cannot be read (") or "n03.tar in " in said
        assert said.endswith("): download the data set again")
    (ilsvrc / file).unlink()
    assert sentence(lambda: list(read(ilsvrc)), ilsvrc) == f"{file} is missing: download it"


def test_a_damaged_header_is_not_the_end(ilsvrc: Path) -> None:
    content = bytearray((ilsvrc / TRAIN).read_bytes())
    place = content.index(b"n01_e.JPEG")
    content[place : place + 4] = b"?\x00?\x00"
    (ilsvrc / TRAIN).write_bytes(content)
    pictures = imagenet.train_pictures(ilsvrc)
    assert [next(pictures).label for _ in range(3)] == [1, 1, 2]  # what is before it can be read, for nothing is read ahead
    said = sentence(lambda: next(pictures), ilsvrc)
    assert said == f"n01.tar in {TRAIN} cannot be read (it breaks off, or is damaged in the middle): download the data set again"


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (CLASSES | {"n02": ["a"]}, f"{TRAIN} has n02.tar, which is of no class of {DEVKIT}"),
        ({"n03": ["a"], "n01": ["a"]}, f"{TRAIN} has no n04.tar, which is of a class of {DEVKIT}"),
        (CLASSES | {"n03": []}, f"n03.tar in {TRAIN} has no images"),
    ],
)
def test_imagenets_classes_are_those_of_the_devkit(ilsvrc: Path, classes: dict[str, list[str]], says: str) -> None:
    write_train(ilsvrc, classes)
    assert sentence(lambda: list(imagenet.train_pictures(ilsvrc)), ilsvrc) == f"{says}: download the data set again"


@pytest.mark.parametrize(
    ("devkit", "says"),
    [
        ({"truth": "4\n1\n2\n1\n"}, f"{VAL} has 3 images, and {TRUTH} in {DEVKIT} 4 lines: download both again"),
        ({"truth": "4\n3\n2\n"}, f"{TRUTH} in {DEVKIT}, line 2: '3' is no ILSVRC2012_ID of a class"),  # a synset with children
        ({"truth": "4\n1\nx\n"}, f"{TRUTH} in {DEVKIT}, line 3: 'x' is no ILSVRC2012_ID of a class"),
        ({"drop": TRUTH}, f"{DEVKIT} has no {TRUTH}"),
        ({"drop": META}, f"{DEVKIT} has no {META}"),
        ({"synsets": SYNSETS[2:3]}, f"{META} in {DEVKIT} has no synset without children, so no classes"),
    ],
)
def test_bad_devkits(ilsvrc: Path, devkit: dict, says: str) -> None:
    write_devkit(ilsvrc, **devkit)
    assert sentence(lambda: list(imagenet.val_pictures(ilsvrc)), ilsvrc).removesuffix(": download the data set again") == says


def test_bad_validation_names(ilsvrc: Path) -> None:
    write_val(ilsvrc, (1, 2, 4))
    assert sentence(lambda: list(imagenet.val_pictures(ilsvrc)), ilsvrc) == f"{VAL} has no ILSVRC2012_val_00000003.JPEG: {AGAIN}"
    (ilsvrc / VAL).write_bytes(tar({"cat.JPEG": b""}))
    assert sentence(lambda: list(imagenet.val_pictures(ilsvrc)), ilsvrc).startswith(f"{VAL} has cat.JPEG, and its images are named as ILSV")
    (ilsvrc / DEVKIT).write_bytes(tar({META: b"no Matlab file" * 50, TRUTH: b"1"}, "w:gz"))
    said = sentence(lambda: imagenet.read_classes(ilsvrc), ilsvrc)
    assert said.startswith(f"{META} in {DEVKIT} is damaged or no table of synsets (")


# The sets of recognition

PICTURES = {
    "scene15": [f"scene_categories/{name}/image_{n:04d}.jpg" for name, count in (("store", 5), ("MITcoast", 7)) for n in range(count)],
    "indoor67": [f"Images/{name}" for name in ("bar/a b.jpg", "bar/c.jpg", "attic/d.jpg", "attic/e.jpg", "attic/not listed.jpg")],
    "flowers102": [f"jpg/image_{number:05d}.jpg" for number in range(1, 9)],
    "cub200": [f"CUB_200_2011/images/{name}.jpg" for name in ("001.Auk/A_1", "001.Auk/A_2", "002.Jay/J_1", "002.Jay/J_2", "002.Jay/J_3")],
}  # fmt: skip
TEXTS = {
    "indoor67/TrainImages.txt": "bar/a b.jpg\nattic/e.jpg",
    "indoor67/TestImages.txt": "attic/d.jpg\r\nbar/c.jpg\r\n",
    "cub200/CUB_200_2011/classes.txt": "1 001.Auk\n2 002.Jay\n",
    "cub200/CUB_200_2011/images.txt": "3 002.Jay/J_1.jpg\n1 001.Auk/A_1.jpg\n2 001.Auk/A_2.jpg\n4 002.Jay/J_2.jpg\n5 002.Jay/J_3.jpg\n",
    "cub200/CUB_200_2011/image_class_labels.txt": "1 1\n2 1\n3 2\n4 2\n5 2\n",
    "cub200/CUB_200_2011/train_test_split.txt": "1 0\n2 1\n3 1\n4 0\n5 1\n",
}
SETID = {"trnid": [[2, 1]], "valid": [[8]], "tstid": [[3, 7, 6, 5]]}
READERS: dict[str, Callable[[Path], ClassifiedSet]] = {
    "scene15": lambda folder: divided(scene15.read(folder), 4, 0),
    "indoor67": indoor67.read,
    "flowers102": flowers102.read,
    "cub200": cub200.read,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All four sets; of a picture only its name is read."""
    for name, pictures in PICTURES.items():
        for picture in pictures:
            (tmp_path / name / picture).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / picture).touch()
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, newline="")
    savemat(tmp_path / "flowers102/imagelabels.mat", {"labels": np.array([[1, 2, 2, 1, 3, 1, 2, 3]], np.uint8)})
    savemat(tmp_path / "flowers102/setid.mat", SETID)
    return tmp_path


def pairs(part: object) -> list[tuple[str, int]]:
    return [(image.name, label) for image, label in zip(part.images, part.labels, strict=True)]  # type: ignore[attr-defined]


def test_lists_by_hand(folder: Path) -> None:
    indoor = indoor67.read(folder / "indoor67")
    assert indoor.classes == ["attic", "bar"]
    assert (pairs(indoor.train), pairs(indoor.test)) == ([("a b.jpg", 1), ("e.jpg", 0)], [("d.jpg", 0), ("c.jpg", 1)])
    birds = cub200.read(folder / "cub200")
    assert birds.classes == ["001.Auk", "002.Jay"]
    assert pairs(birds.train) == [("J_1.jpg", 1), ("A_2.jpg", 0), ("J_3.jpg", 1)]
    assert pairs(birds.test) == [("A_1.jpg", 0), ("J_2.jpg", 1)]


def test_flowers_train_on_trnid_and_valid(folder: Path) -> None:
    flowers = flowers102.read(folder / "flowers102")
    assert flowers.classes == ["class_001", "class_002", "class_003"]
    assert pairs(flowers.train) == [("image_00002.jpg", 1), ("image_00001.jpg", 0), ("image_00008.jpg", 2)]
    assert pairs(flowers.test) == [("image_00003.jpg", 1), ("image_00007.jpg", 1), ("image_00006.jpg", 0), ("image_00005.jpg", 2)]


def test_scenes_are_drawn_by_class_and_seed(folder: Path) -> None:
    found = divided(scene15.read(folder / "scene15"), 4, 0)
    assert found.classes == ["MITcoast", "store"]
    assert (Counter(found.train.labels), Counter(found.test.labels)) == ({0: 4, 1: 4}, {0: 3, 1: 1})
    assert sorted(found.train.images + found.test.images) == sorted((folder / "scene15").rglob("*.jpg"))
    assert divided(scene15.read(folder / "scene15"), 4, 0) == found
    drawn = [frozenset(divided(scene15.read(folder / "scene15"), 4, seed).train.images) for seed in range(20)]
    assert len(set(drawn)) > 10
    assert (
        Counter(image for images in drawn for image in images if image.parent.name == "store").most_common()[-1][1] > 8
    )  # of 20; 16 meant
    (folder / "scene15/scene_categories/store/image_0005.jpg").touch()  # of no matter to the other class
    assert divided(scene15.read(folder / "scene15"), 4, 0).train.images[:4] == found.train.images[:4]


def test_the_counts_of_table_2_5(tmp_path: Path) -> None:
    counts = [216, 241, 311, 210, 289, 360, 328, 260, 308, 374, 410, 292, 356, 215, 315]  # the official categories', by name
    assert sum(counts) == 4485
    for label, count in enumerate(counts):
        place = tmp_path / f"scene_categories/{label}"
        place.mkdir(parents=True)
        for number in range(count):
            (place / f"image_{number:04d}.jpg").touch()
    found = divided(scene15.read(tmp_path), 100, 0)
    assert (len(found.train.images), len(found.test.images)) == (1500, 2985)


@pytest.mark.parametrize(
    ("name", "file", "says"),
    [
        ("scene15", "scene_categories/store/image_0000.jpg",
         "store has 4 images, where 4 are to train on and others to test on: lower that, or download the data set again"),
        ("indoor67", "TrainImages.txt", "TrainImages.txt is missing"),
        ("indoor67", "Images/attic/e.jpg", "TrainImages.txt, line 2: the image Images/attic/e.jpg is missing"),
        ("flowers102", "jpg/image_00008.jpg", "setid.mat, valid, place 1: the image jpg/image_00008.jpg is missing"),
        ("flowers102", "jpg/image_00007.jpg", "setid.mat, tstid, place 2: the image jpg/image_00007.jpg is missing"),
        ("cub200", "CUB_200_2011/classes.txt", "CUB_200_2011/classes.txt is missing"),
        ("cub200", "CUB_200_2011/images/001.Auk/A_1.jpg",
         "CUB_200_2011/images.txt, line 2: the image CUB_200_2011/images/001.Auk/A_1.jpg is missing"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(folder: Path, name: str, file: str, says: str) -> None:
    (folder / name / file).unlink()
    assert sentence(lambda: READERS[name](folder / name), folder / name) == (says if says.endswith(AGAIN) else f"{says}: {AGAIN}")


NO_TABLE = "is no number of its own and its value"


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("indoor67/TrainImages.txt", "bar/c.jpg\nbar\n", "TrainImages.txt, line 2: 'bar' is no picture's name, as kitchen/int474.jpg is"),
        ("indoor67/TestImages.txt", "bar/c.jpg\n", "indoor67: the class attic has no images to test on"),
        ("indoor67/TestImages.txt", "\n", "TestImages.txt is empty"),
        ("cub200/CUB_200_2011/classes.txt", "1 A\n2\n", f"classes.txt, line 2: '2' {NO_TABLE}"),
        ("cub200/CUB_200_2011/images.txt", "1 001.Auk/A_1.jpg\n1 001.Auk/A_2.jpg\n", f"images.txt, line 2: '1 001.Auk/A_2.jpg' {NO_TABLE}"),
        ("cub200/CUB_200_2011/image_class_labels.txt", "1 1\n2 3\n", f"image_class_labels.txt, line 2: '2 3' {NO_TABLE}"),
        ("cub200/CUB_200_2011/train_test_split.txt", "1 0\n2 2\n", f"train_test_split.txt, line 2: '2 2' {NO_TABLE}"),
        ("cub200/CUB_200_2011/train_test_split.txt", "1 0\n2 1\n3 0\n4 1\n",
         "train_test_split.txt lacks the picture 5, 002.Jay/J_3.jpg"),
        ("cub200/CUB_200_2011/train_test_split.txt", "1 0\n2 0\n3 0\n4 1\n5 1\n",
         "train_test_split.txt: the class 001.Auk has no images to train on"),
    ],
)  # fmt: skip
def test_bad_lists_are_named(folder: Path, file: str, text: str, says: str) -> None:
    (folder / file).write_text(text)
    name = file.split("/")[0]
    assert sentence(lambda: READERS[name](folder / name), folder).removeprefix(file.rsplit("/", 1)[0] + "/") == f"{says}: {AGAIN}"
    (folder / file).write_bytes(b"\xff\xfe\x00")
    assert sentence(lambda: READERS[name](folder / name), folder) == f"{file} is no text: {AGAIN}"


@pytest.mark.parametrize(
    ("file", "values", "says"),
    [
        ("setid", SETID | {"tstid": [[3, 9]]}, "setid.mat, tstid: image 9 is none of the 8 that imagelabels.mat has labels of"),
        ("setid", SETID | {"tstid": [[3, 8]]}, "setid.mat, tstid: image 8 is listed twice, or in two parts"),
        ("setid", SETID | {"tstid": [[3, 7, 5]]}, "setid.mat: the class class_001 has no images to test on"),
        ("setid", SETID | {"valid": [[0, 8]]}, "setid.mat: valid is no row of whole numbers from 1, but int64 of shape (1, 2)"),
        ("imagelabels", {"labels": "no"}, "imagelabels.mat: labels is no row of whole numbers from 1, but <U2 of shape (1,)"),
        ("imagelabels", {"labels": [[1.5]]}, "imagelabels.mat: labels is no row of whole numbers from 1, but float64 of shape (1, 1)"),
    ],
)
def test_bad_matrices_are_named(folder: Path, file: str, values: dict, says: str) -> None:
    savemat(folder / f"flowers102/{file}.mat", values)
    assert sentence(lambda: flowers102.read(folder / "flowers102"), folder / "flowers102") == f"{says}: {AGAIN}"


def test_empty_folders_are_named(tmp_path: Path) -> None:
    assert sentence(lambda: scene15.read(tmp_path), tmp_path) == f"scene_categories has no categories: {AGAIN}"
    assert sentence(lambda: flowers102.read(tmp_path), tmp_path) == f"imagelabels.mat is missing: {AGAIN}"
