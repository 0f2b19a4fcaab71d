"""Fisher vectors against scikit-image, a loop over words and hand-worked values; PCA by covariance against scikit-learn."""

import dataclasses

import numpy as np
import pytest
from skimage.feature import fisher_vector
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from stages.core.errors import UserError
from stages.encoders import fisher
from stages.encoders.mixture import Mixture, fit
from stages.encoders.words import Tokens

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(60, 4)) + 3 * (np.arange(60) % 3)[:, None]
HYBRID = fit(np.concatenate([VECTORS, RNG.laplace(size=(60, 4))]), 3, "hglmm", iterations=5, seed=0)[0]


def tokens(*captions: list[int]) -> Tokens:
    rows = [row for caption in captions for row in caption]
    return Tokens(np.array(rows, np.int32), np.array([len(caption) for caption in captions], np.int32))


def test_the_gaussian_half_is_scikit_image_s() -> None:
    """But for a factor 1 / sqrt(T), its sign of the deviations, and its mixing weights."""
    model = GaussianMixture(3, covariance_type="diag", random_state=0).fit(VECTORS)
    deviation = np.sqrt(model.covariances_)
    ours = Mixture(model.means_, deviation, model.means_, deviation, np.zeros((3, 4), bool), model.weights_)
    caption = [0, 5, 5, 17, 40]
    summed = fisher.summed(fisher.word_fisher(VECTORS, ours.posteriors(VECTORS), ours), tokens(caption))[0]
    theirs = fisher_vector(VECTORS[caption], model)
    np.testing.assert_allclose(summed[:12] / np.sqrt(5), theirs[3:15], rtol=1e-4)
    np.testing.assert_allclose(summed[12:] / np.sqrt(5), -theirs[15:], rtol=1e-4)


def test_one_word_by_hand() -> None:
    """Two dimensions, the first Laplacian; a word at its location has the sign +."""
    one = Mixture(*(np.array([values], float) for values in ([2, 9], [0.5, 9], [9, 1], [9, 2])), np.array([[True, False]]), np.ones(1))
    words = np.array([[2.0, 5], [1, 1]])
    found = fisher.word_fisher(words, np.array([[1.0], [0.5]]), one)
    np.testing.assert_allclose(found, [[1, 2, -1, 3 / np.sqrt(2)], [-0.5, 0, 0.5, -0.5 / np.sqrt(2)]], rtol=1e-6)
    np.testing.assert_allclose(fisher.summed(found, tokens([0, 1], [], [1, 1])), [
        [0.5 / np.sqrt(2), 2 / np.sqrt(2), -0.5 / np.sqrt(2), 1.25], [0] * 4, [-0.5 * np.sqrt(2), 0, 0.5 * np.sqrt(2), -0.5],
    ], rtol=1e-6)  # fmt: skip


def log_likelihood(mixture: Mixture, words: np.ndarray) -> float:
    return float(np.logaddexp.reduce(mixture.log_joint(words), axis=1).sum())


def test_a_fisher_vector_is_the_gradient_of_the_log_likelihood() -> None:
    """By differences, over the root of its information: 1 / s of location and scale, 1 / sigma of mu, sqrt(2) / sigma of sigma."""
    caption, step = [3, 10, 25, 41], 1e-6
    words = fisher.word_fisher(VECTORS, HYBRID.posteriors(VECTORS), HYBRID)
    summed = fisher.summed(words, tokens(caption))[0].reshape(2, *HYBRID.mean.shape)
    for part, k, d in np.ndindex(summed.shape):
        laplacian = HYBRID.laplacian[k, d]
        name = (("mean", "deviation"), ("location", "scale"))[int(laplacian)][part]
        sides = []
        for change in (step, -step):
            values = getattr(HYBRID, name).copy()
            values[k, d] += change
            sides.append(log_likelihood(dataclasses.replace(HYBRID, **{name: values}), VECTORS[caption]))
        unit = HYBRID.scale[k, d] if laplacian else HYBRID.deviation[k, d] / (1, np.sqrt(2))[part]
        gradient = (sides[0] - sides[1]) / (2 * step) * unit / np.sqrt(len(caption) * HYBRID.prior[k])
        assert summed[part, k, d] == pytest.approx(gradient, abs=1e-5), (name, k, d)


def test_improved_by_hand() -> None:
    found = fisher.improved(np.array([[4, -9, 0, 0], [0, 0, 0, 0]], np.float32))
    np.testing.assert_allclose(found, [[2 / np.sqrt(13), -3 / np.sqrt(13), 0, 0], [0, 0, 0, 0]], rtol=1e-6)


def by_word(caption: list[int]) -> np.ndarray:
    """One caption's improved Fisher vector, word by word, component by component, dimension by dimension."""
    first, second = np.zeros((2, *HYBRID.mean.shape))
    for row in caption:
        shares = HYBRID.posteriors(VECTORS[[row]])[0]
        for k, d in np.ndindex(*HYBRID.mean.shape):
            x, weight = VECTORS[row, d], shares[k] / np.sqrt(HYBRID.prior[k] * len(caption))
            if HYBRID.laplacian[k, d]:
                first[k, d] += weight * (1 if x >= HYBRID.location[k, d] else -1)
                second[k, d] += weight * (abs(x - HYBRID.location[k, d]) / HYBRID.scale[k, d] - 1)
            else:
                z = (x - HYBRID.mean[k, d]) / HYBRID.deviation[k, d]
                first[k, d] += weight * z
                second[k, d] += weight * (z * z - 1) / np.sqrt(2)
    whole = np.concatenate([first.ravel(), second.ravel()])
    rooted = np.sign(whole) * np.sqrt(np.abs(whole))
    return rooted / np.linalg.norm(rooted)


def test_sentences_by_chunks_are_those_word_by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HYBRID.laplacian.any() and not HYBRID.laplacian.all()
    captions = [[3, 3, 8], [59], [], [1, 2, 3, 4, 5, 6], [8, 0]]
    expected = np.array([by_word(caption) if caption else np.zeros(24) for caption in captions])
    for size in (2, 100):
        monkeypatch.setattr(fisher, "CHUNK", size)
        chunks = list(fisher.encoded(tokens(*captions), VECTORS, HYBRID))
        assert [(rows.start, rows.stop) for rows, _ in chunks] == ([(0, 2), (2, 4), (4, 5)] if size == 2 else [(0, 5)])
        np.testing.assert_allclose(np.concatenate([values for _, values in chunks]), expected, atol=1e-6)
        ((_, part),) = list(fisher.encoded(tokens(*captions), VECTORS, HYBRID, part=np.array([4, 1])))
        np.testing.assert_allclose(part, expected[[4, 1]], atol=1e-6)


def test_pca_by_covariance_is_scikit_learn_s() -> None:
    rows = (RNG.normal(size=(500, 20)) * np.linspace(3, 0.5, 20) + 2).astype(np.float32)
    found = fisher.learn_projection([rows[:200], rows[200:201], rows[201:]], 7)
    theirs = PCA(7, svd_solver="full").fit(rows.astype(float))
    signs = np.sign((found.components * theirs.components_).sum(1))
    np.testing.assert_allclose(found.components, signs[:, None] * theirs.components_, atol=1e-5)
    np.testing.assert_allclose(found.apply(rows), signs * theirs.transform(rows), atol=1e-4)
    assert found.share == pytest.approx(theirs.explained_variance_ratio_.sum(), rel=1e-5)
    largest = found.components[np.arange(7), np.abs(found.components).argmax(1)]
    assert (largest > 0).all()


def test_more_components_than_there_are_is_one_sentence() -> None:
    with pytest.raises(UserError, match="PCA to 6 components is asked of 30 captions of 5 components: keep 5 at most"):
        fisher.learn_projection([np.zeros((30, 5), np.float32)], 6)
