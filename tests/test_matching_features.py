"""Features on reading: names beside the rows, pairs of a part, and one sentence for what does not belong together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import UserError
from stages.core.files import write_json
from stages.matching import features, finite
from stages.matching.stored import as_float16

# Five images, of which the second has two captions and the fourth three; the test part is not in the set's order.
SET = {
    "names": ["p/a", "p/b", "p/c", "p/d", "p/e"], "captions": [f"caption {row}" for row in range(8)], "image_of": [0, 1, 1, 2, 3, 3, 3, 4],
    "parts": {"train": [0, 2], "val": [4], "test": [3, 1]}, "classes": [], "labels": None, "single": False,
}  # fmt: skip
IMAGES, TEXTS = np.arange(10.0).reshape(5, 2), np.arange(24.0).reshape(8, 3) / 8


def folder(path: Path, rows: np.ndarray, **changes: Any) -> Path:
    path.mkdir(exist_ok=True)
    np.save(path / "features.npy", rows.astype(np.float16))
    write_json(path / "set.json", SET | changes)
    return path


def test_pairs_are_numbered_within_their_part(tmp_path: Path) -> None:
    found = features.read(folder(tmp_path / "i", IMAGES), folder(tmp_path / "t", TEXTS))
    test = found.pairs("test")
    assert test.images.dtype == test.texts.dtype == torch.float32 and test.image_of.dtype == torch.int64
    assert test.images.tolist() == IMAGES[[3, 1]].tolist() and test.texts.tolist() == TEXTS[[1, 2, 4, 5, 6]].tolist()
    assert test.image_of.tolist() == [1, 1, 0, 0, 0]
    assert found.pairs("val").image_of.tolist() == [0] and found.pairs("val").texts.tolist() == TEXTS[[7]].tolist()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"names": ["p/a", "p/c", "p/b", "p/d", "p/e"]}, "row 1 of their images is 'p/b' and 'p/c'"),
        ({"captions": SET["captions"][:7]}, "8 captions and 7"),
        ({"image_of": [0, 1, 2, 2, 3, 3, 3, 4]}, "caption 2 is of another image"),
        ({"parts": SET["parts"] | {"test": [1, 3]}}, "their parts test differ"),
    ],
    ids=str,
)
def test_features_of_two_sets_are_one_sentence(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    images, texts = folder(tmp_path / "i", IMAGES), folder(tmp_path / "t", TEXTS, **changes)
    with pytest.raises(UserError) as error:
        features.read(images, texts)
    assert str(error.value) == f"{images} and {texts} are of different sets ({sentence}): make both again, of one"


@pytest.mark.parametrize(("which", "rows"), [("i", IMAGES), ("t", TEXTS)])
def test_not_finite_is_one_sentence(which: str, rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite, "ROWS", 2)
    places = folder(tmp_path / "i", IMAGES), folder(tmp_path / "t", TEXTS)
    finite.check_finite(features.read(*places), *places)
    broken = rows.copy()
    broken[3, 1] = np.nan
    folder(tmp_path / which, broken)
    with pytest.raises(UserError, match=rf"^row 3 of .*{which}/features.npy has numbers that are not finite"):
        finite.check_finite(features.read(*places), *places)


def test_other_rows_than_the_set_s_are_one_sentence(tmp_path: Path) -> None:
    images, texts = folder(tmp_path / "i", IMAGES), folder(tmp_path / "t", TEXTS[:7])
    with pytest.raises(UserError, match=r"features\.npy has the shape \(7, 3\), and its set has 8 captions: make it again"):
        features.read(images, texts)
    folder(tmp_path / "t", TEXTS)
    folder(tmp_path / "i", IMAGES[:, 0])
    with pytest.raises(UserError, match=r"features\.npy has the shape \(5,\), and its set has 5 images: make it again"):
        features.read(images, texts)
    (images / "features.npy").unlink()
    with pytest.raises(UserError, match=r"features\.npy is not there"):
        features.read(images, texts)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
def test_what_float16_cannot_hold_is_one_sentence(value: float) -> None:
    assert as_float16(np.array([1.5], np.float32), "it").tolist() == [1.5]
    with pytest.raises(UserError, match="a feature by vgg19 of mscoco is not finite, or above 65,504"):
        as_float16(np.array([1, value]), "vgg19 of mscoco")
