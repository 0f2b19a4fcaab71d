"""Stored predictions of Chapter 6: what is loaded is what was saved, the three scores by hand, one sentence for what does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.ch6_cyclematch import stored
from stages.ch6_cyclematch.stored import Embeddings, Made
from stages.core.errors import UserError
from stages.datasets.captioned import Described

DESCRIBED = Described(["p/a", "p/b"], ["one", "two", "three"], np.array([0, 0, 1]), {"test": np.arange(2)})
ABOUT = {"images": {"encoder": "eye"}, "texts": {"encoder": "ear"}, "terms": ["i2t-dual", "t2i-dual", "i2t-lat"]}
IMAGES = np.array([[3, 0], [0, 2]], np.float32)
TEXTS = np.array([[1, 0, 0], [0, 4, 0], [0, 0, 1]], np.float32)
MADE = Made(
    dual_images=np.array([[1, 1, 0], [0, 0, 5]], np.float32),
    dual_texts=np.array([[1, 0], [3, 4], [-2, 0]], np.float32),
    latent_images=np.array([[1], [-2]], np.float32),
    latent_texts=np.array([[7], [-7], [0]], np.float32),
)


def saved(folder: Path, made: Made = MADE, images: np.ndarray = IMAGES) -> Path:
    stored.save(folder, Embeddings("cycle", 3, images, TEXTS, made, ABOUT))
    return folder


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    read = stored.load(saved(tmp_path), "cycle", 3, DESCRIBED)
    assert (read.model, read.seed, read.about) == ("cycle", 3, ABOUT)
    for name, values in vars(MADE).items():
        assert getattr(read.made, name).dtype == np.float32
        np.testing.assert_array_equal(getattr(read.made, name), values)
    np.testing.assert_array_equal(read.images, IMAGES)
    np.testing.assert_array_equal(read.texts, TEXTS)
    assert {file.name for file in tmp_path.iterdir()} == {"cycle-seed3.npz", "cycle-seed3.json", "images-eye.npy", "texts-ear.npy"}


def test_scores_by_hand(tmp_path: Path) -> None:
    read = stored.load(saved(tmp_path), "cycle", 3, DESCRIBED)
    half = 2**-0.5
    expected = {
        "visual": [[1, 0.6, -1], [0, 0.8, 0]],  # images with f_T2I(t)
        "textual": [[half, half, 0], [0, 0, 1]],  # f_I2T(v) with texts
        "latent": [[1, -1, 0], [-1, 1, 0]],
    }
    assert list(read.compared()) == list(expected)
    for name, matrix in expected.items():
        by_images, by_texts = read.scores(name)
        np.testing.assert_allclose(by_images(slice(0, 2)), matrix, atol=1e-6)
        np.testing.assert_allclose(by_texts(slice(1, 3)), np.array(matrix).T[1:], atol=1e-6)


def test_a_model_has_the_scores_that_it_was_trained_for(tmp_path: Path) -> None:
    dual = stored.load(saved(tmp_path, Made(MADE.dual_images, MADE.dual_texts)), "cycle", 3, DESCRIBED)
    assert list(dual.compared()) == ["visual", "textual"]
    latent = stored.load(
        saved(tmp_path, Made(latent_images=MADE.latent_images, latent_texts=MADE.latent_texts)), "cycle", 3, DESCRIBED
    )  # fmt: skip
    assert list(latent.compared()) == ["latent"]
    with pytest.raises(KeyError):
        latent.scores("visual")


def test_what_is_not_finite_is_one_sentence(tmp_path: Path) -> None:
    broken = np.array([[1, 0], [3, np.nan], [np.inf, 0]], np.float32)
    with pytest.raises(UserError, match="cycle-seed3 makes dual_texts whose row 1 has numbers that are not finite: train it again"):
        saved(tmp_path, Made(MADE.dual_images, broken))
    assert not list(tmp_path.glob("*.npz"))


def test_what_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cycle-seed3\.npz is not there: `python -m workflow\.repro ch6` brings it back"):
        stored.load(tmp_path, "cycle", 3, DESCRIBED, "ch6")
    saved(tmp_path, Made(MADE.dual_images[:, :2], MADE.dual_texts))  # of an encoder of other width
    with pytest.raises(UserError, match=r"holds dual_images of shape \(2, 2\), where \(2, 3\) is expected: make it again"):
        stored.load(tmp_path, "cycle", 3, DESCRIBED)
    saved(tmp_path, Made(latent_images=MADE.latent_images, latent_texts=MADE.latent_texts[:2]))
    with pytest.raises(UserError, match=r"holds latent_texts of shape \(2, 1\), where \(3, 1\) is expected"):
        stored.load(tmp_path, "cycle", 3, DESCRIBED)
    np.save(tmp_path / "images-eye.npy", IMAGES[:1])
    with pytest.raises(UserError, match=r"has features \(1, 2\) and \(3, 3\) of 2 images and 3 texts: make it again"):
        stored.load(tmp_path, "cycle", 3, DESCRIBED)


@pytest.mark.parametrize(("text", "wrong"), [('{"model": "cycle", "se', r"cannot be read \(.*\)"), ('{"model": "cycle"}', "lacks seed")])
def test_what_is_said_of_embeddings_is_one_sentence_where_it_is_damaged(tmp_path: Path, text: str, wrong: str) -> None:
    saved(tmp_path)
    (tmp_path / "cycle-seed3.json").write_text(text)
    with pytest.raises(UserError, match=rf"cycle-seed3\.json {wrong}: `python -m workflow\.repro ch6` brings it back, or makes it again"):
        stored.load(tmp_path, "cycle", 3, DESCRIBED, "ch6")


def test_features_are_written_once(tmp_path: Path) -> None:
    saved(tmp_path)
    saved(tmp_path, images=IMAGES + 1)  # of another model that sees by the same encoder: the same features, and not written again
    np.testing.assert_array_equal(np.load(tmp_path / "images-eye.npy"), IMAGES)
    assert json.loads((tmp_path / "cycle-seed3.json").read_text())["terms"] == ABOUT["terms"]
