"""Hybrid Gaussian-Laplacian mixtures of word vectors, HGLMM (Klein et al. [51], Section 5.3.1), and both halves alone, GMM and LMM.

Each component has in each dimension a Laplacian (location m, scale s) and a Gaussian (mean mu, deviation sigma), of which the one
counts under which its words are more likely. Word vectors come near Laplacian after independent component analysis only:
without it hardly any dimension takes the Laplacian.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError

Floats = NDArray[np.float64]
Kind = Literal["gmm", "lmm", "hglmm"]

LENGTH = 10.0  # of a vector after its rotation, as in the package of [51]
FLOOR = 1e-3  # of a scale, or deviation, in that of all words: a component of one word would have none
ICA_ITERATIONS = 200
_CHUNK = 1 << 14  # words at a time


@dataclass(frozen=True)
class Rotation:
    """To unit length, to independent components, and to the length LENGTH: mean (d,), matrix (d, d), or None for no rotation."""

    mean: Floats | None = None
    matrix: Floats | None = None

    def apply(self, vectors: NDArray) -> Floats:
        """Word vectors (V, d) as mixtures take them; zeros stay so without a rotation."""
        turned = _of_length(vectors.astype(np.float64), 1)
        if self.mean is not None and self.matrix is not None:
            turned = (turned - self.mean) @ self.matrix.T
        return _of_length(turned, LENGTH)


@dataclass(frozen=True)
class Mixture:
    """K components over d dimensions.

    location, scale : of the Laplacians; mean, deviation : of the Gaussians, each (K, d). laplacian : bool (K, d), which counts.
    prior : (K,), sums to 1.
    """

    location: Floats
    scale: Floats
    mean: Floats
    deviation: Floats
    laplacian: NDArray[np.bool_]
    prior: Floats

    def log_joint(self, vectors: Floats) -> Floats:
        """log (prior times density) of vectors (V, d) under each component, (V, K)."""
        gaussian = ~self.laplacian
        constant = np.log(self.prior) - np.where(gaussian, np.log(self.deviation) + 0.5 * np.log(2 * np.pi), np.log(2 * self.scale)).sum(1)
        found = np.empty((len(vectors), len(self.prior)))
        for rows in _chunks(len(vectors)):
            for k, (flat, round_) in enumerate(zip(self.laplacian, gaussian, strict=True)):
                block = vectors[rows]
                near = np.abs(block[:, flat] - self.location[k, flat]) @ (1 / self.scale[k, flat])
                far = ((block[:, round_] - self.mean[k, round_]) / self.deviation[k, round_]) ** 2
                found[rows, k] = constant[k] - near - 0.5 * far.sum(1)
        return found

    def posteriors(self, vectors: Floats) -> Floats:
        """What share of each vector each component has, (V, K); rows sum to 1."""
        return _shares(self.log_joint(vectors))[0]


def learn_rotation(vectors: NDArray, seed: int) -> tuple[Rotation, dict[str, Any]]:
    """FastICA of unit vectors (V, d), as many components as dimensions; and what is to be said of it."""
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    if len(vectors) <= vectors.shape[1]:
        raise UserError(
            f"independent components of {vectors.shape[1]} dimensions are sought in {len(vectors)} words: take a larger share of them"
        )
    ica = FastICA(whiten="unit-variance", whiten_solver="eigh", max_iter=ICA_ITERATIONS, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in about.json
        ica.fit(_of_length(vectors.astype(np.float64), 1))
    about = {"ica_iterations": ica.n_iter_, "ica_converged": bool(ica.n_iter_ < ICA_ITERATIONS)}
    return Rotation(ica.mean_, ica.components_), about


def fit(vectors: Floats, components: int, kind: Kind, *, iterations: int, seed: int) -> tuple[Mixture, list[float]]:
    """Expectation maximisation from words drawn as centres, and the mean log-likelihood before each step and at the end: it never falls.

    vectors : (V, d), as `Rotation.apply` has them.
    """
    if components > len(vectors):
        raise UserError(f"a mixture of {components} components is to be fitted to {len(vectors)} words: ask for fewer")
    centres = vectors[np.random.default_rng(seed).choice(len(vectors), components, replace=False)]
    spread, deviation = np.abs(vectors - np.median(vectors, axis=0)).mean(0), vectors.std(0)
    if not (spread > 0).all():
        raise UserError(f"the word vectors do not differ in dimension {np.flatnonzero(spread == 0)[0]}: no mixture can be fitted to them")
    floors = (FLOOR * spread, FLOOR * deviation)
    shape = centres.shape
    mixture = Mixture(
        location=centres,
        scale=np.broadcast_to(spread, shape),
        mean=centres,
        deviation=np.broadcast_to(deviation, shape),
        laplacian=np.full(shape, kind != "gmm"),
        prior=np.full(components, 1 / components),
    )
    order = np.argsort(vectors, axis=0, kind="stable").astype(np.int32)
    likelihoods = []
    for _ in range(iterations):
        shares, likelihood = _shares(mixture.log_joint(vectors))
        likelihoods.append(float(likelihood.mean()))
        mixture = _maximised(vectors, order, shares, kind, floors)
    return mixture, [*likelihoods, float(_shares(mixture.log_joint(vectors))[1].mean())]


def _maximised(vectors: Floats, order: NDArray[np.int32], shares: Floats, kind: Kind, floors: tuple[Floats, Floats]) -> Mixture:
    """The M step: all four parameters, whichever counts, and then which counts.

    order : (V, d), the rows of each dimension from the least to the largest.
    """
    weight = shares.sum(0)
    mean = (shares.T @ vectors) / weight[:, None]
    variance = np.maximum((shares.T @ vectors**2) / weight[:, None] - mean**2, 0)
    location, spread = np.empty_like(mean), np.empty_like(mean)
    for dimension, rows in enumerate(order.T):
        values = vectors[:, dimension]
        summed = np.cumsum(shares[rows], axis=0)
        # The lower weighted median: the least value that half of the weight is not above.
        location[:, dimension] = values[rows[(summed < summed[-1] / 2).sum(0)]]
        spread[:, dimension] = (shares * np.abs(values[:, None] - location[:, dimension])).sum(0) / weight
    scale, deviation = np.maximum(spread, floors[0]), np.maximum(np.sqrt(variance), floors[1])
    # Of a word, on average, under each; at a floor the second terms are less than 1 and 1/2.
    flat = -np.log(2 * scale) - spread / scale
    round_ = -np.log(deviation) - 0.5 * np.log(2 * np.pi) - 0.5 * variance / deviation**2
    laplacian = flat > round_ if kind == "hglmm" else np.full(mean.shape, kind == "lmm")
    return Mixture(location, scale, mean, deviation, laplacian, weight / weight.sum())


def _shares(log_joint: Floats) -> tuple[Floats, Floats]:
    """Posteriors (V, K) and log-likelihoods (V,)."""
    largest = log_joint.max(1, keepdims=True)
    shares = np.exp(log_joint - largest)
    total = shares.sum(1, keepdims=True)
    return shares / total, (largest + np.log(total))[:, 0]


def _of_length(vectors: Floats, length: float) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(length * vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(first, first + _CHUNK) for first in range(0, count, _CHUNK))
