"""Stored predictions of Chapter 7: what is loaded is what was saved, of each kind of network; one sentence for what does not fit."""

from pathlib import Path

import numpy as np
import pytest

from stages.ch7_mmc import stored
from stages.ch7_mmc.stored import Predicted
from stages.core.errors import UserError
from stages.datasets.captioned import Described

DESCRIBED = Described(
    ["p/a", "p/b", "p/c"],
    ["one", "two", "three", "four"],
    np.array([0, 0, 1, 2]),
    {"train": np.array([2]), "val": np.array([], int), "test": np.array([0, 1])},
    ["cat", "dog"],
    np.array([[1, 0], [0, 1], [0, 1]], bool),
    True,
)
IMAGES = np.arange(6, dtype=np.float32).reshape(3, 2)
TEXTS = np.arange(8, dtype=np.float32).reshape(4, 2)
SCORES = np.array([[1, 0], [0, 2], [3, 0], [0, 4]], np.float32)
MM, MC = ["matching"], ["classification"]


def network(losses: list[str], sees: str = "both", **rows: np.ndarray) -> Predicted:
    return Predicted("mmc", 3, {"losses": losses, "sees": sees, "labels": "given"}, **rows)


EVERY = network(MM + MC, images=IMAGES, texts=TEXTS, scores=SCORES)


def loaded(folder: Path, predicted: Predicted, described: Described = DESCRIBED) -> Predicted:
    stored.save(folder, predicted)
    return stored.load(folder, "mmc", 3, described, "ch7")


@pytest.mark.parametrize(
    "predicted",
    [EVERY, network(MM, images=IMAGES, texts=TEXTS), network(MC, scores=SCORES), network(MC, "vision", scores=SCORES[:3])],
    ids=["both losses", "matching", "classification", "vision"],
)
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, predicted: Predicted) -> None:
    read = loaded(tmp_path, predicted)
    assert (read.model, read.seed, read.about) == ("mmc", 3, predicted.about)
    assert read.rows().keys() == predicted.rows().keys()
    for what, values in predicted.rows().items():
        assert read.rows()[what].dtype == np.float32
        np.testing.assert_array_equal(read.rows()[what], values)


def test_scores_of_pairs() -> None:
    np.testing.assert_array_equal(EVERY.scores_of_pairs(DESCRIBED), SCORES)
    by_vision = network(MC, "vision", scores=SCORES[:3]).scores_of_pairs(DESCRIBED)
    np.testing.assert_array_equal(by_vision, SCORES[[0, 0, 1, 2]])
    with pytest.raises(KeyError):
        network(MM, images=IMAGES, texts=TEXTS).scores_of_pairs(DESCRIBED)


def test_what_is_not_finite_is_one_sentence(tmp_path: Path) -> None:
    broken = SCORES.copy()
    broken[2, 1] = np.nan
    with pytest.raises(UserError, match="mmc-seed3 makes scores whose row 2 has numbers that are not finite: train it again"):
        loaded(tmp_path, network(MC, scores=broken))
    assert not list(tmp_path.iterdir())
    loaded(tmp_path, EVERY)
    np.savez(tmp_path / "mmc-seed3.npz", images=IMAGES, texts=TEXTS, scores=broken)
    with pytest.raises(UserError, match=r"mmc-seed3\.npz holds scores whose row 2 has numbers that are not finite: make it again"):
        stored.load(tmp_path, "mmc", 3, DESCRIBED)


def test_what_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mmc-seed3\.npz is not there: `python -m workflow\.repro ch7` brings it back"):
        stored.load(tmp_path, "mmc", 3, DESCRIBED, "ch7")
    with pytest.raises(UserError, match=r"mmc-seed3\.npz holds images, texts, and a network of its losses has images, scores, texts"):
        loaded(tmp_path, network(MM + MC, images=IMAGES, texts=TEXTS))
    with pytest.raises(UserError, match=r"holds images \(3, 1\) and texts \(4, 2\), of other lengths: make it again"):
        loaded(tmp_path, network(MM, images=IMAGES[:, :1], texts=TEXTS))
    loaded(tmp_path, EVERY)
    sizes = r"its set has 3 images, 4 texts and 2 classes: make it again"
    for rows, shape in (  # of another set
        ({"images": IMAGES[:2], "texts": TEXTS, "scores": SCORES}, r"images of float32 and shape \(2, 2\)"),
        ({"images": IMAGES, "texts": TEXTS[:3], "scores": SCORES}, r"texts of float32 and shape \(3, 2\)"),
        ({"images": IMAGES, "texts": TEXTS, "scores": SCORES[:3]}, r"scores of float32 and shape \(3, 2\)"),
        ({"images": IMAGES, "texts": TEXTS, "scores": SCORES[:, :1]}, r"scores of float32 and shape \(4, 1\)"),  # and of other classes
        ({"images": IMAGES, "texts": TEXTS, "scores": SCORES[:, 0]}, r"scores of float32 and shape \(4,\)"),
        ({"images": IMAGES.astype(str), "texts": TEXTS, "scores": SCORES}, r"images of <U32 and shape \(3, 2\)"),
    ):
        np.savez(tmp_path / "mmc-seed3.npz", **rows)
        with pytest.raises(UserError, match=rf"mmc-seed3\.npz holds {shape}, and {sizes}"):
            stored.load(tmp_path, "mmc", 3, DESCRIBED)


@pytest.mark.parametrize(
    "text, wrong",
    [
        (None, "is not there"),
        ('{"model": "mmc", "se', r"cannot be read \(.*\)"),  # cut off
        ("[]", "holds no object"),
        ("{}", "lacks model"),
        ('{"model": "mmc", "seed": 3, "losses": [], "labels": "given"}', "lacks sees"),
    ],
    ids=["gone", "cut off", "a list", "empty", "without a key"],
)
def test_damaged_json_is_one_sentence(tmp_path: Path, text: str | None, wrong: str) -> None:
    stored.save(tmp_path, EVERY)
    if text is not None:
        (tmp_path / "mmc-seed3.json").write_text(text)
    else:
        (tmp_path / "mmc-seed3.json").unlink()
    again = r": `python -m workflow\.repro ch7` brings it back, or makes it again$"
    with pytest.raises(UserError, match=rf"mmc-seed3\.json {wrong}{again}"):
        stored.load(tmp_path, "mmc", 3, DESCRIBED, "ch7")


def test_what_is_of_another_network_is_one_sentence(tmp_path: Path) -> None:
    stored.save(tmp_path, EVERY)
    for suffix in ("npz", "json"):
        (tmp_path / f"mmc-seed3.{suffix}").rename(tmp_path / f"mm-seed3.{suffix}")
    with pytest.raises(UserError, match=r"mm-seed3\.json is of mmc and seed 3, as its name is not: make it again"):
        stored.load(tmp_path, "mm", 3, DESCRIBED)
