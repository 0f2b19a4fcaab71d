"""Codebooks learned from a data set's patches, and the nearest words of every patch (Section 4.2.2, Figure 4.6, Table 4.2).

    python -m stages.ch4_deepindex.codebooks holidays --seed 0

Each layer's codebook is learned on its own: of the size of Table 4.1, of those of Figure 4.6, and, for the layers of the best variant,
after PCA to the dimensions of Table 4.2. `words` are int32 (items, 14, most assignments), nearest first.
"""

import argparse
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.ch4_deepindex.about import load_about
from stages.ch4_deepindex.feature_settings import Codebooks, Vocabulary
from stages.ch4_deepindex.quantise import Projection, learn_codebook, learn_projection, nearest
from stages.core import stage
from stages.core.errors import UserError
from stages.core.seeds import seed_for
from stages.datasets.described import load_set


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", seed=True)


def codebook_file(folder: Path, layer: str, row: int | None = None) -> Path:
    """Where a layer's codebook is, of the size of Table 4.1; `row` is one of Table 4.2, None without PCA."""
    return folder / f"codebook_{layer}{f'_pca{row}' if row else ''}.npy"


def words_file(folder: Path, layer: str, size: int, row: int | None = None) -> Path:
    """Where the nearest words of a codebook of this size are."""
    return folder / f"words_{layer}_{size}{f'_pca{row}' if row else ''}.npy"


def save_projection(projection: Projection, folder: Path, layer: str) -> None:
    """Write the PCA of a layer's features."""
    np.savez(folder / f"pca_{layer}.npz", mean=projection.mean, components=projection.components)


def load_projection(folder: Path, layer: str) -> Projection:
    """Read what `save_projection` wrote."""
    with np.load(folder / f"pca_{layer}.npz") as stored:
        return Projection(stored["mean"], stored["components"])


def load_features(folder: Path, layer: str) -> NDArray[np.float32]:
    """Features of one layer, float32 (items, 14, D)."""
    return np.load(folder / f"{layer}.npy").astype(np.float32)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Codebooks, "ch4_deepindex.codebooks")
    own = job.settings(Vocabulary, f"ch4_deepindex.per_set.{args.dataset}")
    faiss.omp_set_num_threads(job.param("runtime.threads"))
    source = job.dep(job.data(f"features/ch4_deepindex/{args.dataset}"))
    out = job.out(job.data(f"codebooks/ch4_deepindex/{args.dataset}/seed{args.seed}"))
    out.mkdir(parents=True)
    images = len(load_set(source)["images"])

    def learn(features: NDArray[np.float32], layer: str, size: int, row: int | None, keep: bool) -> None:
        seed = seed_for("ch4_deepindex.codebooks", args.dataset, layer, size, row, args.seed) % 2**31
        training = features[:images].reshape(-1, features.shape[-1])
        codebook = learn_codebook(training, size, iterations=settings.kmeans_iterations, seed=seed)
        np.save(words_file(out, layer, size, row), nearest(features, codebook, max(own.assignments)).astype(np.int32))
        if keep:
            np.save(codebook_file(out, layer, row), codebook)

    for layer in tqdm(load_about(source)["layers"], unit="layer", desc=f"{args.dataset} seed {args.seed}", disable=None):
        features = load_features(source, layer)
        for size in sorted({own.words, *own.sweep}):
            learn(features, layer, size, None, keep=size == own.words)
        if layer not in own.best:
            continue
        most = settings.components(max(settings.dimensions))
        if most > features.shape[-1]:
            raise UserError(f"ch4_deepindex.codebooks.dimensions: {most} is more than {layer} has here, {features.shape[-1]}: leave it out")
        projection = learn_projection(features[:images].reshape(-1, features.shape[-1]), most)
        save_projection(projection, out, layer)
        for row in settings.dimensions:
            learn(projection.apply(features, settings.components(row)), layer, own.words, row, keep=True)


if __name__ == "__main__":
    stage.execute(parser(), main)
