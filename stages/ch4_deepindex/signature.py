"""The global image signature (Section 4.3.3): root features, their Hellinger distance, and how they are stored.

All patches of an image share its signature, so the factor c of Eq. 4.4 and 4.5 multiplies the image's whole score.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError

STORED = ("float32", "float16", "pq")  # a component in 4 or 2 bytes; product quantisation, PIECE components in a byte
PIECE = 8
BLOCK = 1024  # codes that are decoded at a time
LEAST = 256  # vectors, without which the quantiser's 256 centroids cannot be learned


def root(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root features (..., D): L1-normalised, then the square root of each component; a zero vector stays zero.

    Components below 0, which only PCA makes, keep their sign, so that the kernel of a vector with itself still is 1.
    """
    sums = np.abs(features).sum(axis=-1, keepdims=True)
    shares = np.divide(features, sums, out=np.zeros_like(features), where=sums > 0)
    return np.sign(shares) * np.sqrt(np.abs(shares))


def matching(distances: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """c of Eq. 4.4; of Eq. 4.5, where `distances` is the sum of row and column. With a minus: the printed plus would reward distance."""
    return np.exp(-alpha * distances)


@dataclass(frozen=True)
class Signatures:
    """The root features of one layer, as stored: (n, D) float32 or float16, or (n, D / PIECE) codes, uint8, of a quantiser."""

    values: NDArray
    quantiser: Any = None

    def distances(self, query: NDArray[np.float32], images: NDArray[np.int64]) -> NDArray[np.float64]:
        """d = 2 - 2 S of Section 4.3.3 between a root feature (D,) and those of some images, each on its own."""
        if self.values.dtype == np.float32:
            kernels = _products(query, self.values, images)
        else:
            blocks = (self._decoded(images[first : first + BLOCK]) for first in range(0, len(images), BLOCK))
            kernels = np.concatenate([np.zeros(0), *(_products(query, block, np.arange(len(block))) for block in blocks)])
        return np.maximum(2 - 2 * kernels.astype(np.float64), 0)  # rounding, and quantisation, may leave the kernel above 1

    def _decoded(self, images: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.quantiser is not None:
            return self.quantiser.decode(self.values[images])
        import torch  # five times as fast as numpy here

        return torch.from_numpy(self.values[images]).float().numpy()


def _products(query: NDArray[np.float32], values: NDArray[np.float32], images: NDArray[np.int64]) -> NDArray[np.float32]:
    # Without a copy of the rows, and one by one: BLAS would make a row's last bits depend on how many there are.
    found = np.empty(len(images), np.float32)
    query, images = np.ascontiguousarray(query, np.float32), np.ascontiguousarray(images, np.int64)
    if len(images):
        pointers = [faiss.swig_ptr(array) for array in (found, query, values, images)]
        faiss.fvec_inner_products_by_idx(*pointers, len(query), 1, len(images))  # type: ignore[attr-defined]
    return found


def quantiser(roots: NDArray[np.float32], seed: int) -> Any:
    """A product quantiser of PIECE components a byte, learned from the root features of patches (n, 14, D)."""
    training = np.ascontiguousarray(roots.reshape(-1, roots.shape[-1]))
    count, dimensions = training.shape
    if dimensions % PIECE or count < LEAST:
        raise UserError(
            f"signatures of {dimensions} components, learned from {count} patches, cannot be product-quantised: the components must be a "
            f"multiple of {PIECE}, the patches {LEAST} or more: store float16"
        )
    made = faiss.ProductQuantizer(dimensions, dimensions // PIECE, 8)
    made.cp.seed = seed
    made.cp.min_points_per_centroid = 1
    made.train(training)
    return made


def store(roots: NDArray[np.float32], kind: str, made: Any = None) -> Signatures:
    """Root features (n, D) as `kind` of STORED has them; `made` is the quantiser of kind pq."""
    if kind == "pq":
        return Signatures(made.compute_codes(np.ascontiguousarray(roots)), made)
    return Signatures(np.ascontiguousarray(roots, np.dtype(kind)))


def save_quantiser(made: Any, file: Path) -> None:
    """Write a product quantiser's centroids, (M, 256, PIECE) float32."""
    np.save(file, faiss.vector_to_array(made.centroids).reshape(made.M, made.ksub, made.dsub))


def load_quantiser(file: Path) -> Any:
    """Read what `save_quantiser` wrote."""
    centroids = np.load(file)
    made = faiss.ProductQuantizer(centroids.shape[0] * centroids.shape[2], centroids.shape[0], 8)
    faiss.copy_array_to_vector(centroids.ravel(), made.centroids)
    return made
