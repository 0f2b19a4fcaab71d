"""Which photos are chosen for Section 8.2, and these as prepared: reasons, pairs, sizes, true swaps, and lists that cannot be."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stage_runs import run_main

from stages.ch8_swapgan import counts, data, people, prepare, select
from stages.ch8_swapgan.selection_settings import Selection
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets import deepfashion_inshop as dataset
from stages.datasets import inshop, lip, openpose
from stages.datasets.inshop import Photo
from stages.miniatures import deepfashion_inshop

SET = "deepfashion_inshop"
SOURCE, CHOSEN, PREPARED = (Path(f"data/mini/{name}/{SET}") for name in ("sources", "prepared/ch8_swap_selection", "prepared/ch8_swapgan"))
SELECTION = {"pairs": 9, "test": 8, "conditions": 3, "seed": 0, "least_share": 0.01}
SIZE = 24


def run(module: Any, **selection: Any) -> None:
    run_main(module, SET, {"ch8_swapgan": {"size": SIZE, "selection": SELECTION | selection}})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Persons to train on with two and three photos, eight photos to test on, all of them chosen and prepared."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        deepfashion_inshop.write(SOURCE, pairs=10, test=8, conditions=3, size=48, seed=0, hues=3)
        write_json(SOURCE / "provenance.json", {"dataset": SET, "kind": "miniature", "note": ""})
        run(select)
        run(prepare)
    return folder


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may spoil."""
    monkeypatch.chdir(shutil.copytree(world, tmp_path / "here"))
    return Path()


def rows(file: Path) -> list[list[str]]:
    return list(csv.reader(file.read_text().splitlines()))[1:]


def fit() -> Photo:
    """A photo that is fit."""
    return next(photo for photo in dataset.photos(SOURCE) if select.unfit(photo, 0.01) is None)


# ------------------------------------------------------------------------------------------------------------------ the choice


def without(*points: int) -> Callable[[Photo], None]:
    def spoil(photo: Photo) -> None:
        numbers = openpose.read(photo.key_points)
        numbers[list(points)] = 0
        write_json(photo.key_points, {"people": [{"pose_keypoints_2d": numbers.ravel().tolist()}]})

    return spoil


def naked(segment: int) -> Callable[[Photo], None]:
    """All but one pixel in a hundred of a segment become background."""

    def spoil(photo: Photo) -> None:
        classes = lip.read(photo.parsing).copy()
        y, x = np.nonzero(people.regroup(classes) == segment)
        kept = classes.size // 100 - 1
        classes[y[kept:], x[kept:]] = 0
        Image.fromarray(classes).save(photo.parsing)

    return spoil


def shown(count: int) -> Callable[[Photo], None]:
    def spoil(photo: Photo) -> None:
        own = json.loads(photo.key_points.read_text())["people"]
        write_json(photo.key_points, {"people": own * count})

    return spoil


CASES = [
    ("no person", shown(0)),
    ("several people", shown(2)),
    ("no face", without(people.NOSE)),
    ("no face", without(people.RIGHT_EYE, people.LEFT_EYE)),
    ("no torso", without(people.NECK)),
    ("no torso", without(people.LEFT_HIP)),
    ("no knees", without(people.RIGHT_KNEE)),
    ("no upper clothes", naked(4)),
    ("no lower clothes", naked(5)),
    (None, without(people.LEFT_EYE)),
    (None, without(4, 7, 10, 13, 16, 17)),
]


@pytest.mark.parametrize(("reason", "spoil"), CASES)
def test_a_photo_is_refused_for_a_reason(here: Path, reason: str | None, spoil: Callable[[Photo], None]) -> None:
    photo = fit()
    spoil(photo)
    assert select.unfit(photo, 0.01) == reason


def test_every_reason_has_a_case() -> None:
    assert {"not frontal", *(reason for reason, _ in CASES if reason)} == set(select.UNFIT)


def test_what_is_not_frontal_needs_neither_key_points_nor_classes(here: Path) -> None:
    photo = next(photo for photo in dataset.photos(SOURCE) if photo.pose_type != inshop.FRONTAL)
    photo.key_points.unlink()
    photo.parsing.unlink()
    run(select)
    assert [photo.name, photo.part, "0", "not frontal"] in rows(CHOSEN / "selection.csv")


@pytest.mark.parametrize("missing", ["key_points", "parsing"])
def test_a_frontal_photo_without_one_of_them_is_named(here: Path, missing: str) -> None:
    photo = fit()
    getattr(photo, missing).unlink()
    with pytest.raises(UserError, match=rf"{photo.image.stem}.* is missing: run"):
        run(select)


def test_what_is_chosen_is_what_the_pairs_and_the_tests_have(here: Path) -> None:
    listed = rows(CHOSEN / "selection.csv")
    photos = {photo.name: photo for photo in dataset.photos(SOURCE)}
    assert [row[0] for row in listed] == list(photos)
    used = {name for pair in rows(CHOSEN / "pairs.csv") for name in pair} | {row[0] for row in rows(CHOSEN / "test.csv")}
    assert {name for name, _, chosen, _ in listed if chosen == "1"} == used
    for name, part, chosen, reason in listed:
        assert part == photos[name].part
        assert (chosen == "1") == (reason == "")
        if reason in select.UNFIT:
            assert reason == select.unfit(photos[name], 0.01)
    about = json.loads((CHOSEN / "about.json").read_text())
    assert about["counts"]["train"]["chosen"] + about["counts"]["test"]["chosen"] == len(used)
    assert sum(sum(own.values()) for own in about["counts"].values()) == len(listed)
    assert (about["pairs"], about["swaps"]) == (9, 24)


def made(*persons: str) -> list[Photo]:
    """Photos of train, one for each letter, named by it and its place."""
    blank = Path()
    return [
        Photo(f"{person}{place}", "Tees", "id", person, "front", 1, 1, "train", blank, blank, blank) for place, person in enumerate(persons)
    ]


def test_pairs_are_of_one_person_and_no_photo_is_in_two_of_them_without_need() -> None:
    photos = made(*"aabbbccccd")
    pairs = select.training_pairs(photos, 100, 0)
    assert len(pairs) == len(set(pairs)) == 1 + 3 + 6
    assert all(first[0] == second[0] and first < second for first, second in pairs)
    for most in (1, 2, 3, 4):  # one of a, one of b, two of c
        few = select.training_pairs(photos, most, 0)
        names = [name for pair in few for name in pair]
        assert len(few) == most
        assert len(set(names)) == 2 * most
    assert len(select.training_pairs(photos, 6, 0)) == 6
    assert select.training_pairs(photos, 3, 0) == select.training_pairs(photos, 3, 0)
    assert len({tuple(select.training_pairs(photos, 3, seed)) for seed in range(10)}) > 1


def test_conditions_are_never_the_reference_nor_the_same_person() -> None:
    test = made(*"aabbccdd")
    settings = Selection(pairs=1, test=8, conditions=5, seed=0, least_share=0)
    pairs = select.test_pairs(test, None, settings)
    assert len(pairs) == len(set(pairs)) == 8 * 5
    assert all(reference[0] != condition[0] for reference, condition in pairs)
    assert [reference for reference, _ in pairs] == [photo.name for photo in test for _ in range(5)]
    assert {condition for _, condition in pairs} == {photo.name for photo in test}


def test_true_swaps_are_the_conditions_where_there_are_any() -> None:
    test = made(*"abc")
    truths = [("a0", "b1", Path()), ("a0", "x9", Path()), ("a0", "c2", Path()), ("a0", "d3", Path()), ("b1", "a0", Path())]
    settings = Selection(pairs=1, test=3, conditions=2, seed=0, least_share=0)
    assert select.test_pairs(test, truths, settings) == [("a0", "b1"), ("a0", "c2"), ("b1", "a0")]


def test_a_person_in_both_parts_is_refused(here: Path) -> None:
    file = SOURCE / inshop.PARTITION
    photo = fit()
    line = next(line for line in file.read_text().splitlines() if f"{photo.name}.jpg" in line)
    file.write_text(file.read_text().replace(line, line.rsplit(" ", 1)[0] + (" query" if photo.part == "train" else " train")))
    with pytest.raises(UserError, match=rf"{photo.person} is in both parts, by .*{photo.item}"):
        run(select)


def test_a_set_without_pairs_is_refused_with_its_reasons(here: Path) -> None:
    with pytest.raises(UserError, match=r"has no pair of a person to train on that is fit \(.*\d+ no upper clothes"):
        run(select, least_share=0.5)


# -------------------------------------------------------------------------------------------------------------------- prepared


def test_photos_are_prepared_with_all_that_is_known_of_them(here: Path) -> None:
    for part, photos, pairs in (("train", 14, 9), ("test", 8, 24)):
        read = data.load(PREPARED, part)
        assert (len(read.names), read.generated) == (photos, True)
        assert read.images.shape == read.poses.shape == (photos, SIZE, SIZE, 3)
        assert read.parts.shape == read.heads.shape == (photos, SIZE, SIZE)
        assert (read.points.shape, read.pairs.shape) == ((photos, 18, 3), (pairs, 2))
        assert set(np.unique(read.parts)) <= set(range(6))
        assert set(np.unique(read.heads)) == {0, 1}
        assert (read.parts[read.heads == 1] == 1).all()
        assert read.flat is not None and read.flat.shape == read.images.shape
        assert (read.truth is None) == (part == "train")
        by_name = {photo.name: photo for photo in dataset.photos(SOURCE)}
        assert [by_name[name].person for name in read.names] == read.persons
        assert [by_name[name].category for name in read.names] == [read.categories[one] for one in read.category]
        names = [(read.names[a], read.names[b]) for a, b in read.pairs]
        assert names == [tuple(row) for row in rows(CHOSEN / ("pairs.csv" if part == "train" else "swaps.csv"))]
        for row, points in enumerate(read.points):
            assert np.array_equal(read.poses[row], people.pose_map(points, SIZE))
    assert json.loads((PREPARED / "provenance.json").read_text())["kind"] == "miniature"


def test_true_swaps_attributes_and_flat_clothes_are_their_own_photos(here: Path) -> None:
    read = data.load(PREPARED, "test")
    files = {(reference, condition): file for reference, condition, file in dataset.true_swaps(SOURCE) or []}
    attributes = dataset.attributes(SOURCE) or {}
    by_name = {photo.name: photo for photo in dataset.photos(SOURCE)}

    def small(file: Path) -> np.ndarray:
        return np.asarray(Image.open(file).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    assert read.truth is not None and read.flat is not None and read.patterned is not None and read.sleeves is not None
    for (a, b), truth in zip(read.pairs, read.truth, strict=True):
        assert np.array_equal(truth, small(files[read.names[a], read.names[b]]))
    for row, name in enumerate(read.names):
        assert np.array_equal(read.images[row], small(by_name[name].image))
        assert np.array_equal(read.flat[row], small(inshop.flat(SOURCE, by_name[name]) or Path()))
        assert (read.patterned[row], read.sleeves[row]) == attributes[name]


def test_sets_without_true_swaps_are_of_people(here: Path) -> None:
    for name in ("swaps", "flat"):
        shutil.rmtree(SOURCE / name)
    (SOURCE / "attributes.csv").unlink()
    run(select)
    run(prepare)
    read = data.load(PREPARED, "test")
    assert (read.generated, read.truth, read.flat, read.patterned, read.sleeves) == (False, None, None, None, None)
    assert all(read.persons[a] != read.persons[b] for a, b in read.pairs)


def test_what_is_wide_is_made_square_with_its_key_points() -> None:
    """A picture of 8 x 4 pixels whose third row from the left is red, at twice the size."""
    picture, classes = np.zeros((4, 8, 3), np.uint8), np.zeros((4, 8), np.uint8)
    picture[0], picture[3] = 10, 90
    classes[1, 2] = 13
    whole = prepare.squared(picture, 8)
    assert whole[:, 5, 0].tolist() == [10, 10, 10, 0, 0, 90, 90, 90]
    larger = prepare.squared(classes, 16)
    assert np.argwhere(larger == 13).tolist() == [[6, 4], [6, 5], [7, 4], [7, 5]]
    points = np.zeros((18, 3))
    points[0], points[1] = (2, 1, 0.5), (7, 3, 0)
    scaled = prepare.scaled_points(points, 8, 4, 16)
    assert scaled[0].tolist() == [4.5, 6.5, 0.5]  # the middle of these four pixels
    assert not scaled[1:].any()
    tall = prepare.scaled_points(points[:, [1, 0, 2]], 4, 8, 16)
    assert tall[0].tolist() == [6.5, 4.5, 0.5]
    with pytest.raises(UserError, match="a picture has 1 x 16385 pixels, too long a strip to be made a square"):
        prepare.squared(np.zeros((16385, 1, 3), np.uint8), 8)


def test_files_of_other_photos_are_refused(here: Path) -> None:
    photo = fit()
    classes = lip.read(photo.parsing)
    Image.fromarray(classes[:, :40]).save(photo.parsing)
    with pytest.raises(UserError, match=rf"{photo.image.stem}\.png is of 40 x 48 pixels, and .*\.jpg of 48 x 48: parse it again"):
        prepare.read_person(photo.image, photo.key_points, photo.parsing, SIZE)
    Image.fromarray(classes).save(photo.parsing)
    numbers = openpose.read(photo.key_points) * (4, 4, 1)
    write_json(photo.key_points, {"people": [{"pose_keypoints_2d": numbers.ravel().tolist()}]})
    with pytest.raises(UserError, match=rf"{photo.image.stem}_keypoints\.json has key points outside .*\.jpg, of 48 x 48 pixels: run"):
        prepare.read_person(photo.image, photo.key_points, photo.parsing, SIZE)


def first(*parts: str) -> list[Photo]:
    return [photo for photo in dataset.photos(SOURCE) if photo.part in parts and select.unfit(photo, 0.01) is None]


@pytest.mark.parametrize(
    ("file", "pair", "sentence"),
    [
        (
            "pairs.csv",
            lambda: (first("train")[0], first("train")[-1]),
            r"pairs\.csv has the pair .*: a pair is two photos of one person in the",
        ),
        ("pairs.csv", lambda: (first("train")[0],) * 2, "a pair is two photos of one person"),
        ("pairs.csv", lambda: first("test")[:2], r"is of test: choose pairs of train"),
        ("swaps.csv", lambda: first("test")[:2], r"swaps\.csv has the pair .* both of .*: a condition is another person"),
        ("swaps.csv", lambda: (first("test")[0],) * 2, "a condition is another person"),
        ("swaps.csv", lambda: (first("test")[0], first("train")[0]), "is of train: choose pairs of test"),
    ],
)
def test_pairs_that_cannot_be_are_refused(here: Path, file: str, pair: Callable[[], list[Photo]], sentence: str) -> None:
    with (CHOSEN / file).open("a") as stream:
        csv.writer(stream).writerow([photo.name for photo in pair()])
    with pytest.raises(UserError, match=sentence):
        run(prepare)


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("pairs.csv", "first,second\nA,B\n", r"pairs\.csv has A, which is no photo of the data set: take it away"),
        (
            "pairs.csv",
            "first\nA\n",
            r"pairs\.csv has no rows of first, second: run `python -m workflow.repro ch8_swap_select@deepfashion_inshop`",
        ),
        ("test.csv", "name\n", r"test\.csv has no rows of name"),
        ("test.csv", "name\nA\nA\n", r"test\.csv has A twice: take one of these rows away"),
        ("swaps.csv", "reference,condition\nA,B\nB,A\nA,B\n", r"swaps\.csv has A and B twice"),
        ("swaps.csv", "reference,condition\n\udcff,B\n", r"swaps\.csv has no rows of reference, condition"),
    ],
)
def test_lists_that_are_damaged_are_refused(here: Path, file: str, text: str, sentence: str) -> None:
    (CHOSEN / file).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=sentence):
        run(prepare)
    if "no photo" not in sentence:  # which the numbers do not know
        with pytest.raises(UserError, match=sentence):
            counts.counts_of(CHOSEN)


def test_a_list_that_is_missing_is_named(here: Path) -> None:
    (CHOSEN / "swaps.csv").unlink()
    for work in (lambda: run(prepare), lambda: counts.counts_of(CHOSEN)):
        with pytest.raises(UserError, match=r"swaps\.csv has no rows of reference, condition"):
            work()


def test_lists_that_do_not_agree_are_refused(here: Path) -> None:
    lines = (CHOSEN / "test.csv").read_text().splitlines()
    (CHOSEN / "test.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError, match=rf"swaps\.csv has {lines[-1]}, which test\.csv lacks: add it there"):
        run(prepare)


def test_a_pair_without_its_true_swap_is_refused(here: Path) -> None:
    file = SOURCE / "swaps/pairs.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UserError, match=r"has no true swap of .* in the clothes of .*: choose pairs that it has"):
        run(prepare)


def test_prepared_people_that_are_damaged_are_refused(here: Path) -> None:
    stored = dict(np.load(PREPARED / "test.npz"))
    again = "run `python -m workflow.repro ch8_swap_prepare@deepfashion_inshop`"
    for change, sentence in (
        ({"heads": stored["heads"][1:]}, r"heads is uint8 \(7, 24, 24\), and must be uint8 \(8, 24, 24\)"),
        ({"heads": stored["heads"][:, :12]}, r"heads is uint8 \(8, 12, 24\), and must be uint8 \(8, 24, 24\)"),
        ({"images": stored["images"][..., :2]}, r"images is uint8 \(8, 24, 24, 2\), and must be uint8 \(8, 24, 24, 3\)"),
        ({"truth": stored["truth"][1:]}, r"truth is uint8 \(23, 24, 24, 3\), and must be uint8 \(24, 24, 24, 3\)"),
        ({"points": stored["points"].astype(np.float32)}, r"points is float32"),
        ({"pairs": stored["pairs"] - 1}, "pairs has a number that is not from 0 to 7"),
        ({"pairs": stored["pairs"] + 1}, "pairs has a number that is not from 0 to 7"),
        ({"parts": stored["parts"] + np.uint8(1)}, "parts has a number that is not from 0 to 5"),
    ):
        np.savez(PREPARED / "test.npz", **(stored | change))
        with pytest.raises(UserError, match=rf"test\.npz: {sentence}.*{again}"):
            data.load(PREPARED, "test")
    np.savez(PREPARED / "test.npz", **{name: array for name, array in stored.items() if name != "poses"})
    with pytest.raises(UserError, match=r"test\.npz: poses is absent, and must be uint8 \(8, 24, 24, 3\)"):
        data.load(PREPARED, "test")
    np.savez(PREPARED / "test.npz", **stored)
    about = json.loads((PREPARED / "set.json").read_text())
    for wrong, sentence in (
        ({"persons": {"train": [], "test": []}}, "8 names, 0 persons, 8 categories"),
        ({"category": about["category"] | {"test": [-1] * 8}}, "a photo's category is none of"),
        ({"category": about["category"] | {"test": [10**30] * 8}}, "too large"),
        ({"categories": 2}, "not iterable"),
    ):
        write_json(PREPARED / "set.json", about | wrong)
        with pytest.raises(UserError, match=rf"set\.json is damaged \(.*{sentence}"):
            data.load(PREPARED, "test")
