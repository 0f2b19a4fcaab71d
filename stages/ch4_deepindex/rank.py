"""Rankings of a data set's images for its queries, by every variant of DeepIndex and by baselines: Tables 4.1 to 4.3, Figure 4.6.

    python -m stages.ch4_deepindex.rank holidays

A ranking has the images that share an entry with the query, the best first; the others it does not have. `<number>.npz`: `starts`
(queries + 1,) and `images`, each query's after its start. `models.json` says of each number what it is.
"""

import argparse
import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.ch4_deepindex import inverted
from stages.ch4_deepindex.codebooks import load_features, load_projection, words_file
from stages.ch4_deepindex.feature_settings import Codebooks
from stages.ch4_deepindex.quantise import normalised
from stages.ch4_deepindex.rankings import SWEEP, Model, Rankings, save
from stages.ch4_deepindex.retrieve import Shard, distances, score_all
from stages.ch4_deepindex.settings import IndexedSet, InvertedFile, Ranking, Variant, variant_of
from stages.ch4_deepindex.signature import Signatures, matching, quantiser, root, store
from stages.core import provenance, stage, trainings
from stages.core.files import write_json
from stages.core.seeds import seed_for
from stages.datasets.described import SET_FILE, load_set


@dataclass(frozen=True)
class Task:
    """Who is looked for where: the first `images` items of a set are indexed, `items` are those of its queries, `depth` is how many are
    listed at most."""

    images: int
    items: list[int]
    idf: str
    depth: int


@dataclass(frozen=True)
class Words:
    """The nearest words of all items, (items, 14, most assignments), of one layer or two, and the sizes of their codebooks.

    Of two, the second layer is the row and the first the column, as Section 4.3.2 has fc7 and fc6.
    """

    layers: list[NDArray]
    sizes: tuple[int, ...]

    def pick(self, *place: Any) -> tuple[NDArray, NDArray | None]:
        rows, columns = self.layers[-1], self.layers[0] if len(self.layers) == 2 else None
        return rows[place], None if columns is None else columns[place]

    def index(self, images: int) -> inverted.Postings:
        return inverted.build(*self.pick(slice(images), slice(None), 0), self.sizes)

    def query(self, item: int, assignments: int) -> inverted.Entries:
        return inverted.entries(*self.pick(item, slice(None), slice(assignments)))


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def indexed(task: Task, words: Words, assignments: int) -> Rankings:
    """Rankings by Eq. 4.2 or 4.3."""
    shard = Shard(0, words.index(task.images))
    return [inverted.best(score_all([shard], words.query(item, assignments), task.idf)[0], task.depth) for item in task.items]


def constrained(
    task: Task, words: Words, roots: Sequence[NDArray[np.float32]], stored: Sequence[Signatures], assignments: int, alphas: Sequence[float]
) -> dict[float, Rankings]:
    """Rankings by Eq. 4.4 or 4.5 for each alpha. roots : root features (items, D) of each layer; stored : those of the images."""
    shard = Shard(0, words.index(task.images), tuple(stored))
    found: dict[float, Rankings] = {alpha: [] for alpha in alphas}
    for item in task.items:
        scores = score_all([shard], words.query(item, assignments), task.idf)[0]
        images = np.flatnonzero(scores)
        apart = distances(shard, [each[item] for each in roots], images)
        for alpha, rankings in found.items():
            rankings.append(images[inverted.order(scores[images] * matching(apart, alpha), task.depth)])
    return found


def exhaustive(task: Task, features: NDArray[np.float32]) -> Rankings:
    """Rankings by the cosine of global features (items, D), without an index: what a user would otherwise take."""
    index = faiss.IndexFlatIP(features.shape[1])
    index.add(np.ascontiguousarray(features[: task.images]))
    return list(index.search(np.ascontiguousarray(features[task.items]), min(task.depth, task.images))[1])


def product_quantised(task: Task, features: NDArray[np.float32], codes: InvertedFile, seed: int) -> Rankings:
    """Rankings by faiss's inverted file over product-quantised global features, learned from patches, as many as faiss takes of
    them (256 for each centroid). features : (items, 14, D).
    """
    index = faiss.IndexIVFPQ(faiss.IndexFlatL2(features.shape[-1]), features.shape[-1], codes.lists, codes.bytes, 8)
    index.cp.seed = index.pq.cp.seed = seed
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1
    index.train(np.ascontiguousarray(features[: task.images].reshape(-1, features.shape[-1])))
    index.add(np.ascontiguousarray(features[: task.images, 0]))
    index.nprobe = codes.probes
    found = index.search(np.ascontiguousarray(features[task.items, 0]), min(task.depth, task.images))[1]
    return [row[row >= 0] for row in found]


def load_words(folder: Path, layers: Sequence[str], size: int, row: int | None = None) -> Words:
    """The words of a codebook of this size for each layer; `row` is one of Table 4.2, None without PCA."""
    return Words([np.load(words_file(folder, layer, size, row)) for layer in layers], (size,) * len(layers))


def without_index(task: Task, features: Mapping[str, NDArray[np.float32]], best: Sequence[str]) -> Iterator[tuple[Model, Rankings]]:
    """Exhaustive search by the global feature of each layer, and of the best variant's two."""
    for layer, values in features.items():
        yield Model(f"flat-{layer}", (layer,)), exhaustive(task, values)
    both = normalised(np.concatenate([features[layer] for layer in best], axis=1))
    yield Model("flat-both", tuple(best)), exhaustive(task, both)


def without_signature(
    task: Task, folder: Path, models: Mapping[str, Variant], own: IndexedSet, sweep_assignments: int, seed: int
) -> Iterator[tuple[Model, Rankings]]:
    """Table 4.1, Figure 4.6 a to c, and the best variant as it is before it gets its signature."""
    for name, variant in models.items():
        words = load_words(folder, variant.layers, own.words)
        for assignments in own.assignments:
            yield Model(name, variant.layers, seed, assignments=assignments), indexed(task, words, assignments)
    for name, variant in models.items():
        for size in own.sweep if len(variant.layers) == 1 else []:
            rankings = indexed(task, load_words(folder, variant.layers, size), sweep_assignments)
            yield Model(f"{name}-{SWEEP}", variant.layers, seed, words=size), rankings
    yield Model("no-gis", own.best, seed), indexed(task, load_words(folder, own.best, own.words), own.best_assignments)


def with_signature(
    task: Task,
    features: Mapping[str, NDArray[np.float32]],
    folder: Path,
    own: IndexedSet,
    alphas: Sequence[float],
    best: str,
    seed: int,
) -> Iterator[tuple[Model, Rankings]]:
    """Figure 4.6 d and Table 4.2's whole: the best variant, called `best`, with its signature."""
    roots = [root(features[layer]) for layer in own.best]
    stored = [store(each[: task.images], "float32") for each in roots]
    words = load_words(folder, own.best, own.words)
    found = constrained(task, words, roots, stored, own.best_assignments, sorted({own.alpha, *alphas}))
    yield from ((Model(f"{best}-{SWEEP}", own.best, seed, alpha=alpha), found[alpha]) for alpha in alphas)
    yield Model("gis", own.best, seed), found[own.alpha]


def after_pca(
    task: Task, patches: Mapping[str, NDArray[np.float32]], folder: Path, own: IndexedSet, codebooks: Codebooks, ranking: Ranking, seed: int
) -> Iterator[tuple[Model, Rankings]]:
    """Table 4.2: the best variant with its signature after PCA; at one row also with the signature in fewer bytes.

    patches : features (items, 14, D) of the best variant's layers, from which a quantiser learns.
    """
    projections = {layer: load_projection(folder, layer) for layer in own.best}
    for row in codebooks.dimensions:
        kept = codebooks.components(row)
        words = load_words(folder, own.best, own.words, row)
        small = [root(projections[layer].apply(patches[layer][:, 0], kept)) for layer in own.best]
        for kind in ["float32", *(ranking.signatures if row == ranking.signature_dimensions else [])]:
            made = [
                quantiser(root(projections[layer].apply(patches[layer][: task.images], kept)), seed) if kind == "pq" else None
                for layer in own.best
            ]
            stored = [store(each[: task.images], kind, one) for each, one in zip(small, made, strict=True)]
            found = constrained(task, words, small, stored, own.best_assignments, [own.alpha])
            yield Model(f"pca-{row}" + ("" if kind == "float32" else f"-{kind}"), own.best, seed), found[own.alpha]


def compressed(
    task: Task, patches: Mapping[str, NDArray[np.float32]], folder: Path, codes: InvertedFile, best: Sequence[str], seed: int
) -> Iterator[tuple[Model, Rankings]]:
    """faiss's inverted file over product-quantised global features of the best variant's layers."""
    for layer in best:
        short = load_projection(folder, layer).apply(patches[layer], 8 * codes.bytes)
        rng = seed_for("ch4_deepindex.rank", layer, seed) % 2**31
        yield Model(f"ivfpq-{layer}", (layer,), seed), product_quantised(task, short, codes, rng)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    own = job.settings(IndexedSet, f"ch4_deepindex.per_set.{args.dataset}")
    codebooks, ranking = job.settings(Codebooks, "ch4_deepindex.codebooks"), job.settings(Ranking, "ch4_deepindex.ranking")
    names = job.param("ch4_deepindex.variants")
    variants = {name: job.settings(Variant, f"ch4_deepindex.variants.{name}") for name in names}
    models = {name: variants[name] for name in job.param("ch4_deepindex.models")}
    best = variant_of(variants, own.best)
    assert best is not None  # params.yaml was checked
    faiss.omp_set_num_threads(job.param("inference.threads"))
    source = job.dep(job.data(f"features/ch4_deepindex/{args.dataset}"))
    books = job.dep(job.data(f"codebooks/ch4_deepindex/{args.dataset}"))
    about = load_set(source)
    # Whole pictures of all layers; of the best variant's also patches, which quantisers are learned from.
    layers = dict.fromkeys(itertools.chain(*(variant.layers for variant in models.values()), own.best))
    features = {layer: load_features(source, layer)[:, 0].copy() for layer in layers}
    patches = {layer: load_features(source, layer) for layer in own.best}
    task = Task(len(about["images"]), [query["item"] for query in about["queries"]], ranking.idf, own.depth)

    def everything() -> Iterator[tuple[Model, Rankings]]:
        yield from without_index(task, features, own.best)
        seeds = job.param("ch4_deepindex.seeds")
        for _, seed, folder in trainings.available(job, books.as_posix(), ["codebooks"], seeds, "seed{seed}"):
            of_seed = itertools.chain(
                without_signature(task, folder, models, own, ranking.sweep_assignments, seed),
                with_signature(task, features, folder, own, ranking.alphas, best, seed),
                after_pca(task, patches, folder, own, codebooks, ranking, seed),
                compressed(task, patches, folder, ranking.ivfpq, own.best, seed),
            )
            yield from ((replace(model, trained=folder.as_posix()), rankings) for model, rankings in of_seed)

    out = job.out(job.data(f"predictions/ch4_deepindex/{args.dataset}"))
    out.mkdir(parents=True)
    entries = []
    for number, (model, rankings) in enumerate(tqdm(everything(), unit="model", desc=args.dataset, disable=None)):
        save(rankings, out / f"{number}.npz")
        entries.append(asdict(model))
    write_json(out / "models.json", entries)
    for name in (SET_FILE, "about.json"):
        shutil.copyfile(source / name, out / name)
    provenance.hand_on(source, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
