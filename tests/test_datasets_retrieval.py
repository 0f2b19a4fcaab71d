"""The readers of Chapter 4's data sets: against files in the official layouts, with answers by hand; every damage is one sentence."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.datasets import holidays, paris6k, smvs_dvd, ukb
from stages.datasets.retrieval import Query, RetrievalSet

MIRROR = Path(os.environ.get("THESIS_MIRROR") or "~/mirror").expanduser()
GROUND_TRUTH = {
    "louvre_1_query.txt": "paris_louvre_000001 10.5 20 30 40.25\n",
    "louvre_1_good.txt": "paris_louvre_000003\nparis_louvre_000001\n",
    "louvre_1_ok.txt": "paris_general_000002\n",
    "louvre_1_junk.txt": "paris_louvre_000002\n",
    "eiffel_1_query.txt": "paris_eiffel_000001 0 0 64 48",  # no end of line
    "eiffel_1_good.txt": "paris_eiffel_000001\n",
    "eiffel_1_ok.txt": "",
    "eiffel_1_junk.txt": "\n",
}
PARIS = ["eiffel/paris_eiffel_000001", "general/paris_general_000002", *(f"louvre/paris_louvre_00000{number}" for number in (1, 2, 3))]
PICTURES = {
    "holidays": [f"jpg/{name}" for name in (100000, 100001, 100100, 100101, 100102, 149900, 149901)],
    "ukb": [f"full/ukbench{number:05d}" for number in (0, 1, 2, 3, 10196, 10197, 10198, 10199)],
    "smvs_dvd": [f"dvd_covers/{name}/{number}" for name in smvs_dvd.FOLDERS for number in ("001", "100")],
    "paris6k": [f"paris/{name}" for name in PARIS],
}
READERS: dict[str, Callable[[Path], RetrievalSet]] = {
    "holidays": holidays.read,
    "ukb": ukb.read,
    "smvs_dvd": smvs_dvd.read,
    "paris6k": paris6k.read,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All four sets; of a picture only its name is read."""
    for name, pictures in PICTURES.items():
        for picture in reversed(pictures):
            file = tmp_path / name / f"{picture}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    (tmp_path / "paris6k/ground_truth").mkdir()
    for name, text in GROUND_TRUTH.items():
        (tmp_path / "paris6k/ground_truth" / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_pictures_are_listed_by_name(folder: Path, name: str) -> None:
    found = READERS[name](folder / name)
    assert found.images == [folder / name / f"{picture}.jpg" for picture in PICTURES[name]]
    for query in found.queries:
        assert query.name.split("/")[-1] == found.images[query.image].stem or name == "paris6k"
        assert list(query.relevant) == sorted(set(query.relevant))
        assert not set(query.relevant) & set(query.ignored)


def test_holidays_by_hand(folder: Path) -> None:
    assert holidays.read(folder / "holidays").queries == [
        Query("100000", 0, None, (1,), (0,)),
        Query("100100", 2, None, (3, 4), (2,)),
        Query("149900", 5, None, (6,), (5,)),
    ]


def test_ukb_by_hand(folder: Path) -> None:
    queries = ukb.read(folder / "ukb").queries
    assert [query.image for query in queries] == list(range(8))
    assert queries[2] == Query("ukbench00002", 2, None, (0, 1, 2, 3), ())
    assert queries[4] == Query("ukbench10196", 4, None, (4, 5, 6, 7), ())


def test_smvs_dvd_by_hand(folder: Path) -> None:
    queries = smvs_dvd.read(folder / "smvs_dvd").queries
    assert [query.image for query in queries] == list(range(10))
    assert queries[0] == Query("Canon/001", 0, None, (2, 4, 6, 8), (0,))
    assert queries[9] == Query("Reference/100", 9, None, (1, 3, 5, 7), (9,))


def test_paris6k_by_hand(folder: Path) -> None:
    assert paris6k.read(folder / "paris6k").queries == [
        Query("eiffel_1", 0, (0, 0, 64, 48), (0,), ()),
        Query("louvre_1", 2, (10.5, 20, 30, 40.25), (1, 2, 4), (3,)),
    ]


def message(folder: Path, name: str) -> str:
    with pytest.raises(UserError) as caught:
        READERS[name](folder / name)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/{name}/", "")


AGAIN = "download the data set again"


@pytest.mark.parametrize(
    ("name", "file", "says"),
    [
        ("holidays", "jpg/100100.jpg", f"jpg/100100.jpg, the query of its group, is missing: {AGAIN}"),
        ("holidays", "jpg/149901.jpg", f"jpg/149900.jpg is alone in its group, so there is nothing to be found: {AGAIN}"),
        ("ukb", "full/ukbench10196.jpg", f"full/ukbench10196.jpg is missing, of each object there are 4: {AGAIN}"),
        ("ukb", "full/ukbench00003.jpg", f"full/ukbench00003.jpg is missing, of each object there are 4: {AGAIN}"),
        ("smvs_dvd", "dvd_covers/Palm/100.jpg", f"dvd_covers/Palm/100.jpg is missing, of each cover there are 5 pictures: {AGAIN}"),
        ("paris6k", "ground_truth/eiffel_1_ok.txt", f"ground_truth/eiffel_1_ok.txt is missing: {AGAIN}"),
        (
            "paris6k",
            "paris/general/paris_general_000002.jpg",
            "ground_truth/louvre_1_ok.txt lists paris_general_000002, which is not among the pictures: "
            f"{AGAIN}, and keep corrupt pictures too",
        ),
    ],
)
def test_what_is_missing_is_named(folder: Path, name: str, file: str, says: str) -> None:
    (folder / name / file).unlink()
    assert message(folder, name) == says


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("holidays", "jpg has no *.jpg"),
        ("ukb", "full has no *.jpg"),
        ("smvs_dvd", "dvd_covers/Canon has no *.jpg"),
        ("paris6k", "paris has no */*.jpg"),
    ],
)
def test_an_empty_folder_is_named(tmp_path: Path, name: str, says: str) -> None:
    assert message(tmp_path, name) == f"{says}: {AGAIN}"


@pytest.mark.parametrize(("name", "file"), [("holidays", "jpg/cover.jpg"), ("holidays", "jpg/1000000.jpg"), ("ukb", "full/ukbench1.jpg")])
def test_strange_names_are_named(folder: Path, name: str, file: str) -> None:
    (folder / name / file).touch()
    assert re.fullmatch(rf"{file} is none of .* photographs, which are named as .*\.jpg: take it away", message(folder, name))


@pytest.mark.parametrize(
    "line", ["", "paris_louvre_000001", "paris_louvre_000001 1 2 3", "paris_louvre_000001 1 2 x 4", "paris_louvre_000001 3 0 1 4",
             "paris_louvre_000001 0 0 nan 4", "paris_louvre_000001 1 2 3 4 5"],
)  # fmt: skip
def test_bad_query_lines(folder: Path, line: str) -> None:
    (folder / "paris6k/ground_truth/louvre_1_query.txt").write_text(line + "\n")
    assert message(folder, "paris6k") == (
        f"ground_truth/louvre_1_query.txt should have a picture's name and its box, left, top, right and bottom, and has {line!r}: {AGAIN}"
    )


def test_bad_ground_truth(folder: Path) -> None:
    truth = folder / "paris6k/ground_truth"
    (truth / "eiffel_1_good.txt").write_text("")
    assert message(folder, "paris6k").startswith("ground_truth/eiffel_1_good.txt and its _ok.txt are empty")
    (truth / "eiffel_1_good.txt").write_bytes(b"\xff\xfe\x00")
    assert message(folder, "paris6k") == f"ground_truth/eiffel_1_good.txt is no text: {AGAIN}"
    for file in truth.iterdir():
        file.unlink()
    assert message(folder, "paris6k") == f"ground_truth has no *_query.txt: {AGAIN}"


def test_the_real_dvd_covers() -> None:
    if not (MIRROR / "smvs_dvd").is_dir():
        pytest.skip(f"there is no mirror with smvs_dvd: {MIRROR}")
    found = smvs_dvd.read(MIRROR / "smvs_dvd")
    assert len(found.images) == len(found.queries) == 500
    assert len({frozenset((query.image, *query.relevant)) for query in found.queries}) == 100
    assert all(len(query.relevant) == 4 and query.ignored == (query.image,) for query in found.queries)
    for image in found.images[::50]:
        with Image.open(image) as picture:
            assert max(picture.size) == 320
