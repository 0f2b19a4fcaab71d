"""VOC 2012 with SBD: the reader against files written by hand in the official layouts, and against the miniature."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from stages.core import runtime
from stages.core.errors import UserError
from stages.datasets import voc2012
from stages.datasets.voc2012 import CLASSES, IGNORE, SBD, VOC, read_labels, read_pair, train_examples, val_examples
from stages.miniatures.vgg16_imagenet import write as write_vgg16_imagenet
from stages.miniatures.voc2012 import write as write_voc2012

LABELS = np.array([[0, 20, 255], [15, 0, 1]], np.uint8)
SMALL = {"train": 12, "val": 12, "extra": 6, "width": 64, "height": 56}


def save_labels(file: Path, labels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels)
    picture.putpalette(voc2012.palette().ravel().tolist())
    picture.save(file)


def save_image(file: Path, shape: tuple[int, int] = (2, 3)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*shape, 3), 9, np.uint8)).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """VOC trains on a, b and is tested on c, d; SBD trains on b, d and e."""
    lists = {VOC: ("ImageSets/Segmentation/train.txt", "b a"), SBD: ("train.txt", "e b d")}
    for base, (name, names) in {**lists, f"{VOC}/": ("ImageSets/Segmentation/val.txt", "d c")}.items():
        (tmp_path / base / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / base / name).write_text(names.replace(" ", "\n") + "\n")
    for name in "abcd":
        save_image(tmp_path / VOC / f"JPEGImages/{name}.jpg")
        save_labels(tmp_path / VOC / f"SegmentationClass/{name}.png", LABELS)
    (tmp_path / SBD / "cls").mkdir()
    for name in "bde":
        save_image(tmp_path / SBD / f"img/{name}.jpg")
        savemat(tmp_path / SBD / f"cls/{name}.mat", {"GTcls": {"Segmentation": np.minimum(LABELS, 20), "CategoriesPresent": [1, 15]}})
    return tmp_path


def test_sbd_adds_images_and_vocs_own_maps_come_first(folder: Path) -> None:
    found = {example.name: example.labels.relative_to(folder).as_posix() for example in train_examples(folder)}
    assert list(found) == ["a", "b", "d", "e"]
    assert {name: file.split("/")[0] for name, file in found.items()} == {
        **dict.fromkeys("abd", "VOCdevkit"), "e": "benchmark_RELEASE",
    }  # fmt: skip
    assert [example.name for example in val_examples(folder)] == ["c"]  # d is among SBD's training images


def test_both_kinds_of_maps(folder: Path) -> None:
    examples = {example.name: example for example in train_examples(folder)}
    assert read_labels(examples["a"].labels).tolist() == LABELS.tolist()
    image, labels = read_pair(examples["e"])
    assert (labels.dtype, labels.tolist()) == (np.uint8, np.minimum(LABELS, 20).tolist())
    assert (image.dtype, image.shape) == (np.uint8, (2, 3, 3))
    Image.fromarray(LABELS).save(folder / "grey.png")  # as the labels of predictions are
    assert read_labels(folder / "grey.png").tolist() == LABELS.tolist()


def test_the_palette_is_vocs() -> None:
    # As the development kit lists them: aeroplane, bicycle, person, tvmonitor, void.
    colours = voc2012.palette()
    expected = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {value: tuple(colours[value].tolist()) for value in expected} == expected


@pytest.mark.parametrize("name", [f"{VOC}/JPEGImages/a.jpg", f"{VOC}/SegmentationClass/b.png", f"{SBD}/img/e.jpg", f"{SBD}/cls/e.mat"])
def test_what_a_list_names_and_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=rf"{name}, of an image that the lists of VOC or SBD name, is missing: download the data set again"):
        train_examples(folder)


def test_bad_lists(folder: Path) -> None:
    split = folder / SBD / "train.txt"
    split.write_text("c d\n")
    with pytest.raises(UserError, match=r"dataset/train\.txt lists all images of .*val\.txt"):
        val_examples(folder)
    split.write_text("\n")
    with pytest.raises(UserError, match=r"train\.txt lists no image: download the data set again"):
        train_examples(folder)
    split.unlink()
    with pytest.raises(UserError, match=r"train\.txt is missing or damaged \(FileNotFoundError\)"):
        val_examples(folder)


def test_classes_that_there_are_not(folder: Path) -> None:
    save_labels(folder / "bad.png", np.array([[0, 21], [20, 255]], np.uint8))
    with pytest.raises(UserError, match=r"bad\.png has the class 21: VOC's are 0 to 20, and 255 where there is none"):
        read_labels(folder / "bad.png")
    for value in (21, 300, -1):
        savemat(folder / "bad.mat", {"GTcls": {"Segmentation": np.array([[0, value]], np.int16)}})
        with pytest.raises(UserError, match=rf"bad\.mat has the class {value}: VOC's are 0 to 20"):
            read_labels(folder / "bad.mat")


def test_an_image_and_labels_of_two_sizes(folder: Path) -> None:
    save_image(folder / VOC / "JPEGImages/a.jpg", (3, 2))
    with pytest.raises(UserError, match=r"a\.png is of 3 x 2 pixels and .*a\.jpg of 2 x 3: download the data set again"):
        read_pair(train_examples(folder)[0])


def test_damaged_files(folder: Path) -> None:
    whole = (folder / VOC / "SegmentationClass/a.png").read_bytes()
    for content in (b"", whole[:40], whole[:-20] + b"x" * 20):
        (folder / "cut.png").write_bytes(content)
        with pytest.raises(UserError, match=r"cut\.png cannot be read: .*: download the data set again"):
            read_labels(folder / "cut.png")
    save_image(folder / "colours.png")
    with pytest.raises(UserError, match=r"colours\.png is a picture of mode RGB: a label map has a palette, or is grey"):
        read_labels(folder / "colours.png")
    (folder / "cut.mat").write_bytes((folder / SBD / "cls/e.mat").read_bytes()[:150])
    with pytest.raises(UserError, match=r"cut\.mat"):
        read_labels(folder / "cut.mat")
    for content, message in (
        ({"GTinst": 1}, "has no variable GTcls"),
        ({"GTcls": 1}, "GTcls is no structure with a Segmentation"),
        ({"GTcls": {"Boundaries": 1}}, "GTcls is no structure with a Segmentation"),
        ({"GTcls": {"Segmentation": np.zeros((2, 2)) + 0.5}}, "Segmentation in GTcls is no matrix of integers"),
        ({"GTcls": {"Segmentation": np.zeros((0, 0), np.uint8)}}, "Segmentation in GTcls is no matrix of integers"),
    ):
        savemat(folder / "other.mat", content)
        with pytest.raises(UserError, match=rf"other\.mat.*{message}"):
            read_labels(folder / "other.mat")


# The miniature


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    write_voc2012(folder, **SMALL, seed=0)
    return folder


def test_the_miniature_has_all_that_the_official_sets_have(mini: Path) -> None:
    training, validation = train_examples(mini), val_examples(mini)
    shared = 6  # half as many as the validation set has are in VOC's, and SBD trains on them
    assert (len(training), len(validation)) == (12 + shared + 6, 12)
    assert sum(example.labels.suffix == ".mat" for example in training) == 6
    assert not {example.name for example in training} & {example.name for example in validation}
    assert len((mini / VOC / "ImageSets/Segmentation/val.txt").read_text().split()) == 12 + shared
    sizes = set()
    for examples in (training, validation):
        seen: set[int] = set()
        for example in examples:
            labels = read_pair(example)[1]
            height, width = labels.shape
            assert max(height / 56, width / 64) == 1
            sizes.add(height > width)
            present = set(np.unique(labels).tolist())
            assert 1 <= len(present - {0, IGNORE}) <= 3
            assert (IGNORE in present) == (example.labels.suffix == ".png")  # SBD leaves no contour out
            seen |= present
        assert seen >= set(range(len(CLASSES)))
    assert sizes == {True, False}


def test_where_both_have_a_map_they_agree_but_for_the_contour(mini: Path) -> None:
    both = [file for file in (mini / SBD / "cls").iterdir() if (mini / VOC / f"SegmentationClass/{file.stem}.png").exists()]
    assert len(both) == 6 + 6
    for file in both:
        theirs, own = read_labels(file), read_labels(mini / VOC / f"SegmentationClass/{file.stem}.png")
        assert np.array_equal(own[own != IGNORE], theirs[own != IGNORE])
        assert 0.01 < np.mean(own == IGNORE) < 0.25


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}


def test_same_seed_same_bytes(mini: Path, tmp_path: Path) -> None:
    write_voc2012(tmp_path / "again", **SMALL, seed=0)
    write_voc2012(tmp_path / "more", **SMALL | {"train": 14, "extra": 7}, seed=0)
    write_voc2012(tmp_path / "other", **SMALL, seed=1)
    found = digests(mini)
    assert digests(tmp_path / "again") == found
    pictures = {name: value for name, value in found.items() if not name.endswith(".txt")}
    assert pictures.items() <= digests(tmp_path / "more").items()  # a picture does not depend on how many there are
    other = digests(tmp_path / "other")
    assert not {name for name in pictures if other[name] == found[name]}
    # Recorded: what dvc.lock holds depends on it, so a change of the world or of a library must not go unseen.
    assert {name: found[name] for name in RECORDED} == RECORDED


RECORDED = {
    "VOCdevkit/VOC2012/JPEGImages/2007_000002.jpg": "ad15e77444de2f2e",
    "VOCdevkit/VOC2012/SegmentationClass/2008_000003.png": "3fb33131aa25ebd4",
    "benchmark_RELEASE/dataset/cls/2010_000004.mat": "b5e6d46a99140887",
    "benchmark_RELEASE/dataset/train.txt": "6aa292d4710d4ce4",
}


def test_a_whole_vgg_16(tmp_path: Path) -> None:
    write_vgg16_imagenet(tmp_path, widths=[3, 4, 5, 6, 7], fc=12, seed=0)
    state = runtime.load(tmp_path / "vgg16.pth")
    expected = {"features.0.weight": (3, 3, 3, 3), "features.28.weight": (7, 7, 3, 3), "features.17.bias": (6,),
                "classifier.0.weight": (12, 7 * 49), "classifier.3.weight": (12, 12), "classifier.6.bias": (10,)}  # fmt: skip
    assert {name: tuple(state[name].shape) for name in expected} == expected
    assert len(state) == 2 * (13 + 3)
    assert all(values.dtype == torch.float32 for values in state.values())


@pytest.mark.parametrize("wrong", [{"train": 0}, {"val": 0}, {"extra": 0}, {"width": 47}, {"height": 8}])
def test_what_cannot_be(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"a miniature VOC 2012 of .* cannot be: each count has to be 1 or more, each side 48 or more"):
        write_voc2012(tmp_path, **SMALL | wrong, seed=0)
