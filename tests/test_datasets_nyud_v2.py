"""The NYUD reader: against files written in the layout of Gupta et al.; every damage is one sentence with the file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from stages.core.errors import UserError
from stages.datasets.edges import read_boundaries
from stages.datasets.nyud_v2 import list_split
from stages.datasets.pictures import read_image

EDGES = np.array([[0, 1, 0], [0, 1, 1]], bool)
# Columns and rows, of integers and of doubles, as Matlab's habit is.
SPLITS = {
    "train": np.array([[5003, 5001]], np.uint16),
    "val": np.array([[5002.0]]),
    "test": np.array([[6449], [5004]]),
    "trainval": np.array([[5001, 5002, 5003]]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for part in ("colorImage", "benchmarkData/groundTruth", "benchmarkData/metadata"):
        (data / part).mkdir(parents=True)
    savemat(data / "benchmarkData/metadata/nyusplits.mat", SPLITS)
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = {"SegmentationClass": EDGES * 2.0, "Segmentation": EDGES.astype(np.uint16), "Boundaries": EDGES}
    for number in (5001, 5002, 5003, 5004, 6449):
        Image.fromarray(np.full((2, 3), number % 256, np.uint8)).save(data / f"colorImage/img_{number}.png")
        savemat(data / f"benchmarkData/groundTruth/img_{number}.mat", {"groundTruth": cell})
    return tmp_path


def test_a_split_is_listed_by_number(folder: Path) -> None:
    names = {split: [example.name for example in list_split(folder, split)] for split in ("train", "val", "test")}
    assert names == {"train": ["img_5001", "img_5003"], "val": ["img_5002"], "test": ["img_5004", "img_6449"]}
    with pytest.raises(UserError, match="no split 'trainval': it is one of train, val, test"):
        list_split(folder, "trainval")


def test_bsds500s_readers_read_the_files(folder: Path) -> None:
    example = list_split(folder, "test")[0]
    assert np.array_equal(read_image(example.image), np.full((2, 3, 3), 5004 % 256))
    assert np.array_equal(read_boundaries(example.ground_truth), EDGES[None])


def test_copies_that_call_the_test_images_tst(folder: Path) -> None:
    other = {"tst" if name == "test" else name: numbers for name, numbers in SPLITS.items()}
    savemat(folder / "data/benchmarkData/metadata/nyusplits.mat", other)
    assert [example.name for example in list_split(folder, "test")] == ["img_5004", "img_6449"]


@pytest.mark.parametrize("file", ["colorImage/img_5003.png", "benchmarkData/groundTruth/img_5003.mat"])
def test_missing_files_are_named(folder: Path, file: str) -> None:
    (folder / "data" / file).unlink()
    with pytest.raises(UserError) as caught:
        list_split(folder, "train")
    assert str(caught.value) == f"{folder}/data/{file} is missing: download the data set again"


def test_bad_splits(folder: Path) -> None:
    splits = folder / "data/benchmarkData/metadata/nyusplits.mat"
    for value in ("img_5001", np.zeros((0, 0)), np.array([[5001.5]])):
        savemat(splits, {"train": value})
        with pytest.raises(UserError, match=r"nyusplits\.mat: train is no list of image numbers"):
            list_split(folder, "train")
    with pytest.raises(UserError, match=r"nyusplits\.mat has no variable test"):
        list_split(folder, "test")
    splits.unlink()
    with pytest.raises(UserError, match=r"nyusplits\.mat is missing"):
        list_split(folder, "test")
