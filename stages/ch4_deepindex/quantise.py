"""From patch features to visual words (Section 4.2.2): PCA (Section 4.4.2), k-means by faiss (the thesis's: FLANN's), nearest words."""

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError


@dataclass(frozen=True)
class Projection:
    """PCA: mean (D,), components (d, D), the largest variance first."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]

    def apply(self, features: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
        """The first `dimensions` components of features (..., D), L2-normalised again."""
        return normalised((features - self.mean) @ self.components[:dimensions].T)


def normalised(features: NDArray) -> NDArray[np.float32]:
    """Vectors (..., D) of Euclidean norm 1; a zero vector stays zero."""
    features = features.astype(np.float32)
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.divide(features, norms, out=np.zeros_like(features), where=norms > 0)


def learn_projection(features: NDArray[np.float32], dimensions: int) -> Projection:
    """PCA of patch features (n, D) to the leading `dimensions`."""
    from sklearn.decomposition import PCA

    if dimensions > min(features.shape):
        raise UserError(
            f"PCA to {dimensions} dimensions needs as many patches and as many components; there are {len(features)} patches of "
            f"{features.shape[1]}: ask for fewer dimensions"
        )
    found = PCA(dimensions, svd_solver="covariance_eigh").fit(features)
    return Projection(found.mean_.astype(np.float32), found.components_.astype(np.float32))


def learn_codebook(features: NDArray[np.float32], size: int, *, iterations: int, seed: int) -> NDArray[np.float32]:
    """A codebook (size, D) of patch features (n, D) by k-means, from all patches."""
    if size > len(features):
        raise UserError(f"a codebook of {size} words is larger than its training set of {len(features)} patches: make it smaller")
    kmeans = faiss.Kmeans(
        features.shape[1], size, niter=iterations, seed=seed, min_points_per_centroid=1, max_points_per_centroid=len(features)
    )
    kmeans.train(np.ascontiguousarray(features, np.float32))
    return np.asarray(kmeans.centroids)


def nearest(features: NDArray[np.float32], codebook: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The `count` nearest words of each patch, nearest first: (..., D) to (..., count)."""
    if count > len(codebook):
        raise UserError(f"{count} words a patch are asked for, and the codebook has {len(codebook)}: assign fewer")
    index = faiss.IndexFlatL2(codebook.shape[1])
    index.add(np.ascontiguousarray(codebook, np.float32))
    flat = np.ascontiguousarray(features.reshape(-1, features.shape[-1]), np.float32)
    _, words = index.search(flat, count)
    return words.reshape(*features.shape[:-1], count)
