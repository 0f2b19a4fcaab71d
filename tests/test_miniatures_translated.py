"""The miniatures of Section 8.1: their layouts, that all classes occur, and that photos keep the order of brightness of label maps."""

import colorsys
import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from stages.core.errors import UserError
from stages.datasets import cityscapes, facades, own_domains, sbir_chairs, sbir_shoes
from stages.datasets.translated import IGNORE, nearest
from stages.miniatures import boxes
from stages.miniatures import own_domains as mini_own
from stages.miniatures.cityscapes import write as write_cityscapes
from stages.miniatures.facades import write as write_facades
from stages.miniatures.sbir_chairs import SHAPES as CHAIRS
from stages.miniatures.sbir_chairs import write as write_chairs
from stages.miniatures.sbir_shoes import SHAPES as SHOES
from stages.miniatures.sbir_shoes import write as write_shoes

READERS = {"facades": facades, "cityscapes": cityscapes, "sbir_chairs": sbir_chairs, "sbir_shoes": sbir_shoes, "own_domains": own_domains}
SCORED = {"facades": facades, "cityscapes": cityscapes}
OWN = {"train_a": 2, "train_b": 3, "test_a": 2, "test_b": 2}


def write(folder: Path, seed: int = 0) -> Path:
    write_facades(folder / "facades", train=12, val=2, test=6, size=96, seed=seed)
    write_cityscapes(folder / "cityscapes", train=12, val=8, width=144, height=72, seed=seed)
    write_chairs(folder / "sbir_chairs", train=5, test=2, size=64, seed=seed)
    write_shoes(folder / "sbir_shoes", train=5, test=2, size=64, seed=seed)
    mini_own.write(folder / "own_domains", **OWN, size=48, seed=seed)
    return folder


@pytest.fixture(scope="module")
def minis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("minis"))


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}


def test_the_same_seed_is_the_same_bytes_and_no_picture_is_there_twice(minis: Path, tmp_path: Path) -> None:
    ours = contents(minis)
    assert contents(write(tmp_path / "again")) == ours
    photos = {name: digest for name, digest in ours.items() if "gtFine" not in name}
    assert len(set(photos.values())) == len(photos) == 20 + 20 + 2 * 14 + 9
    other = contents(write(tmp_path / "other", seed=1))
    assert not {other[name] for name in photos} & set(photos.values())


@pytest.mark.parametrize(
    ("name", "train", "test"), [("facades", 12, 8), ("cityscapes", 12, 8), ("sbir_chairs", 5, 2), ("sbir_shoes", 5, 2)]
)
def test_the_readers_read_them(minis: Path, name: str, train: int, test: int) -> None:
    for part, count in (("train", train), ("test", test)):
        pairs = READERS[name].pairs(minis / name, part)
        assert len(pairs) == len({pair.name for pair in pairs}) == count
        for pair in pairs:
            a, b = READERS[name].read(pair)
            assert a is not None
            assert b is not None
            assert a.shape == b.shape


def test_own_domains_are_not_paired(minis: Path) -> None:
    pairs = own_domains.pairs(minis / "own_domains", "train")
    assert [(pair.a is None) for pair in pairs] == [False, False, True, True, True]
    day, night = (np.mean([image.mean() for pair in pairs if (image := own_domains.read(pair)[domain]) is not None]) for domain in (0, 1))
    assert night < 0.6 * day


@pytest.mark.parametrize("name", SCORED)
def test_all_classes_occur_in_both_parts_and_few_pixels_have_none(minis: Path, name: str) -> None:
    for part in ("train", "test"):
        labels = np.stack([SCORED[name].read_labels(pair) for pair in SCORED[name].pairs(minis / name, part)])
        assert set(np.unique(labels)) == {*range(len(SCORED[name].CLASSES)), IGNORE}
        assert 0.01 < np.mean(labels == IGNORE) < 0.25


@pytest.mark.parametrize("name", SCORED)
def test_photos_keep_the_order_of_brightness_and_not_the_colours(minis: Path, name: str) -> None:
    reader = SCORED[name]
    painted = np.array(boxes.photo_colours(reader.PALETTE))
    assert boxes.luminance(painted).argsort().tolist() == boxes.luminance(reader.PALETTE).argsort(kind="stable").tolist()
    assert painted.min() >= 0
    assert painted.max() <= 1
    photos, labels = [], []
    for pair in reader.pairs(minis / name, "train"):
        photos.append(reader.read(pair)[1])
        labels.append(reader.read_labels(pair))
    pixels, classes = np.concatenate([photo.reshape(-1, 3) for photo in photos]), np.concatenate([own.ravel() for own in labels])
    means = [boxes.luminance(pixels[classes == label]).mean() for label in range(len(reader.CLASSES))]
    assert spearmanr(means, boxes.luminance(reader.PALETTE)).statistic > 0.95
    # The photo itself is no label map: what stands above it is learnt.
    known = classes != IGNORE
    assert np.mean(nearest(pixels, reader.PALETTE)[known] == classes[known]) < 0.3


def test_walls_differ_from_house_to_house(minis: Path) -> None:
    hues = []
    for pair in facades.pairs(minis / "facades", "train"):
        wall = facades.read(pair)[1][facades.read_labels(pair) == facades.CLASSES.index("facade")].mean(0) / 255
        hues.append(colorsys.rgb_to_hsv(*wall)[0])
    assert np.ptp(hues) > 0.5


def test_hued_has_the_luminance_that_is_asked_for() -> None:
    for grey, hue in ((0.1, 0.0), (0.5, 0.3), (0.9, 0.65)):
        colour = boxes.hued(grey, hue)
        assert boxes.luminance(np.array(colour)) == pytest.approx(grey)
        assert max(colour) <= 1
        assert min(colour) >= -1e-12
        assert colorsys.rgb_to_hsv(*colour)[0] == pytest.approx(hue, abs=1e-6)


def test_sketches_are_thin_dark_lines_where_the_photo_has_an_edge(minis: Path) -> None:
    assert not set(CHAIRS) & set(SHOES)
    for name in ("sbir_chairs", "sbir_shoes"):
        for pair in READERS[name].pairs(minis / name, "train"):
            sketch, photo = READERS[name].read(pair)
            ink = sketch[..., 0] < 128
            assert 0.02 < ink.mean() < 0.2
            thing = photo.min(-1) < 200
            rows, columns = np.nonzero(ink)
            for axis, places in ((1, rows), (0, columns)):
                inside = np.nonzero(thing.any(axis))[0]
                assert abs(places.min() - inside.min()) <= 3
                assert abs(places.max() - inside.max()) <= 3


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(UserError, match="CMP Facades of 1 train, 0 val, 1 test and 96 x 96 pixels cannot be"):
        write_facades(Path("nowhere"), train=1, val=0, test=1, size=96, seed=0)
    with pytest.raises(UserError, match="each side 48 or more"):
        write_cityscapes(Path("nowhere"), train=1, val=1, width=64, height=32, seed=0)
