"""Rankings of a data set's images for its queries, by every variant of DeepIndex and by baselines: Tables 4.1 to 4.3, Figure 4.6.

    python -m stages.ch4_deepindex.rank holidays

A ranking has the images that share an entry with the query, the best first; the others it does not have. `<number>.npz`: `starts`
(queries + 1,) and `images`, each query's after its start. `models.json` says of each number what it is.
"""

import argparse
import itertools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.ch4_deepindex import inverted
from stages.ch4_deepindex.codebooks import cut, load_features, load_projection, words_file
from stages.ch4_deepindex.quantise import normalised
from stages.ch4_deepindex.rankings import SWEEP, Model, Rankings, save
from stages.ch4_deepindex.retrieve import Shard, distances, score_all
from stages.ch4_deepindex.sets import load_set
from stages.ch4_deepindex.signature import Signatures, matching, quantiser, root, store
from stages.ch4_deepindex.variants import PLACES, VARIANTS
from stages.core import stage, trainings
from stages.core.files import write_json
from stages.core.seeds import seed_for


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    return parser


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


def product_quantised(task: Task, features: NDArray[np.float32], codes: dict[str, int], seed: int) -> Rankings:
    """Rankings by faiss's inverted file over product-quantised global features, learned from patches, as many as faiss takes of
    them (256 for each centroid). features : (items, 14, D).

    codes : how many lists, how many of them are looked at, and the bytes of a code, beside which an image's number takes 8.
    """
    index = faiss.IndexIVFPQ(faiss.IndexFlatL2(features.shape[-1]), features.shape[-1], codes["lists"], codes["bytes"], 8)
    index.cp.seed = index.pq.cp.seed = seed
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1
    index.train(np.ascontiguousarray(features[: task.images].reshape(-1, features.shape[-1])))
    index.add(np.ascontiguousarray(features[: task.images, 0]))
    index.nprobe = codes["probes"]
    found = index.search(np.ascontiguousarray(features[task.items, 0]), min(task.depth, task.images))[1]
    return [row[row >= 0] for row in found]


def load_words(folder: Path, places: Sequence[str], size: int, dimensions: int | None = None) -> Words:
    return Words([np.load(words_file(folder, place, size, dimensions)) for place in places], (size,) * len(places))


def without_index(task: Task, features: dict[str, NDArray[np.float32]], best: Sequence[str]) -> Iterator[tuple[Model, Rankings]]:
    """Exhaustive search by the global feature of each layer, and of the best variant's two."""
    for place in PLACES:
        yield Model(f"flat-{place}", (place,)), exhaustive(task, features[place])
    both = normalised(np.concatenate([features[place] for place in best], axis=1))
    yield Model("flat-both", tuple(best)), exhaustive(task, both)


def without_signature(
    task: Task, folder: Path, settings: dict[str, Any], own: dict[str, Any], seed: int
) -> Iterator[tuple[Model, Rankings]]:
    """Table 4.1, Figure 4.6 a to c, and the best variant as it is before it gets its signature."""
    for name in settings["variants"]:
        words = load_words(folder, VARIANTS[name], own["words"])
        for assignments in own["assignments"]:
            yield Model(name, VARIANTS[name], seed, assignments=assignments), indexed(task, words, assignments)
    for name, places in VARIANTS.items():
        for size in own["sweep"] if len(places) == 1 else []:
            rankings = indexed(task, load_words(folder, places, size), settings["sweep_assignments"])
            yield Model(f"{name}-{SWEEP}", places, seed, words=size), rankings
    best = VARIANTS[own["best"]]
    yield Model("no-gis", best, seed), indexed(task, load_words(folder, best, own["words"]), own["best_assignments"])


def with_signature(
    task: Task,
    features: dict[str, NDArray[np.float32]],
    patches: dict[str, NDArray[np.float32]],
    folder: Path,
    settings: dict[str, Any],
    own: dict[str, Any],
    seed: int,
) -> Iterator[tuple[Model, Rankings]]:
    """Figure 4.6 d and Table 4.2: the best variant with its signature, whole and after PCA; and the signature stored in fewer bytes."""
    best, assignments = VARIANTS[own["best"]], own["best_assignments"]
    roots = [root(features[place]) for place in best]
    stored = [store(each[: task.images], "float32") for each in roots]
    alphas = sorted({own["alpha"], *settings["alphas"]})
    found = constrained(task, load_words(folder, best, own["words"]), roots, stored, assignments, alphas)
    yield from ((Model(f"{own['best']}-{SWEEP}", best, seed, alpha=alpha), found[alpha]) for alpha in settings["alphas"])
    yield Model("gis", best, seed), found[own["alpha"]]
    projections = {place: load_projection(folder, place) for place in best}
    for row in settings["dimensions"]:
        words = load_words(folder, best, own["words"], row)
        small = [root(projections[place].apply(features[place], cut(row, settings))) for place in best]
        for kind in ["float32", *(settings["signatures"] if row == settings["complexity"]["dimensions"] else [])]:
            made = [
                quantiser(root(projections[place].apply(patches[place][: task.images], cut(row, settings))), seed) if kind == "pq" else None
                for place in best
            ]
            stored = [store(each[: task.images], kind, one) for each, one in zip(small, made, strict=True)]
            found = constrained(task, words, small, stored, assignments, [own["alpha"]])
            yield Model(f"pca-{row}" + ("" if kind == "float32" else f"-{kind}"), best, seed), found[own["alpha"]]


def compressed(
    task: Task, patches: dict[str, NDArray[np.float32]], folder: Path, codes: dict[str, int], best: Sequence[str], seed: int
) -> Iterator[tuple[Model, Rankings]]:
    """faiss's inverted file over product-quantised global features of the best variant's layers."""
    for place in best:
        short = load_projection(folder, place).apply(patches[place], 8 * codes["bytes"])
        rng = seed_for("ch4_deepindex.rank", place, seed) % 2**31
        yield Model(f"ivfpq-{place}", (place,), seed), product_quantised(task, short, codes, rng)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch4_deepindex"]
    own = settings["per_set"][args.dataset]
    best = VARIANTS[own["best"]]
    faiss.omp_set_num_threads(job.params["inference"]["threads"])
    source = job.dep(f"data/{scale}/features/ch4_deepindex/{args.dataset}")
    books = job.dep(f"data/{scale}/codebooks/ch4_deepindex/{args.dataset}")
    about = load_set(source)
    # Whole pictures of all layers; of the best variant's also patches, which quantisers are learned from.
    features = {place: load_features(source, place)[:, 0].copy() for place in PLACES}
    patches = {place: load_features(source, place) for place in best}
    task = Task(len(about["images"]), [query["item"] for query in about["queries"]], settings["idf"], own["depth"])

    def everything() -> Iterator[tuple[Model, Rankings]]:
        yield from without_index(task, features, best)
        for _, seed, folder in trainings.available(job, books.as_posix(), ["codebooks"], settings["seeds"], "seed{seed}"):
            of_seed = itertools.chain(
                without_signature(task, folder, settings, own, seed),
                with_signature(task, features, patches, folder, settings, own, seed),
                compressed(task, patches, folder, settings["ivfpq"], best, seed),
            )
            yield from ((replace(model, trained=folder.as_posix()), rankings) for model, rankings in of_seed)

    out = job.out(f"data/{scale}/predictions/ch4_deepindex/{args.dataset}")
    out.mkdir(parents=True)
    models = []
    for number, (model, rankings) in enumerate(tqdm(everything(), unit="model", desc=args.dataset, disable=None)):
        save(rankings, out / f"{number}.npz")
        models.append(asdict(model))
    write_json(out / "models.json", models)
    for name in ("set.json", "about.json", "provenance.json"):
        shutil.copyfile(source / name, out / name)


if __name__ == "__main__":
    stage.execute(parser(), main)
