"""Readers of two domains of pictures, against files written by hand in the official layouts; and what is wrong with a folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.datasets import cityscapes, facades, own_domains, sbir, sbir_chairs, sbir_shoes
from stages.datasets.translated import IGNORE, Pair, coloured, nearest, squared_distances


def save(file: Path, pixels: np.ndarray, **how: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **how)
    return file


def grey(height: int, width: int, value: int = 9) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def message(function: object, *arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        function(*arguments)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Colours


def test_nearest_colours_by_hand_and_by_brute_force() -> None:
    palette = np.array([[0, 0, 0], [255, 255, 255], [10, 0, 0]], np.uint8)
    pixels = np.array([[[5, 0, 0], [6, 0, 0], [255, 250, 128]]], np.uint8)
    assert squared_distances(pixels, palette)[0, :2, [0, 2]].tolist() == [[25, 36], [25, 16]]
    assert nearest(pixels, palette).tolist() == [[0, 2, 1]]  # as near to the first as to the last: the first
    rng = np.random.default_rng(0)
    pixels, palette = rng.integers(0, 256, (7, 5, 3), np.uint8), rng.integers(0, 256, (4, 3), np.uint8)
    distances = squared_distances(pixels, palette)
    for row, column, label in np.ndindex(7, 5, 4):
        assert distances[row, column, label] == sum(
            (int(a) - int(b)) ** 2 for a, b in zip(pixels[row, column], palette[label], strict=True)
        )


def test_a_map_of_labels_and_its_colours_are_the_same_but_for_what_has_no_class() -> None:
    labels = np.arange(19, dtype=np.uint8).reshape(1, 19)
    assert nearest(coloured(labels, cityscapes.PALETTE), cityscapes.PALETTE).tolist() == labels.tolist()
    assert coloured(np.array([[IGNORE]], np.uint8), cityscapes.PALETTE).tolist() == [[[0, 0, 0]]]


# Facades


def painted(side: int = 96) -> np.ndarray:
    """Twelve rectangles, one of each class."""
    labels = np.zeros((side, side), np.uint8)
    for label in range(12):
        top, left = label // 4 * side // 3, label % 4 * side // 4
        labels[top : top + side // 3, left : left + side // 4] = label
    return labels


@pytest.mark.parametrize("how", [{"quality": 85}, {"quality": 85, "subsampling": 0}])
def test_what_jpeg_makes_of_twelve_colours_decodes_to_what_was_painted(tmp_path: Path, how: dict) -> None:
    labels = painted()
    file = save(tmp_path / "facades/train/1.jpg", np.hstack([grey(96, 96), coloured(labels, facades.PALETTE)]), **how)
    decoded = facades.read_labels(Pair("1", file, file))
    edges = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for step in (-3, -2, -1, 1, 2, 3):
            edges |= np.roll(labels, step, axis) != labels
    assert np.array_equal(decoded[~edges], labels[~edges])
    assert np.mean(decoded[edges] == IGNORE) < 0.8  # not all of an edge is lost


def test_a_class_is_what_most_pixels_around_vote_for_and_far_colours_are_of_none() -> None:
    colours = np.broadcast_to(facades.PALETTE[1], (9, 9, 3)).copy()
    colours[4, 4] = facades.PALETTE[2]  # alone, and 80 from what surrounds it: not further
    colours[0, 0] = (0, 47, 90)  # 165 from that
    expected = np.full((9, 9), 1, np.uint8)
    expected[0, 0] = IGNORE
    assert facades.decoded(colours).tolist() == expected.tolist()
    colours[4, 4] = (0, 129, 255)
    assert facades.decoded(colours)[4, 4] == IGNORE


def test_a_tie_is_the_first_classs() -> None:
    stripes = facades.PALETTE[[1, 1, 2, 2]][None].repeat(4, 0)  # both in the middle see all four columns, two of either
    assert facades.decoded(stripes).tolist() == [[1, 1, 1, 2]] * 4
    assert facades.decoded(facades.PALETTE[[2, 1]][None]).tolist() == [[1, 1]]


def test_facades_test_on_val_and_then_test_by_number(tmp_path: Path) -> None:
    both = np.hstack([grey(16, 16, 200), coloured(np.full((16, 16), 3, np.uint8), facades.PALETTE)])
    for name in ("train/10", "train/9", "val/1", "test/2", "test/1"):
        save(tmp_path / f"facades/{name}.jpg", both, quality=95)
    assert [pair.name for pair in facades.pairs(tmp_path, "train")] == ["train/9", "train/10"]
    pairs = facades.pairs(tmp_path, "test")
    assert [pair.name for pair in pairs] == ["val/1", "test/1", "test/2"]
    label, photo = facades.read(pairs[0])
    assert label.shape == photo.shape == (16, 16, 3)
    assert (np.abs(photo[:, :12].astype(int) - 200).max() < 4, facades.read_labels(pairs[0]).tolist()) == (True, [[3] * 16] * 16)


def test_facades_of_another_size_or_with_other_colours(tmp_path: Path) -> None:
    file = save(tmp_path / "1.jpg", grey(256, 500))
    assert message(facades.read, Pair("1", file, file)).startswith(
        f"{file} is of 500 x 256 pixels: a photo beside its label map is 512 x 256"
    )
    file = save(tmp_path / "2.jpg", np.hstack([grey(8, 8), grey(8, 8, 255)]), quality=95)
    says = message(facades.read_labels, Pair("2", file, file))
    assert says.startswith(
        f"{file}: 100% of its label map is more than 80 from the colours of CMP's twelve classes, and at most 50% may be"
    )
    assert message(facades.pairs, tmp_path, "test").startswith(
        f"{tmp_path}/facades has no pictures, so the data set is not in its official"
    )


# Cityscapes


@pytest.fixture
def street(tmp_path: Path) -> Path:
    ids = np.array([[7, 8, 11, 33], [0, 4, 26, 255]], np.uint8)
    for part, city in (("train", "ulm"), ("train", "aachen"), ("val", "lindau")):
        save(tmp_path / f"gtFine/{part}/{city}/{city}_000000_000019_gtFine_labelIds.png", ids)
        save(tmp_path / f"gtFine/{part}/{city}/{city}_000000_000019_gtFine_color.png", grey(2, 4))  # as there are others
        save(tmp_path / f"leftImg8bit/{part}/{city}/{city}_000000_000019_leftImg8bit.png", grey(2, 4))
    return tmp_path


def test_cityscapes_classes_are_those_of_training(street: Path) -> None:
    assert len(set(cityscapes.CLASSES)) == len(set(cityscapes.IDS)) == len(np.unique(cityscapes.PALETTE, axis=0)) == 19
    train, (val,) = cityscapes.pairs(street, "train"), cityscapes.pairs(street, "test")
    assert [pair.name for pair in train] == ["aachen/aachen_000000_000019", "ulm/ulm_000000_000019"]
    assert cityscapes.read_labels(val).tolist() == [[0, 1, 2, 18], [255, 255, 13, 255]]
    a, b = cityscapes.read(val)
    assert a[:, :2].tolist() == [[[128, 64, 128], [244, 35, 232]], [[0, 0, 0], [0, 0, 0]]]
    assert (b.shape, b.max()) == ((2, 4, 3), 9)


def test_cityscapes_files_that_are_missing_or_wrong(street: Path) -> None:
    labels = street / "gtFine/train/ulm/ulm_000000_000019_gtFine_labelIds.png"
    photo = street / "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png"
    (pair,) = [pair for pair in cityscapes.pairs(street, "train") if pair.name.startswith("ulm")]
    save(labels, np.full((2, 4), 40, np.uint8))
    assert message(cityscapes.read, pair) == f"{labels} has the id 40: Cityscapes' are 0 to 33, so is it a map of labelIds?"
    save(labels, grey(2, 4))
    assert message(cityscapes.read, pair) == f"{labels} is a picture of mode RGB: a map of label ids is grey, of 8 bits"
    save(labels, np.full((2, 3), 7, np.uint8))
    assert message(cityscapes.read, pair).startswith(f"{labels} is of 3 x 2 pixels and {photo} of 4 x 2")
    labels.unlink()
    assert message(cityscapes.pairs, street, "train").startswith(f"{labels}, the label map to {photo.name}, is missing")
    save(labels, np.full((2, 4), 7, np.uint8))
    photo.unlink()
    assert message(cityscapes.pairs, street, "train").startswith(f"{photo}, the photo to {labels.name}, is missing")
    assert message(cityscapes.pairs, street / "gtFine", "test").startswith(f"{street}/gtFine/leftImg8bit/val has no pictures")


# Sketches, and domains of one's own


def test_sketches_and_photos_are_paired_by_name(tmp_path: Path) -> None:
    root = tmp_path / sbir.ROOT / "shoes/train"
    for name in "ba":
        save(root / f"images/{name}.jpg", grey(6, 5, 100))
        see_through = np.zeros((4, 4, 4), np.uint8)
        see_through[0, 0] = (0, 0, 0, 255)
        save(root / f"sketches/{name}.png", see_through)
    first, second = sbir_shoes.pairs(tmp_path, "train")
    assert (first.name, second.name) == ("a", "b")
    sketch, photo = sbir_shoes.read(first)
    assert (sketch[0, 0].tolist(), sketch[3, 3].tolist(), photo.shape) == ([0, 0, 0], [255, 255, 255], (6, 5, 3))
    save(root / "images/c.png", grey(6, 5))
    assert message(sbir_shoes.pairs, tmp_path, "train").startswith(f"{root}/sketches/c.*, the sketch to c.png, is missing")
    (root / "images/c.png").rename(root / "images/a.png")
    assert message(sbir_shoes.pairs, tmp_path, "train").startswith(f"{root}/images/a.png and a.jpg are of one name")
    (root / "images/a.png").unlink()
    (root / "images/b.jpg").unlink()
    assert message(sbir_shoes.pairs, tmp_path, "train").startswith(f"{root}/images/b.*, the photo to b.png, is missing")
    chairs = tmp_path / sbir.ROOT / "chairs/test/sketches"
    assert message(sbir_chairs.pairs, tmp_path, "test") == f"{chairs} is no folder: name one with pictures"


def test_domains_of_ones_own_need_not_be_as_large_nor_named_alike(tmp_path: Path) -> None:
    for name in ("trainA/x.png", "trainA/more/y.bmp", "trainB/1.png", "trainB/2.png", "trainB/3.png"):
        save(tmp_path / name, grey(4, 6))
    pairs = own_domains.pairs(tmp_path, "train")
    assert [(pair.name, pair.a is None, pair.b is None) for pair in pairs] == [
        ("more/y.bmp", False, True), ("x.png", False, True), *((f"{number}.png", True, False) for number in (1, 2, 3)),
    ]  # fmt: skip
    (a, nothing), (none, b) = own_domains.read(pairs[0]), own_domains.read(pairs[-1])
    assert nothing is none is None
    assert a is not None
    assert b is not None
    assert a.shape == b.shape == (4, 6, 3)


def test_a_domain_of_one_picture_or_none(tmp_path: Path) -> None:
    for name in ("trainA/1.png", "trainA/2.png", "trainB/1.png"):
        save(tmp_path / name, grey(4, 4))
    assert message(own_domains.pairs, tmp_path, "train").startswith(
        f"{tmp_path}/trainB has one picture, and a domain is learnt of 2 or more"
    )
    (tmp_path / "trainB/1.png").unlink()
    assert message(own_domains.pairs, tmp_path, "train").startswith(f"{tmp_path}/trainB has no pictures")
    assert message(own_domains.pairs, tmp_path, "test") == f"{tmp_path}/testA is no folder: name one with pictures"
