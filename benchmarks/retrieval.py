"""DeepIndex on made-up words at growing sizes: bytes an image, milliseconds a query, and both beside faiss's exhaustive search.

    python -m benchmarks.retrieval [FOLDER] [--images 10000 100000 1000000] [--words 5000] [--spread 1.0]

An index of each size is built shard by shard into FOLDER (a temporary one), opened, and asked from the words of patches; one core
unless two are said. Words are drawn so that codebook entries are as unevenly used as k-means's of real patches (`spread` is the deviation
of the logarithm of their sizes), the column word of a patch mostly follows its row word, and images come in groups of four that share most
of their words and nearly their signature. A query is one of a group. Times are means over all queries, after some to warm up.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import torch

from stages.ch4_deepindex import store
from stages.ch4_deepindex.inverted import build
from stages.ch4_deepindex.retrieve import Settings, Shard, search
from stages.ch4_deepindex.signature import quantiser, root
from stages.ch4_deepindex.signature import store as stored

PATCHES, DIMENSIONS, GROUP = 14, 512, 4
KEPT = 0.6  # of a group's words that an image of it has
FOLLOWS = 8  # column words that go with a row word
QUERIES, WARM = 60, 10
ASSIGNMENTS, ALPHA, TOP = 5, 8.0, 10


class World:
    """Words and signatures of any image, the same however they are cut into shards."""

    def __init__(self, words: int, spread: float):
        rng = np.random.default_rng(0)
        sizes = np.exp(spread * rng.standard_normal(words))
        self.words, self.shares = words, np.cumsum(sizes / sizes.sum())
        self.follow = rng.integers(0, words, (words, FOLLOWS))
        # Signatures: a low-dimensional cloud, as real features are, made positive.
        self.basis = rng.standard_normal((32, DIMENSIONS)).astype(np.float32)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        rows = np.minimum(np.searchsorted(self.shares, rng.random(shape)), self.words - 1)
        columns = self.follow[rows, np.minimum(rng.geometric(0.4, shape) - 1, FOLLOWS - 1)]
        return rows, columns

    def images(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Row and column words (count, 14), and both root features (count, 512), of images from `first` on, a multiple of GROUP."""
        rng = np.random.default_rng((1, first))
        groups = -(-count // GROUP)
        base = self.draw(rng, (groups, PATCHES))
        own = self.draw(rng, (groups * GROUP, PATCHES))
        kept = rng.random((groups * GROUP, PATCHES)) < KEPT
        rows, columns = (np.where(kept, np.repeat(b, GROUP, axis=0), o)[:count] for b, o in zip(base, own, strict=True))
        return rows, columns, [self.roots(rng, groups)[:count] for _ in range(2)]

    def roots(self, rng: np.random.Generator, groups: int) -> np.ndarray:
        places = np.repeat(rng.standard_normal((groups, 32), dtype=np.float32), GROUP, axis=0)
        places += 0.3 * rng.standard_normal(places.shape, dtype=np.float32)
        return root(np.maximum(places @ self.basis, 0))


def shards_of(world: World, count: int, two: bool, kind: str, made: list) -> Iterator[Shard]:
    for first in range(0, count, store.SHARD):
        rows, columns, roots = world.images(first, min(store.SHARD, count - first))
        postings = build(rows, columns if two else None, (world.words,) * (1 + two))
        signed = () if kind == "none" else tuple(stored(each, kind, one) for each, one in zip(roots[: 1 + two], made, strict=False))
        yield Shard(first, postings, signed)


def written(folder: Path, world: World, count: int, two: bool, kind: str) -> store.Index:
    """The index of `count` images, from disk."""
    made = [quantiser(each, 0) if kind == "pq" else None for each in world.images(0, 4096)[2]]
    layers = [store.Layer("made", "up", "", np.zeros((world.words, 1), np.float32), None, kind, one) for one in made[: 1 + two]]
    store.write_index(folder, layers, shards_of(world, count, two, kind, made), [str(n) for n in range(count)], {})
    return store.open_index(folder)


def milliseconds(ask: Callable[[int], object]) -> float:
    """The mean of QUERIES calls after WARM."""
    for query in range(WARM):
        ask(query)
    began = time.perf_counter()
    for query in range(WARM, WARM + QUERIES):
        ask(query)
    return 1000 * (time.perf_counter() - began) / QUERIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where indexes are written, 9 GB at a million images")
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--words", type=int, default=5000)
    parser.add_argument("--spread", type=float, default=1.0)
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    world = World(args.words, args.spread)
    near = np.random.default_rng(2).integers(0, args.words, (args.words, ASSIGNMENTS - 1))  # a word's neighbours
    rows, columns, roots = world.images(0, GROUP * (WARM + QUERIES))

    def words(found: np.ndarray, query: int, assignments: int) -> np.ndarray:
        own = found[GROUP * query][:, None]
        return np.concatenate([own, near[own[:, 0]]], axis=1)[:, :assignments]

    def asking(index: store.Index, assignments: int, alpha: float, executor: ThreadPoolExecutor | None = None) -> Callable[[int], object]:
        two = len(index.layers) == 2
        settings = Settings(assignments, alpha)

        def ask(query: int) -> object:
            pair = words(rows, query, assignments), words(columns, query, assignments) if two else None
            return search(index.shards, *pair, [each[GROUP * query] for each in roots[: 1 + two]], settings, TOP, executor)

        return ask

    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for count in args.images:
            flat = faiss.IndexFlatIP(DIMENSIONS)
            for first in range(0, count, store.SHARD):
                flat.add(world.images(first, min(store.SHARD, count - first))[2][0])
            exhaustive = milliseconds(lambda query, flat=flat: flat.search(roots[0][GROUP * query][None], TOP))  # type: ignore[misc]
            del flat
            print(
                f"{count:,} images; exhaustive search of {DIMENSIONS} dimensions: {exhaustive:.2f} ms, {4 * DIMENSIONS} B/image", flush=True
            )
            for two in (False, True):
                for kind in ("float32", "float16", "pq"):
                    place = Path(folder) / "index"
                    began = time.perf_counter()
                    index = written(place, world, count, two, kind)
                    spent = time.perf_counter() - began
                    size = sum(file.stat().st_size for file in place.glob("shard-*/*")) / count
                    lines = [("signature", ALPHA, 1)]
                    if kind == "float32":
                        lines = [("words only", 0.0, 1), ("words only, 2 threads", 0.0, 2), *lines, ("signature, 2 threads", ALPHA, 2)]
                    print(f"  {1 + two}-D, {kind}: {size:.1f} B/image, written in {spent:.0f} s")
                    for name, alpha, threads in lines:
                        with ThreadPoolExecutor(threads) as executor:
                            times = [
                                milliseconds(asking(index, assignments, alpha, executor if threads > 1 else None))
                                for assignments in (1, ASSIGNMENTS)
                            ]
                        ratios = ", ".join(f"{exhaustive / each:.1f}" for each in times)
                        taken = f"{times[0]:.2f} ms at MA 1, {times[1]:.2f} at MA {ASSIGNMENTS}"
                        print(f"    {name}: {taken}; exhaustive takes {ratios} times that", flush=True)


if __name__ == "__main__":
    main()
