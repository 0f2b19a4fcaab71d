"""The PASCAL Context reader: against files written in the official layout; every damage is one sentence with the file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from stages.core.errors import UserError
from stages.datasets.pascal_context import list_split, read_label_map
from stages.datasets.pictures import read_image

LABELS = np.array([[1, 1, 459], [2, 2, 459]], np.uint16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "VOCdevkit/VOC2010/JPEGImages"
    images.mkdir(parents=True)
    (tmp_path / "trainval").mkdir()
    for name in ("2010_000002", "2008_000009", "2008_000008"):
        Image.fromarray(np.full((2, 3), 7, np.uint8)).save(images / f"{name}.jpg")
        if name != "2008_000009":  # of VOC's photographs not all have a label map
            savemat(tmp_path / f"trainval/{name}.mat", {"LabelMap": LABELS})
    return tmp_path


def test_images_with_a_label_map_are_listed_by_name(folder: Path) -> None:
    examples = list_split(folder, "train")
    assert [example.name for example in examples] == ["2008_000008", "2010_000002"]
    assert np.array_equal(read_image(examples[0].image), np.full((2, 3, 3), 7))
    labels = read_label_map(examples[0].ground_truth)
    assert (labels.dtype, labels.tolist()) == (np.int64, LABELS.tolist())


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    image = folder / "VOCdevkit/VOC2010/JPEGImages/2010_000002.jpg"
    image.unlink()
    with pytest.raises(UserError) as caught:
        list_split(folder, "train")
    assert str(caught.value) == f"{image} is missing: download the data set again"
    with pytest.raises(UserError, match=r"nowhere/trainval has no \.mat: download the data set again"):
        list_split(tmp_path / "nowhere", "train")
    with pytest.raises(UserError, match=r"trainval/2008_000009\.mat is missing"):
        read_label_map(folder / "trainval/2008_000009.mat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"Labels": LABELS}, "has no variable LabelMap"),
        ({"LabelMap": LABELS / 2}, r"LabelMap is no matrix of integers, but float64 of shape \(2, 3\)"),
        ({"LabelMap": np.zeros((2, 3, 3), np.uint8)}, r"but uint8 of shape \(2, 3, 3\)"),
        ({"LabelMap": np.zeros((0, 0), np.uint8)}, r"but uint8 of shape \(0, 0\)"),
        ({"LabelMap": "sky"}, "LabelMap is no matrix of integers"),
    ],
    ids=["other name", "fractions", "three dimensions", "empty", "text"],
)
def test_bad_label_maps(tmp_path: Path, content: dict[str, object], message: str) -> None:
    savemat(tmp_path / "bad.mat", content)
    with pytest.raises(UserError, match=rf"bad\.mat.*{message}"):
        read_label_map(tmp_path / "bad.mat")
