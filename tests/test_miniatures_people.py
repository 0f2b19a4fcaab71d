"""DeepFashion In-shop's miniature of generated figures: its lists, what the reader reads of it, and the true swaps."""

import hashlib
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.datasets import inshop, lip, openpose
from stages.miniatures import deepfashion_inshop as miniature
from stages.miniatures.figures import LEGS, NECK, NOSE
from stages.miniatures.wardrobe import CATEGORIES

COUNTS = {"pairs": 18, "test": 9, "conditions": 3}


def write(folder: Path, **changes: int) -> Path:
    miniature.write(folder, **COUNTS | {"size": 32, "hues": 3, "seed": 0} | changes)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("figures") / "mini")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file)).astype(int)


def fit(photo: inshop.Photo) -> bool:
    """A frontal photo with the head and both legs in it."""
    points = openpose.read(photo.key_points)
    return photo.pose_type == inshop.FRONTAL and bool(points[[NOSE, NECK, *LEGS[0], *LEGS[1]], 2].all())


def test_the_same_seed_is_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    ours = contents(folder)
    assert contents(write(tmp_path / "again")) == ours
    other = contents(write(tmp_path / "other", seed=1))
    photos, others = ([content for name, content in files.items() if name.startswith("Img")] for files in (ours, other))
    assert len({*photos, *others}) == len(photos) + len(others)
    digest = hashlib.sha256()
    for name, content in ours.items():
        if not name.startswith("Img"):  # JPEG's bytes are those of a library; the swaps are drawn as photos are
            digest.update(name.encode() + content)
    assert digest.hexdigest() == "61dc567c913f77643bf0759b53860c70d3ea648c449db9a51613de8f77ffb4d9"


def test_the_counts_are_as_asked(folder: Path) -> None:
    photos = inshop.photos(folder)
    usable = [photo for photo in photos if fit(photo)]
    per_person = Counter(photo.person for photo in usable if photo.part == "train")
    assert set(per_person.values()) == {2, 3}
    assert sum(len(list(combinations(range(many), 2))) for many in per_person.values()) == COUNTS["pairs"]
    assert sum(photo.part == "test" for photo in usable) == COUNTS["test"]
    unfit = [photo for photo in photos if not fit(photo)]
    assert {photo.pose_type for photo in unfit} == {miniature.FRONTAL, miniature.BACK}
    assert 0.1 < len(unfit) / len(photos) < 0.3
    assert {photo.category for photo in usable} == set(CATEGORIES)
    statuses = [line.split()[2] for line in (folder / "Eval/list_eval_partition.txt").read_text().splitlines()[2:]]
    assert set(statuses) == {"train", "query", "gallery"}


@pytest.mark.parametrize(("pairs", "photos"), [(1, [2]), (2, [2, 2]), (3, [2, 2, 2]), (5, [2, 2, 3]), (10, [2, 2, 3, 2, 2, 3])])
def test_pairs_are_of_two_photos_or_of_three(pairs: int, photos: list[int]) -> None:
    assert miniature.persons_of(pairs) == photos


def test_no_person_is_in_both_parts_and_all_of_one_wear_the_same(folder: Path) -> None:
    photos, attributes = inshop.photos(folder), inshop.attributes(folder)
    assert attributes is not None
    assert set(attributes) == {photo.name for photo in photos}
    train, test = ({photo.person for photo in photos if photo.part == part} for part in ("train", "test"))
    assert not train & test
    for photo in photos:
        assert attributes[photo.name] == tuple(int(fact) for fact in reversed(CATEGORIES[photo.category]))


def test_photos_parsing_and_boxes_agree(folder: Path) -> None:
    boxes = dict(line.split(maxsplit=1) for line in (folder / "Anno/list_bbox_inshop.txt").read_text().splitlines()[2:])
    for photo in inshop.photos(folder):
        classes = lip.read(photo.parsing)
        rows, columns = np.nonzero(classes)
        box = [int(number) for number in boxes[f"img/{photo.name}.jpg"].split()[2:]]
        assert box == [columns.min(), rows.min(), columns.max(), rows.max()]
        picture = pixels(photo.image)
        assert picture.shape == (32, 32, 3)
        assert np.median(picture[classes == 0]) > 215  # whitish
        top = np.median(picture[classes == lip.CLASSES.index("upper-clothes")], 0)
        flat = inshop.flat(folder, photo)
        assert flat is not None
        lying = pixels(flat)
        assert np.ptp(top) > 50  # one of three hues, by which its top and the photo agree
        assert np.median(lying[lying.min(-1) < 128], 0).argmax() == top.argmax()


def test_true_swaps_are_of_other_persons_and_keep_the_reference_where_it_wears_nothing(folder: Path) -> None:
    swaps, photos = inshop.true_swaps(folder), {photo.name: photo for photo in inshop.photos(folder)}
    assert swaps is not None
    usable = sorted(name for name, photo in photos.items() if photo.part == "test" and fit(photo))
    assert sorted(reference for reference, _, _ in swaps) == sorted(usable * COUNTS["conditions"])
    assert len(set(swaps)) == len(swaps)
    for reference, condition, file in swaps:
        assert condition in usable
        assert photos[reference].person != photos[condition].person
        swap, own, worn = (pixels(one) for one in (file, photos[reference].image, photos[condition].image))
        classes, others = (lip.read(photos[name].parsing) for name in (reference, condition))
        face = classes == lip.CLASSES.index("face")
        assert np.abs(swap[face] - own[face]).mean() < 12  # JPEG's
        upper = lip.CLASSES.index("upper-clothes")
        tops = [np.median(picture[where == upper], 0).argmax() for picture, where in ((swap, classes), (worn, others))]
        assert tops[0] == tops[1]


def test_a_swap_with_the_same_clothes_is_the_photo(folder: Path) -> None:
    first, other = miniature.test_shots(0, 2, 3, first=0)
    assert (miniature.swapped(first, other).drawn(32)[0] == first.drawn(32)[0]).all()
    stranger = miniature.test_shots(0, 2, 3, first=1)[0]
    assert (miniature.swapped(first, stranger).drawn(32)[0] != first.drawn(32)[0]).any()
    shot = next(shot for shot in miniature.train_shots(0, COUNTS["pairs"], 3))
    assert np.abs(pixels(folder / f"Img/img/{shot.name}.jpg") - shot.drawn(32)[0]).mean() < 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pairs": 0}, "a miniature DeepFashion In-shop of 0 pairs, 9 test, 3 conditions and 32 x 32 pixels cannot be: each count has"),
        ({"conditions": 8}, "conditions at most 7,"),
        ({"test": 2, "conditions": 1}, "conditions at most 0,"),
        ({"size": 31}, "each side 32 or more"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path, changes: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        write(tmp_path / "none", **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_free_hues_have_more_tops_than_few(tmp_path: Path) -> None:
    few, free = ({shot.clothes.top.colours for shot in miniature.train_shots(0, 40, hues)} for hues in (3, 0))
    assert len(few) == 6  # three hues, plain or with stripes of a darker shade
    assert len(free) == len(miniature.persons_of(40))
