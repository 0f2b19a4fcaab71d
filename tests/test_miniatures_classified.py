"""The miniatures of ImageNet and of the sets of recognition: read back, also by torchvision; the same bytes; classes that can be told."""

import gzip
import hashlib
import io
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from stages.core.errors import UserError
from stages.datasets import cub200, flowers102, imagenet, indoor67, scene15
from stages.datasets.labelled import ClassifiedSet, Labelled, divided
from stages.encoders.vision import import_torchvision
from stages.miniatures import cub200 as mini_cub200
from stages.miniatures import flowers102 as mini_flowers
from stages.miniatures import imagenet as mini_imagenet
from stages.miniatures import indoor67 as mini_indoor
from stages.miniatures import scene15 as mini_scenes
from stages.miniatures.cub200 import write as write_cub200
from stages.miniatures.files import stored_gzip
from stages.miniatures.flowers102 import write as write_flowers102
from stages.miniatures.imagenet import write as write_imagenet
from stages.miniatures.indoor67 import write as write_indoor67
from stages.miniatures.scene15 import write as write_scene15
from stages.miniatures.world import PATTERNS, SHAPES

SIZE = {"width": 64, "height": 48}
READERS: dict[str, Callable[[Path], ClassifiedSet]] = {
    "scene15": lambda folder: divided(scene15.read(folder), 20, 0),
    "indoor67": indoor67.read,
    "flowers102": flowers102.read,
    "cub200": cub200.read,
}


def write(folder: Path, seed: int = 0, few: int = 1) -> Path:
    """All five; `few` divides the numbers of images."""
    write_imagenet(folder / "imagenet", classes=5, train=22 // few, val=13 // few, **SIZE, seed=seed)
    write_scene15(folder / "scene15", classes=6, images=32 // few, **SIZE, seed=seed)
    write_indoor67(folder / "indoor67", classes=6, train=30 // few, test=12 // few, **SIZE, seed=seed)
    write_flowers102(folder / "flowers102", classes=6, train=10 // few, val=10 // few, test=12 // few, **SIZE, seed=seed)
    write_cub200(folder / "cub200", classes=6, train=20 // few, test=12 // few, **SIZE, seed=seed)
    return folder


@pytest.fixture(scope="module")
def minis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("minis"))


# ImageNet


def test_imagenet_read_back(minis: Path) -> None:
    assert [synset.words for synset in imagenet.read_classes(minis / "imagenet")] == list(SHAPES[:5])
    wnids = [synset.wnid for synset in imagenet.read_classes(minis / "imagenet")]
    assert wnids == ["n00000002", "n00000003", "n00000004", "n00000006", "n00000007"]
    train, val = list(imagenet.train_pictures(minis / "imagenet")), list(imagenet.val_pictures(minis / "imagenet"))
    assert Counter(picture.label for picture in train) == {0: 5, 1: 5, 2: 4, 3: 4, 4: 4}
    assert Counter(picture.label for picture in val) == {0: 3, 1: 3, 2: 3, 3: 2, 4: 2}
    assert [picture.label for picture in val] != sorted(picture.label for picture in val)
    assert all(wnids[picture.label] == picture.name.split("/")[0] for picture in train)
    sizes = [Image.open(io.BytesIO(picture.content)).size for picture in train + val]
    assert len({width / height for width, height in sizes}) > 10
    assert all(0.85 * 64 - 1 <= width <= 1.15 * 64 + 1 and 0.85 * 48 - 1 <= height <= 1.15 * 48 + 1 for width, height in sizes)
    assert len({picture.content for picture in train + val}) == 35


def test_torchvision_reads_the_same_imagenet(minis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = import_torchvision().datasets
    names = {"train": imagenet.TRAIN, "val": imagenet.VAL, "devkit": imagenet.DEVKIT}
    sums = {part: (name, hashlib.md5((minis / "imagenet" / name).read_bytes()).hexdigest()) for part, name in names.items()}
    monkeypatch.setattr(datasets.imagenet, "ARCHIVE_META", sums)
    for name in names.values():
        (tmp_path / name).symlink_to(minis / "imagenet" / name)
    for part, ours in (("train", imagenet.train_pictures), ("val", imagenet.val_pictures)):
        theirs = datasets.ImageNet(tmp_path, part)
        assert theirs.wnids == [synset.wnid for synset in imagenet.read_classes(tmp_path)]
        expected = {Path(file).name: (label, Path(file).read_bytes()) for file, label in theirs.imgs}
        assert {picture.name.split("/")[-1]: (picture.label, picture.content) for picture in ours(tmp_path)} == expected


@pytest.mark.parametrize("classes", range(2, 11))
def test_numbers_are_not_the_order_of_the_ids(classes: int) -> None:
    numbers = mini_imagenet._numbers(classes)
    assert sorted(numbers) == list(range(1, classes + 1))
    assert numbers != sorted(numbers)


def test_stored_gzip() -> None:
    for length in (1, 65_535, 65_536, 200_000):
        content = np.random.default_rng(length).bytes(length)
        assert gzip.decompress(stored_gzip(content)) == content


# The sets of recognition


def test_sets_read_back(minis: Path) -> None:
    found = {name: read(minis / name) for name, read in READERS.items()}
    assert {name: (len(each.classes), len(each.train.images), len(each.test.images)) for name, each in found.items()} == {
        "scene15": (6, 6 * 20, 6 * 12),
        "indoor67": (6, 6 * 30, 6 * 12),
        "flowers102": (6, 6 * 20, 6 * 12),
        "cub200": (6, 6 * 20, 6 * 12),
    }
    for name, each in found.items():
        for part in (each.train, each.test):
            assert len(set(Counter(part.labels).values())) == 1, name
        files = [*each.train.images, *each.test.images]
        assert len({file.read_bytes() for file in files}) == len(set(files)) == len(list((minis / name).rglob("*.jpg")))
    assert found["scene15"].classes == ["CALsuburb", "MITcoast", "bedroom", "industrial", "kitchen", "livingroom"]
    assert {Image.open(file).mode for file in found["scene15"].train.images} == {"L"}
    assert {Image.open(file).mode for file in found["cub200"].train.images} == {"RGB"}


def test_torchvision_reads_the_same_flowers(minis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = import_torchvision().datasets
    monkeypatch.setattr(datasets.Flowers102, "_check_integrity", lambda self: True)
    (tmp_path / "flowers-102").symlink_to(minis / "flowers102")
    train, val, test = (datasets.Flowers102(str(tmp_path), part) for part in ("train", "val", "test"))
    found = flowers102.read(minis / "flowers102")
    for ours, theirs in ((found.train, [train, val]), (found.test, [test])):
        expected = {file.name: label for each in theirs for file, label in zip(each._image_files, each._labels, strict=True)}
        assert {file.name: label for file, label in zip(ours.images, ours.labels, strict=True)} == expected


def pixels(part: Labelled) -> np.ndarray:
    """A picture at 8 x 8 pixels, (N, 192)."""
    return (
        np.stack([np.asarray(Image.open(file).convert("RGB").resize((8, 8), Image.Resampling.BOX)).ravel() for file in part.images]) / 255
    )


@pytest.mark.parametrize("name", READERS)
def test_classes_can_be_told_but_not_by_a_few_pixels_alone(minis: Path, name: str) -> None:
    found = READERS[name](minis / name)
    model = LogisticRegression(C=0.1, max_iter=500).fit(pixels(found.train), found.train.labels)
    right = np.mean(model.predict(pixels(found.test)) == found.test.labels)
    assert 1.5 / 6 < right < 0.95  # chance is 1 of 6


def test_no_two_classes_are_the_same() -> None:
    assert (len(set(mini_scenes.SCENES)), len(set(mini_indoor.ROOMS))) == (15, 67)
    kinds = [mini_indoor._TOGETHER[mini_indoor._STRIDE * label % len(mini_indoor._TOGETHER)] for label in range(67)]
    assert len(set(kinds)) == 67
    assert {len(each) for each in kinds} == {2, 3}
    assert len({mini_cub200._bird_kind(label) for label in range(mini_cub200.BIRDS)}) == 200
    assert len({(label % len(PATTERNS), 3 * label % mini_flowers._HUES) for label in range(mini_flowers.FLOWERS)}) == 102


# The same bytes, and what cannot be


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}


RECORDED = {
    "imagenet/ILSVRC2012_devkit_t12.tar.gz": "99270907ea663133",
    "imagenet/ILSVRC2012_img_train.tar": "ba8eaf987fd90622",
    "imagenet/ILSVRC2012_img_val.tar": "1d99ea6d7018729b",
    "scene15/scene_categories/kitchen/image_0003.jpg": "aec321c81fa4f5fb",
    "indoor67/Images/bar/bar_0002.jpg": "86f80e005052bbf8",
    "indoor67/TrainImages.txt": "047cf2d0f9ee76a4",
    "flowers102/jpg/image_00007.jpg": "9c8ad99d2ed169dd",
    "flowers102/setid.mat": "5e5289d9dbb58cab",
    "cub200/CUB_200_2011/images/001.Bricked_Bird_00/Bricked_Bird_00_0001.jpg": "013b98f9fe970c30",
}


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    found = digests(write(tmp_path / "one", few=2))
    np.random.seed(5)  # noqa: NPY002  global state must not matter
    assert digests(write(tmp_path / "two", few=2)) == found
    # Recorded: what dvc.lock holds depends on it, so a change of the world or of a library must not go unseen.
    assert {name: found[name] for name in RECORDED} == RECORDED
    other = digests(write(tmp_path / "three", seed=1, few=2))
    same = {name for name in found.keys() & other.keys() if found[name] == other[name]}
    assert {name for name in same if not name.endswith((".txt", ".mat"))} == set()


def test_a_picture_does_not_depend_on_how_many_there_are(minis: Path, tmp_path: Path) -> None:
    write(tmp_path, few=2)
    for name in ("scene15/**/*.jpg", "indoor67/**/*.jpg", "cub200/**/*.jpg"):
        few, many = digests(tmp_path / name.split("/")[0]), digests(minis / name.split("/")[0])
        assert {file: few[file] for file in few if file.endswith(".jpg")}.items() <= many.items()
    few, many = ({picture.name: picture.content for picture in imagenet.train_pictures(place / "imagenet")} for place in (tmp_path, minis))
    assert few.items() <= many.items()


def test_what_cannot_be(tmp_path: Path) -> None:
    writers = {
        "ImageNet": (write_imagenet, {"classes": 2, "train": 4, "val": 2}, 10),
        "Scene-15": (write_scene15, {"classes": 2, "images": 1}, 15),
        "MIT Indoor": (write_indoor67, {"classes": 2, "train": 1, "test": 1}, 67),
        "Flowers": (write_flowers102, {"classes": 2, "train": 1, "val": 1, "test": 1}, 102),
        "CUB-200": (write_cub200, {"classes": 2, "train": 1, "test": 1}, 200),
    }
    for title, (writer, counts, most) in writers.items():
        wrongs = itertools.chain(({name: 0} for name in counts), [{"classes": most + 1}, {"width": 47}, {"height": 0}])
        says = rf"a miniature {title} of .* pixels cannot be: .* 1 or more, classes at most {most}, each side 48 or more"
        for wrong in wrongs:
            with pytest.raises(UserError, match=says):
                writer(tmp_path / title, **{**counts, **SIZE, **wrong}, seed=0)
    with pytest.raises(UserError, match="a miniature ImageNet of 3 classes cannot be of 4 train and 2 val: each class has to be in both"):
        write_imagenet(tmp_path / "imagenet", classes=3, train=4, val=2, **SIZE, seed=0)
    assert not list(tmp_path.iterdir())
