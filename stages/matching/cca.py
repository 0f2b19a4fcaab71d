"""Regularised canonical correlation analysis of image and text features: the baseline that networks are to be above.

    python -m stages.matching.cca flickr30k resnet152

Of the training pairs, centred, the directions a_k, b_k of images and texts whose projections correlate most, where
variances are raised by a ridge: the singular vectors of (Cxx + r I)^-1/2 Cxy (Cyy + r I)^-1/2. Which of
`matching.cca.ridges`, the validation part says, by the mean of its six recalls. By each encoder of sentences in force,
one after the other; writes the test part's embeddings as `stages.matching.store` has them, as the model `cca-<encoder>`.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from stages.core import json_files, metrics, provenance, stage
from stages.core.errors import UserError
from stages.matching import features, store
from stages.matching.cca_settings import Cca
from stages.matching.finite import check_finite
from stages.metrics.recall import cosines, evaluate

CHUNK = 1024  # images at a time, and their texts: 250 MB of 6000 dimensions

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Means (D,), (E,) and covariances (D, D), (E, E), (D, E) of the pairs of images and texts."""

    image_mean: Array
    text_mean: Array
    images: Array
    texts: Array
    across: Array


@dataclass(frozen=True)
class Projection:
    """Directions of images (D, d) and texts (E, d), and the correlations along them (d,), in falling order."""

    image_mean: Array
    text_mean: Array
    images: Array
    texts: Array
    correlations: Array

    def embed(self, images: NDArray, texts: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features (n, D) and (m, E) in the common space, (n, d) and (m, d)."""
        return _projected(images, self.image_mean, self.images), _projected(texts, self.text_mean, self.texts)


def _projected(rows: NDArray, mean: Array, directions: Array) -> NDArray[np.float32]:
    narrow, shift = directions.astype(np.float32), (mean @ directions).astype(np.float32)
    chunks = [rows[first : first + CHUNK].astype(np.float32) @ narrow - shift for first in range(0, len(rows), CHUNK)]
    return np.concatenate(chunks) if chunks else np.empty((0, directions.shape[1]), np.float32)


def moments(images: NDArray, texts: NDArray, image_of: NDArray[np.int64], chosen: NDArray[np.int64]) -> Moments:
    """Of pairs, a text with its image; images (N, D) and texts (M, E) of any float, a chunk of them as float64.

    image_of : (M,). chosen : of the images those whose pairs count. An image counts once for each of its texts, and is
    multiplied once: its texts are added up first.
    """
    wide, tall = images.shape[1], texts.shape[1]
    image_sum, text_sum, pairs = np.zeros(wide), np.zeros(tall), 0
    within_images, within_texts, across = np.zeros((wide, wide)), np.zeros((tall, tall)), np.zeros((wide, tall))
    for first in range(0, len(chosen), CHUNK):
        numbers = chosen[first : first + CHUNK]
        place = np.full(len(images), -1)
        place[numbers] = np.arange(len(numbers))
        rows = np.flatnonzero(place[image_of] >= 0)
        one, own = images[numbers].astype(np.float64), texts[rows].astype(np.float64)
        entries = np.ones(len(rows)), (place[image_of[rows]], np.arange(len(rows)))
        owner = sparse.csr_array(entries, (len(numbers), len(rows)))
        weight = owner.sum(axis=1)
        image_sum += weight @ one
        text_sum += own.sum(axis=0)
        pairs += len(rows)
        within_images += one.T @ (one * weight[:, None])
        within_texts += own.T @ own
        across += one.T @ (owner @ own)
    image_mean, text_mean = image_sum / pairs, text_sum / pairs
    return Moments(
        image_mean,
        text_mean,
        within_images / pairs - np.outer(image_mean, image_mean),
        within_texts / pairs - np.outer(text_mean, text_mean),
        across / pairs - np.outer(image_mean, text_mean),
    )


def fit(of: Moments, ridge: float, dimensions: int) -> Projection:
    """The `dimensions` first canonical directions, fewer where features are narrower, of variance 1 with the ridge.

    ridge : in shares of the mean variance of each side, so that it means the same for features of any scale.
    """
    roots = [_root(covariance, ridge) for covariance in (of.images, of.texts)]
    whitened = linalg.solve_triangular(roots[0], of.across, lower=True)
    whitened = linalg.solve_triangular(roots[1], whitened.T, lower=True).T
    left, correlations, right = linalg.svd(whitened, full_matrices=False)
    kept = min(dimensions, len(correlations))
    images = linalg.solve_triangular(roots[0], left[:, :kept], lower=True, trans="T")
    texts = linalg.solve_triangular(roots[1], right[:kept].T, lower=True, trans="T")
    return Projection(of.image_mean, of.text_mean, images, texts, correlations[:kept])


def _root(covariance: Array, ridge: float) -> Array:
    """Cholesky's factor of a covariance with its ridge; a UserError where the ridge is too small for it."""
    raised = covariance + ridge * covariance.trace() / len(covariance) * np.eye(len(covariance))
    try:
        return linalg.cholesky(raised, lower=True)
    except linalg.LinAlgError as error:
        raise UserError(f"matching.cca.ridges has {ridge:g}, with which a covariance is singular: raise it") from error


def choose(of: Moments, settings: Cca, validation: features.Pairs) -> tuple[float, Projection, dict[str, float]]:
    """The ridge with the highest mean recall on the validation part (of equals the first), its projection, all recalls.

    A set without a validation part takes one ridge alone: a UserError, where there are several.
    """
    images, texts, image_of = (tensor.numpy() for tensor in (validation.images, validation.texts, validation.image_of))
    if not len(images):
        if len(settings.ridges) > 1:
            raise UserError("matching.cca.ridges has several, and this set no validation part to choose by: leave one")
        return settings.ridges[0], fit(of, settings.ridges[0], settings.dimensions), {}
    recalls: dict[str, float] = {}
    best: tuple[float, Projection] | None = None
    for ridge in settings.ridges:
        projection = fit(of, ridge, settings.dimensions)
        blocks = cosines(projection.embed(images, texts))
        scored = evaluate(blocks, np.arange(len(images)), image_of, name=f"CCA with ridge {ridge:g}")
        if best is None or scored["mean_recall"] > max(recalls.values()):
            best = ridge, projection
        recalls[f"{ridge:g}"] = scored["mean_recall"]
    assert best is not None
    return *best, recalls


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "images")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Cca, "matching.cca")
    made = job.data(f"features/matching/{args.dataset}")
    seen = job.dep(f"{made}/images/{args.images}")
    out = job.out(job.data(f"predictions/matching/{args.dataset}/cca-{args.images}"))
    out.mkdir(parents=True)
    notes = {}
    for text in job.param("matching.sentences"):
        folders = [seen, job.dep(f"{made}/texts/{text}")]
        read = features.read(*folders)
        check_finite(read, *folders)
        of = moments(read.images, read.texts, read.described.image_of, read.described.parts["train"])
        ridge, projection, recalls = choose(of, settings, read.pairs("val"))
        test = read.pairs("test")
        images, texts = (json_files.read(folder / "about.json", "determinism", stage=job.name) for folder in folders)
        about = {
            "determinism": metrics.least(images["determinism"], texts["determinism"]),
            "precision": images["precision"],
            "images": images,
            "texts": texts,
            "ridge": ridge,
            "validation_recalls": recalls,
            "correlations": projection.correlations[:10].tolist(),
        }
        embedded = projection.embed(test.images.numpy(), test.texts.numpy())
        store.save(out, store.Embedded(f"cca-{text}", None, *embedded, about))
        store.write_part(out, read.described)
        notes[text] = {"ridge": ridge, "validation_recalls": recalls}
    provenance.hand_on(seen, out)
    job.note(cca=notes)


if __name__ == "__main__":
    stage.execute(parser(), main)
