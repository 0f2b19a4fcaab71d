"""What stages compute outside PyTorch, as hashes, for determinism.py, which has pinned the instruction sets before it imports this."""

import hashlib
import io
import math
from collections.abc import Iterator

import faiss
import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2luv
from skimage.feature import canny
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.svm import LinearSVC

from stages.encoders import fisher, mixture
from stages.encoders.words import Tokens
from stages.matching import cca
from stages.metrics.correspondence import thin

Line = tuple[str, str]


def hashed(*values: object) -> str:
    """Eight digits of the bytes of tensors, arrays, numbers or files."""
    digest = hashlib.md5(usedforsecurity=False)
    for value in values:
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        digest.update(array if isinstance(array, bytes) else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:8]


def libraries() -> Iterator[Line]:
    """What stages compute outside PyTorch."""
    random = np.random.default_rng(0)
    values, vectors = random.random(5000) + 0.1, random.random((700, 48), dtype=np.float32)
    single = values.astype(np.float32)
    picture, bytes_ = random.random((60, 80)), np.kron(random.integers(0, 256, (20, 25, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    yield "libm", hashed([[math.exp(-x), math.log(x), math.sin(x), math.cos(x), x**0.37, math.atan2(x, 2)] for x in values.tolist()])
    yield "NumPy functions", hashed(*(of(x) for of in (np.exp, np.log, np.sin, np.sqrt, np.tanh) for x in (values, single)), single**0.37)
    yield "NumPy sums", hashed(values.sum(), single.sum(), single.std(), vectors.mean(0), np.linalg.norm(vectors, axis=1))
    yield "NumPy products", hashed(vectors @ vectors.T, vectors.astype(float) @ vectors.T.astype(float), vectors @ vectors[0])
    yield "NumPy eigenvectors", hashed(*np.linalg.eigh(np.cov(vectors.T)))
    yield "SciPy", hashed(
        ndimage.gaussian_filter(picture, 1.7), ndimage.convolve1d(picture.astype(np.float32), [0.2, 0.3, 0.5]),
        ndimage.map_coordinates(picture, random.random((2, 500)) * 50, order=1), ndimage.distance_transform_edt(picture > 0.9),
    )  # fmt: skip
    yield "scikit-image", hashed(rgb2luv(bytes_), canny(picture, 1.5))
    labels = vectors[:, 0] > 0.5
    yield "scikit-learn", hashed(LinearSVC().fit(vectors, labels).coef_, PCA(10, svd_solver="covariance_eigh").fit(vectors).components_)
    exact = TSNE(perplexity=10, max_iter=300, method="exact", init="pca", random_state=0)
    yield "t-SNE, exact", hashed(exact.fit_transform(vectors[:80].astype(float)))
    rotation, _ = mixture.learn_rotation(vectors, 0)
    yield "FastICA", hashed(rotation.matrix)
    turned = rotation.apply(vectors)
    fitted, likelihoods = mixture.fit(turned, 5, "hglmm", iterations=4, seed=0)
    yield "HGLMM", hashed(fitted.location, fitted.deviation, fitted.laplacian, fitted.prior, likelihoods)
    captions = Tokens(random.integers(0, 700, 4000).astype(np.int32), np.full(500, 8, np.int32))
    fisher_vectors = [chunk for _, chunk in fisher.encoded(captions, turned, fitted)]
    yield "Fisher vectors", hashed(*fisher_vectors)
    projection = fisher.learn_projection(fisher_vectors, 40)
    yield "PCA by covariance", hashed(projection.components, projection.apply(fisher_vectors[0]))
    pairs = np.arange(len(vectors))
    canonical = cca.fit(cca.moments(vectors[:, :20], vectors[:, 20:], pairs, pairs), 0.1, 20)
    yield "CCA", hashed(canonical.correlations, *canonical.embed(vectors[:, :20], vectors[:, 20:]))
    yield "numba", hashed(thin(picture > 0.7))
    image = Image.fromarray(bytes_)
    yield "Pillow resize", hashed(*(image.resize((57, 91), kind) for kind in (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)))
    yield "Pillow JPEG", hashed(encoded(image, "JPEG", quality=90), Image.open(io.BytesIO(encoded(image, "JPEG", quality=90))))
    yield "Pillow PNG", hashed(*(encoded(image, "PNG", compress_level=level) for level in (0, 6, 9)))
    faiss.omp_set_num_threads(1)
    kmeans = faiss.Kmeans(48, 50, niter=5, seed=1, min_points_per_centroid=1)
    kmeans.train(vectors)
    yield "faiss k-means", hashed(kmeans.centroids)
    for kind in (faiss.IndexFlatL2, faiss.IndexFlatIP):
        index = kind(48)
        index.add(vectors)
        yield f"faiss {kind.__name__}", hashed(*index.search(vectors[:30], 9))
    quantiser = faiss.ProductQuantizer(48, 12, 4)
    quantiser.train(vectors)
    yield "faiss ProductQuantizer", hashed(faiss.vector_to_array(quantiser.centroids), quantiser.compute_codes(vectors))


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
