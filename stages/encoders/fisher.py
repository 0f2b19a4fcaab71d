"""Sentences as Fisher vectors of a mixture (Klein et al. [51], Section 5.3.1), and PCA of more of them than memory holds.

A sentence's Fisher vector is the sum of what its words add, so it is a row of counts times a matrix of words, whose 2 K d columns
are the locations of all components, and then all scales.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from stages.core import arrays
from stages.core.errors import UserError
from stages.encoders.mixture import Floats, Mixture, Rotation
from stages.encoders.words import Tokens, compact

PARTS = ("rotation", "mixture", "projection")  # of an `Encoder`
CHUNK = 2048  # captions at a time: of 18,000 dimensions 150 MB, and about as much for their words

Chunk = tuple[slice, NDArray[np.float32]]


@dataclass(frozen=True)
class Projection:
    """PCA: mean (E,), components (kept, E) of the largest variance first; share : of the variance that they keep."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    share: float

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, E) to (n, kept)."""
        return np.matmul(rows - self.mean, self.components.T, dtype=np.float32)


@dataclass(frozen=True)
class Encoder:
    """All that is fitted: what turns word vectors, the mixture, and PCA where there is one."""

    rotation: Rotation
    mixture: Mixture
    projection: Projection | None = None

    @property
    def width(self) -> int:
        """How many dimensions a sentence has."""
        return 2 * self.mixture.mean.size if self.projection is None else len(self.projection.components)

    def encode(self, tokens: Tokens, vectors: NDArray[np.float32]) -> Iterator[Chunk]:
        """What sentences become, CHUNK at a time, in the words of these vectors (V, d)."""
        for which, rows in encoded(tokens, self.rotation.apply(vectors), self.mixture):
            yield which, self.projection.apply(rows) if self.projection else rows

    def save(self, file: Path) -> None:
        """Write what `load` reads, a .npz."""
        there = [(part, vars(getattr(self, part))) for part in PARTS if getattr(self, part) is not None]
        np.savez(file, **{f"{part}.{name}": value for part, values in there for name, value in values.items() if value is not None})

    @classmethod
    def load(cls, file: Path) -> "Encoder":
        """What `save` wrote; a UserError where it is missing or damaged."""
        fitted = arrays.read_all(file)
        parts = {part: {name.partition(".")[2]: fitted[name] for name in fitted if name.startswith(f"{part}.")} for part in PARTS}
        pca = parts["projection"]
        projection = Projection(pca["mean"], pca["components"], float(pca["share"])) if pca else None
        return cls(Rotation(**parts["rotation"]), Mixture(**parts["mixture"]), projection)


def word_fisher(vectors: Floats, shares: Floats, mixture: Mixture) -> NDArray[np.float32]:
    """What each word adds to its sentence's Fisher vector, (V, 2 K d), but for the root of the sentence's length.

    vectors : (V, d). shares : their posteriors, (V, K). As in FV.cpp of [51]'s package: of a Laplacian sign(x - m), where a
    zero has the sign +, and |x - m| / s - 1; of a Gaussian z = (x - mu) / sigma and (z^2 - 1) / sqrt(2); all of them times
    the posterior and 1 / sqrt(prior).
    """
    count, (components, dimensions) = len(vectors), mixture.mean.shape
    found = np.empty((count, 2, components, dimensions), np.float32)
    for k in range(components):
        offset, z = vectors - mixture.location[k], (vectors - mixture.mean[k]) / mixture.deviation[k]
        first = np.where(mixture.laplacian[k], np.where(offset >= 0, 1, -1), z)
        second = np.where(mixture.laplacian[k], np.abs(offset) / mixture.scale[k] - 1, (z**2 - 1) / np.sqrt(2))
        weight = (shares[:, k] / np.sqrt(mixture.prior[k]))[:, None]
        found[:, 0, k], found[:, 1, k] = weight * first, weight * second
    return found.reshape(count, -1)


def summed(words: NDArray[np.float32], tokens: Tokens) -> NDArray[np.float32]:
    """Fisher vectors (M, E) of sentences: the sum over a sentence's T words by 1 / sqrt(T); zeros where there is none."""
    return (_counts(tokens, len(words)) @ words) / np.sqrt(np.maximum(tokens.lengths, 1), dtype=np.float32)[:, None]


def improved(fisher: NDArray[np.float32]) -> NDArray[np.float32]:
    """Signed square roots, then of length 1 over all components; zeros stay so."""
    rooted = np.copysign(np.sqrt(np.abs(fisher)), fisher)
    norms = np.linalg.norm(rooted, axis=1, keepdims=True)
    return np.divide(rooted, norms, out=np.zeros_like(rooted), where=norms > 0)


def encoded(tokens: Tokens, vectors: Floats, mixture: Mixture, *, part: NDArray[np.int64] | None = None) -> Iterator[Chunk]:
    """Improved Fisher vectors of the captions, or of those of the indices `part`, CHUNK at a time: their places among them, (n, 2 K d).

    Of the words' matrix, which would be gigabytes, only the rows of a chunk's words are there at a time.
    """
    shares, starts = mixture.posteriors(vectors), tokens.starts
    captions = np.arange(len(tokens.lengths)) if part is None else part
    for first in range(0, len(captions), CHUNK):
        chosen = captions[first : first + CHUNK]
        rows = np.concatenate([tokens.rows[starts[caption] : starts[caption + 1]] for caption in chosen])
        present, own = compact(rows, len(vectors))
        words = word_fisher(vectors[present], shares[present], mixture)
        yield slice(first, first + len(chosen)), improved(summed(words, Tokens(own, tokens.lengths[chosen])))


def learn_projection(chunks: Iterable[NDArray[np.float32]], kept: int) -> Projection:
    """PCA of all rows of chunks (n, E) to `kept` components, by their covariance, so that only one chunk is in memory.

    Of the two signs of a component the one is taken by which its largest entry is positive.
    """
    count, total, products = 0, np.zeros(0), np.zeros((0, 0))
    for chunk in chunks:
        if not count:
            total, products = np.zeros(chunk.shape[1]), np.zeros((chunk.shape[1], chunk.shape[1]))
        count += len(chunk)
        total += chunk.sum(0, dtype=np.float64)
        products += chunk.T @ chunk  # float32 within a chunk, float64 from chunk to chunk
    width = len(total)
    if kept > (most := min(width, count - 1)):
        raise UserError(f"PCA to {kept} components is asked of {count} captions of {width} components: keep {most} at most")
    mean = total / count
    products /= count
    products -= np.outer(mean, mean)
    variance = products.trace()
    values, vectors = linalg.eigh(products, subset_by_index=(width - kept, width - 1), overwrite_a=True, check_finite=False)
    components = vectors.T[::-1]
    components = components * np.sign(components[np.arange(kept), np.abs(components).argmax(1)])[:, None]
    return Projection(mean.astype(np.float32), np.ascontiguousarray(components, np.float32), float(values.sum() / variance))


def _counts(tokens: Tokens, words: int) -> sparse.csr_matrix:
    """How often each caption has each word, (M, V)."""
    ones = np.ones(len(tokens.rows), np.float32)
    counts = sparse.csr_matrix((ones, tokens.rows, tokens.starts), shape=(len(tokens.lengths), words))
    counts.sum_duplicates()
    return counts
