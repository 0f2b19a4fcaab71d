"""Codebooks learned from a data set's patches, and the nearest words of every patch (Section 4.2.2, Figure 4.6, Table 4.2).

    python -m stages.ch4_deepindex.codebooks holidays --seed 0

Each layer's codebook is learned on its own: of the size of Table 4.1, of those of Figure 4.6, and, for the layers of the best variant,
after PCA to the dimensions of Table 4.2. `words` are int32 (items, 14, most assignments), nearest first.
"""

import argparse
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.ch4_deepindex.quantise import Projection, learn_codebook, learn_projection, nearest
from stages.ch4_deepindex.sets import load_set
from stages.ch4_deepindex.variants import PLACES, VARIANTS
from stages.core import stage
from stages.core.errors import UserError
from stages.core.seeds import seed_for


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--seed", type=int, required=True)
    return parser


def cut(dimensions: int, settings: dict[str, Any]) -> int:
    """The dimensions that stand for a row of Table 4.2: those very ones, or of narrower encoders as small a share."""
    return max(1, round(dimensions * settings["width"]))


def codebook_file(folder: Path, place: str, dimensions: int | None = None) -> Path:
    """Where a layer's codebook is, of the size of Table 4.1; `dimensions` is a row of Table 4.2, None without PCA."""
    return folder / f"codebook_{place}{f'_pca{dimensions}' if dimensions else ''}.npy"


def words_file(folder: Path, place: str, size: int, dimensions: int | None = None) -> Path:
    """Where the nearest words of a codebook of this size are."""
    return folder / f"words_{place}_{size}{f'_pca{dimensions}' if dimensions else ''}.npy"


def save_projection(projection: Projection, folder: Path, place: str) -> None:
    np.savez(folder / f"pca_{place}.npz", mean=projection.mean, components=projection.components)


def load_projection(folder: Path, place: str) -> Projection:
    with np.load(folder / f"pca_{place}.npz") as stored:
        return Projection(stored["mean"], stored["components"])


def load_features(folder: Path, place: str) -> NDArray[np.float32]:
    """Features of one layer, float32 (items, 14, D)."""
    return np.load(folder / f"{place}.npy").astype(np.float32)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch4_deepindex"]
    own = settings["per_set"][args.dataset]
    faiss.omp_set_num_threads(job.params["runtime"]["threads"])
    source = job.dep(f"data/{scale}/features/ch4_deepindex/{args.dataset}")
    out = job.out(f"data/{scale}/codebooks/ch4_deepindex/{args.dataset}/seed{args.seed}")
    out.mkdir(parents=True)
    images = len(load_set(source)["images"])
    assignments = max(own["assignments"])

    def learn(features: NDArray[np.float32], place: str, size: int, dimensions: int | None, keep: bool) -> None:
        seed = seed_for("ch4_deepindex.codebooks", args.dataset, place, size, dimensions, args.seed) % 2**31
        training = features[:images].reshape(-1, features.shape[-1])
        codebook = learn_codebook(training, size, iterations=settings["kmeans_iterations"], seed=seed)
        np.save(words_file(out, place, size, dimensions), nearest(features, codebook, assignments).astype(np.int32))
        if keep:
            np.save(codebook_file(out, place, dimensions), codebook)

    for place in tqdm(PLACES, unit="layer", desc=f"{args.dataset} seed {args.seed}", disable=None):
        features = load_features(source, place)
        for size in sorted({own["words"], *own["sweep"]}):
            if size < assignments:
                raise UserError(f"ch4_deepindex.per_set.{args.dataset}: {assignments} words a patch are assigned, of a codebook of {size}")
            learn(features, place, size, None, keep=size == own["words"])
        if place not in VARIANTS[own["best"]]:
            continue
        dimensions = [cut(each, settings) for each in settings["dimensions"]]
        if max(dimensions) > features.shape[-1]:
            raise UserError(
                f"ch4_deepindex.dimensions: {max(dimensions)} is more than {place} has here, {features.shape[-1]}: leave it out"
            )
        projection = learn_projection(features[:images].reshape(-1, features.shape[-1]), max(dimensions))
        save_projection(projection, out, place)
        for row, number in zip(settings["dimensions"], dimensions, strict=True):
            learn(projection.apply(features, number), place, own["words"], row, keep=True)


if __name__ == "__main__":
    stage.execute(parser(), main)
