"""Mixtures of word vectors: EM against scikit-learn's, known samples, hand-worked steps, a likelihood that never falls."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from stages.core.errors import UserError
from stages.encoders import mixture
from stages.encoders.mixture import Mixture, Rotation, fit, learn_rotation


def blobs(seed: int = 0) -> np.ndarray:
    """Two far clusters of 400 and 200, in 3 dimensions: the last Laplacian, the others Gaussian."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(size=(600, 2)) * [1, 2], rng.laplace(size=(600, 1))], axis=1)
    values[400:] += 20
    return values


def test_the_gaussian_half_is_scikit_learn_s() -> None:
    vectors = blobs()
    ours, likelihoods = fit(vectors, 2, "gmm", iterations=20, seed=3)
    theirs = GaussianMixture(2, covariance_type="diag", tol=1e-9, max_iter=100, reg_covar=0, means_init=ours.mean).fit(vectors)
    np.testing.assert_allclose(ours.mean, theirs.means_, rtol=1e-4)
    np.testing.assert_allclose(ours.deviation**2, theirs.covariances_, rtol=1e-4)
    np.testing.assert_allclose(ours.prior, theirs.weights_, rtol=1e-4)
    np.testing.assert_allclose(ours.posteriors(vectors), theirs.predict_proba(vectors), atol=1e-6)
    assert likelihoods[-1] == pytest.approx(theirs.score(vectors), rel=1e-6)


def test_each_dimension_takes_the_half_that_fits_it() -> None:
    fitted, _ = fit(blobs(), 2, "hglmm", iterations=10, seed=3)
    assert fitted.laplacian.tolist() == [[False, False, True]] * 2
    assert sorted(fitted.prior.tolist()) == pytest.approx([1 / 3, 2 / 3], abs=1e-3)


@pytest.mark.parametrize(("draw", "laplacian"), [("normal", False), ("laplace", True)])
def test_one_component_is_the_closed_form(draw: str, laplacian: bool) -> None:
    """s / sigma is .798 for Gaussian and .707 for Laplacian values, and the Laplacian is taken below .760."""
    values = getattr(np.random.default_rng(1), draw)(size=(5001, 1))
    fitted, likelihoods = fit(values, 1, "hglmm", iterations=1, seed=0)
    assert fitted.laplacian.tolist() == [[laplacian]]
    assert fitted.location[0, 0] == np.median(values) and fitted.mean[0, 0] == pytest.approx(values.mean())
    scale = np.abs(values - np.median(values)).mean()
    assert fitted.scale[0, 0] == pytest.approx(scale) and fitted.deviation[0, 0] == pytest.approx(values.std())
    assert (scale / values.std() < np.sqrt(np.pi / (2 * np.e))) == laplacian
    best = -np.log(2 * scale) - 1 if laplacian else -np.log(values.std()) - 0.5 * np.log(2 * np.pi) - 0.5
    assert likelihoods[-1] == pytest.approx(best)


@pytest.mark.parametrize("kind", ["gmm", "lmm", "hglmm"])
@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_never_falls(kind: mixture.Kind, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = np.concatenate([rng.laplace(size=(150, 5)), rng.normal(size=(150, 5)) * 3 + 1])
    vectors[:40] = vectors[0]  # one word over and over: what floors are for
    fitted, likelihoods = fit(vectors, 6, kind, iterations=25, seed=seed)
    assert np.diff(likelihoods).min() > -1e-10 and likelihoods[-1] > likelihoods[0]
    assert all(np.isfinite(values).all() for values in (fitted.scale, fitted.deviation, fitted.location, fitted.mean))
    assert (fitted.scale > 0).all() and (fitted.deviation > 0).all() and fitted.prior.sum() == pytest.approx(1)


def test_the_weighted_median_is_the_lower_one() -> None:
    vectors = np.array([[1.0], [2.0], [10.0], [20.0]])
    order = np.argsort(vectors, axis=0).astype(np.int32)
    shares = np.array([[0.1, 0.9], [0.4, 0.6], [0.25, 0.75], [0.25, 0.75]])
    step = mixture._maximised(vectors, order, shares, "lmm", (np.full(1, 0.1), np.full(1, 0.1)))
    assert step.location.tolist() == [[2.0], [2.0]]  # half of the weight, .5 of 1 and 1.5 of 3, is reached by .1 + .4 and .9 + .6
    assert step.scale[0, 0] == pytest.approx(0.1 * 1 + 0.25 * 8 + 0.25 * 18)
    assert step.mean[1, 0] == pytest.approx((0.9 + 1.2 + 7.5 + 15) / 3) and step.prior.tolist() == [0.25, 0.75]


def test_posteriors_by_hand() -> None:
    """At 1, Laplacian at 0 of scale 1 against Gaussian at 2 of deviation 1."""
    two = Mixture(
        *(np.array(values) for values in ([[0.0], [5]], [[1.0], [1]], [[7.0], [2]], [[1.0], [1]])),
        np.array([[True], [False]]),
        np.full(2, 0.5),
    )
    laplacian, gaussian = np.exp(-1) / 2, np.exp(-0.5) / np.sqrt(2 * np.pi)
    expected = [laplacian / (laplacian + gaussian), gaussian / (laplacian + gaussian)]
    np.testing.assert_allclose(two.posteriors(np.array([[1.0]])), [expected])


def test_the_rotation_finds_independent_components() -> None:
    """Of Laplacian sources that were mixed, each component is one; what is applied has the length 10."""
    rng = np.random.default_rng(0)
    sources = rng.laplace(size=(4000, 3))
    vectors = (sources @ rng.normal(size=(3, 3))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rotation, about = learn_rotation(vectors, seed=1)
    again, _ = learn_rotation(vectors, seed=1)
    assert np.array_equal(rotation.matrix, again.matrix) and about["ica_converged"]
    turned = (vectors - rotation.mean) @ rotation.matrix.T
    np.testing.assert_allclose(np.cov(turned.T), np.eye(3), atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(rotation.apply(vectors), axis=1), 10)
    np.testing.assert_allclose(Rotation().apply(2 * vectors), 10 * vectors, rtol=1e-5)
    assert Rotation().apply(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_what_cannot_be_fitted_is_one_sentence() -> None:
    with pytest.raises(UserError, match="a mixture of 5 components is to be fitted to 4 words: ask for fewer"):
        fit(np.eye(4), 5, "gmm", iterations=1, seed=0)
    with pytest.raises(UserError, match="do not differ in dimension 1"):
        fit(np.array([[0.0, 1], [1, 1], [2, 1]]), 2, "gmm", iterations=1, seed=0)
    with pytest.raises(UserError, match="independent components of 4 dimensions are sought in 4 words: take a larger share"):
        learn_rotation(np.eye(4), 0)
