"""The BSDS500 reader: against what was written in the official layout, and the real files; every damage is one sentence with the file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from stages.core.errors import UserError
from stages.datasets.bsds500 import list_split, read_contours
from stages.datasets.edges import read_boundaries, read_ground_truth, read_ucm
from stages.datasets.pictures import read_image

MIRROR = Path(os.environ.get("THESIS_MIRROR") or "~/mirror").expanduser()
REGIONS = np.repeat([[1, 1, 1, 2, 2]], 4, axis=0).astype(np.uint16)
EDGES = (REGIONS == 1) & (np.roll(REGIONS, -1, axis=1) == 2)


def save(file: Path, *annotations: dict[str, Any], key: str = "groundTruth") -> Path:
    """A cell of structs, as Matlab stores it."""
    cell = np.empty((1, len(annotations)), dtype=object)
    for index, annotation in enumerate(annotations):
        cell[0, index] = annotation
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {key: cell})
    return file


def annotation(boundaries: Any = EDGES) -> dict[str, Any]:
    return {"Segmentation": REGIONS, "Boundaries": boundaries}


def test_every_annotator_is_read(tmp_path: Path) -> None:
    file = save(tmp_path / "a.mat", annotation(), annotation(np.roll(EDGES, 1, axis=1)))
    first, second = read_ground_truth(file)
    assert np.array_equal(first.segmentation, REGIONS)
    assert (first.boundaries.dtype, first.boundaries.tolist()) == (np.bool_, EDGES.tolist())
    assert np.flatnonzero(second.boundaries[0]).tolist() == [3]
    assert read_boundaries(file).shape == (2, 4, 5)


def test_numbers_and_sparse_matrices_are_boundaries_too(tmp_path: Path) -> None:
    file = save(tmp_path / "a.mat", annotation(EDGES * 255.0), {"Boundaries": csc_matrix(EDGES.astype(float))})
    assert np.array_equal(read_boundaries(file), [EDGES, EDGES])


def test_a_split_is_listed_by_name(tmp_path: Path) -> None:
    base = tmp_path / "BSR/BSDS500/data"
    for name in ("9", "10"):
        save(base / f"groundTruth/val/{name}.mat", annotation())
        (base / "images/val").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5), 7, np.uint8)).save(base / f"images/val/{name}.jpg")
    (base / "images/val/Thumbs.db").touch()  # the official archive has one
    examples = list_split(tmp_path, "val")
    assert [example.name for example in examples] == ["10", "9"]
    assert np.array_equal(read_image(examples[0].image), np.full((4, 5, 3), 7))
    (base / "images/val/10.jpg").unlink()
    with pytest.raises(UserError, match=r"images/val/10\.jpg is missing"):
        list_split(tmp_path, "val")
    with pytest.raises(UserError, match="no split 'dev': it is one of train, val, test"):
        list_split(tmp_path, "dev")
    with pytest.raises(UserError, match=r"images/test has no \.jpg"):
        list_split(tmp_path, "test")


def test_ucm_is_sampled_as_by_matlabs_3_2_end(tmp_path: Path) -> None:
    double = np.arange(7 * 9).reshape(7, 9) / 100
    savemat(tmp_path / "u.mat", {"ucm2": double})
    # Rows 3, 5, 7 and columns 3, 5, 7, 9, counted from 1.
    assert np.array_equal(read_ucm(tmp_path / "u.mat"), np.array([[20, 22, 24, 26], [38, 40, 42, 44], [56, 58, 60, 62]]) / 100)


def test_contours_are_the_authors_or_else_the_8_bit_copy(tmp_path: Path) -> None:
    hierarchy, picture = tmp_path / "BSR/BSDS500/ucm2/test/7.mat", tmp_path / "gPb-owt-ucm/test/7.png"
    with pytest.raises(UserError) as caught:
        read_contours(tmp_path, "test", "7")
    assert str(caught.value) == (
        f"the contours of 7 are neither in {hierarchy} nor in {picture}: get BSDS500 from where it has one of them"
    )
    picture.parent.mkdir(parents=True)
    Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(picture)
    contours = read_contours(tmp_path, "test", "7")
    assert (contours.dtype, contours.tolist()) == (np.float64, [[0, 0.2, 1]])
    hierarchy.parent.mkdir(parents=True)
    savemat(hierarchy, {"ucm2": np.arange(21, dtype=np.float32).reshape(3, 7) / 32})
    contours = read_contours(tmp_path, "test", "7")
    assert (contours.dtype, contours.tolist()) == (np.float64, [[0.5, 0.5625, 0.625]])  # row 3, columns 3, 5 and 7
    hierarchy.unlink()
    picture.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"test/7\.png cannot be read: it is no picture of a known format: download the data set again"):
        read_contours(tmp_path, "test", "7")


def bad_files(folder: Path) -> dict[str, Path]:
    files = {
        "is missing": folder / "none.mat",
        "has no variable groundTruth": save(folder / "key.mat", annotation(), key="truth"),
        "groundTruth is empty": save(folder / "empty.mat"),
        "an annotation of groundTruth has no Boundaries": save(folder / "field.mat", {"Segmentation": REGIONS}),
        "Boundaries in groundTruth is no matrix of numbers": save(folder / "text.mat", annotation("edges")),
        "differ in size, 4 x 5 and 5 x 4": save(folder / "sizes.mat", annotation(), annotation(EDGES.T)),
        "damaged or no Matlab file": folder / "damaged.mat",
        "Matlab 7.3": folder / "new.mat",
    }
    whole = save(folder / "whole.mat", annotation()).read_bytes()
    (folder / "damaged.mat").write_bytes(whole[: len(whole) // 2])
    (folder / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + 64 * b"\0")
    return files


def test_bad_ground_truth(tmp_path: Path) -> None:
    for message, file in bad_files(tmp_path).items():
        with pytest.raises(UserError, match=message) as caught:
            read_boundaries(file)
        assert str(file) in str(caught.value)
    small = save(tmp_path / "small.mat", {"Segmentation": REGIONS[1:], "Boundaries": EDGES})
    with pytest.raises(UserError, match=r"small\.mat: Segmentation of 3 x 5 beside Boundaries of 4 x 5"):
        read_ground_truth(small)


def test_bad_ucm_and_image(tmp_path: Path) -> None:
    savemat(tmp_path / "even.mat", {"ucm2": np.zeros((8, 9))})
    with pytest.raises(UserError, match=r"even\.mat: ucm2 has the shape \(8, 9\)"):
        read_ucm(tmp_path / "even.mat")
    with pytest.raises(UserError, match=r"even\.mat cannot be read: it is no picture of a known format: download the data set again"):
        read_image(tmp_path / "even.mat")


def test_the_official_files() -> None:
    folder = MIRROR / "bsds500"
    if not folder.is_dir():
        pytest.skip(f"there is no mirror with bsds500: {MIRROR}")
    splits = {split: list_split(folder, split) for split in ("train", "val", "test")}
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 200, "val": 100, "test": 200}
    shapes = set()
    for example in splits["val"][::10]:
        annotations = read_ground_truth(example.ground_truth)
        assert 4 <= len(annotations) <= 9
        assert len(annotations) == loadmat(example.ground_truth)["groundTruth"].size
        for each in annotations:
            shapes.add(each.boundaries.shape)
            assert 0 < each.boundaries.mean() < 0.2
            # A boundary pixel has another region among its neighbours; boundaries hold no pixel inside a region.
            regions = np.pad(each.segmentation.astype(int), 1, mode="edge")
            inside = np.all([np.roll(regions, (y, x), (0, 1)) == regions for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)[1:-1, 1:-1]
            assert not (each.boundaries & inside).any()
        assert read_image(example.image).shape[:2] == annotations[0].boundaries.shape
    assert shapes <= {(321, 481), (481, 321)}
    for split in ("train", "test"):  # the mirror's copy has these
        for example in splits[split][::20]:
            contours = read_contours(folder, split, example.name)
            assert contours.shape == read_image(example.image).shape[:2]
            assert 0.2 < contours.max() <= 1
            assert 0.01 < (contours > 0).mean() < 0.3
