"""Table 4.4: what an index takes on disk for each image, and what a query takes, 1-D and 2-D, after PCA; how much of it a query reads.

    python -m stages.ch4_deepindex.complexity holidays

The index is written to `data/<scale>/indexes/ch4_deepindex/<set>` in each way to store the signature, and its files are measured; 1-D is
of the second layer of the best variant. Seconds go into the run record, of one core: from features, PCA and words included, and from words.
"""

import argparse
import time
from pathlib import Path

import faiss
import numpy as np

from stages.ch4_deepindex import inverted, store
from stages.ch4_deepindex.about import encoder_of, load_about
from stages.ch4_deepindex.codebooks import codebook_file, load_features, load_projection
from stages.ch4_deepindex.feature_settings import Codebooks
from stages.ch4_deepindex.quantise import Projection
from stages.ch4_deepindex.retrieve import Settings, Shard, search
from stages.ch4_deepindex.signature import quantiser, root
from stages.core import metrics, stage
from stages.datasets.described import load_set

TOP = 10


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def layer_of(layer: str, source: str, books: Path, features: np.ndarray, kind: str, row: int, kept: int, seed: int) -> store.Layer:
    """A layer of the thesis, `source` as "encoder.layer", after PCA to `kept` components. features : (images, 14, D).

    row : of Table 4.2, by which its codebook is stored. kind : how its signature is stored.
    """
    whole = load_projection(books, layer)
    projection = Projection(whole.mean, whole.components[:kept])
    made = quantiser(root(projection.apply(features, len(projection.components))), seed) if kind == "pq" else None
    encoder, name = source.split(".")
    return store.Layer(encoder, name, "", np.load(codebook_file(books, layer, row)), projection, kind, made)


def bytes_of(folder: Path, images: int) -> dict[str, float]:
    """Bytes an image of the files of an index: lists of image numbers, signatures, both. Codebooks and names are left out."""
    files = list(folder.glob("shard-*/*"))
    signatures = sum(file.stat().st_size for file in files if file.name.startswith("signature"))
    whole = sum(file.stat().st_size for file in files)
    return {"image_id": (whole - signatures) / images, "signature": signatures / images, "total": whole / images}


def seconds_of(folder: Path, features: list[np.ndarray], items: list[int], settings: Settings) -> tuple[float, float]:
    """Mean seconds of a query from its features, and of that the search from its words."""
    index = store.open_index(folder)
    spent = searched = 0.0
    for item in items:
        began = time.perf_counter()
        asked = store.question(index.layers, [each[item] for each in features], settings.assignments)
        ready = time.perf_counter()
        search(index.shards, *asked, settings, TOP)
        ended = time.perf_counter()
        spent, searched = spent + ended - began, searched + ended - ready
    return spent / len(items), searched / len(items)


def numbers_read(
    layers: list[store.Layer], shard: Shard, features: list[np.ndarray], items: list[int], assignments: int
) -> dict[str, float]:
    """Numbers that a query reads on average once it has its words: the image numbers in its lists, and the signatures of those images;
    without an index ("flat") the signatures of all images.

    features : (items, 14, D) of each layer.
    """
    read, width = [], 0
    for item in items:
        rows, columns, roots = store.question(layers, [each[item] for each in features], assignments)
        listed = inverted.match(shard.postings, inverted.entries(rows, columns)).images
        width = sum(map(len, roots))
        read.append(len(listed) + width * len(np.unique(listed)))
    return {"dpi": float(np.mean(read)), "flat": float(width * shard.postings.size)}


def main(args: argparse.Namespace, job: stage.Job) -> None:
    own, idf = job.param(f"ch4_deepindex.per_set.{args.dataset}"), job.param("ch4_deepindex.ranking.idf")
    best, searching = own["best"], Settings(own["best_assignments"], own["alpha"], idf)
    row, seed = job.param("ch4_deepindex.ranking.signature_dimensions"), job.param("ch4_deepindex.seeds")[0]
    kept = job.settings(Codebooks, "ch4_deepindex.codebooks").components(row)
    faiss.omp_set_num_threads(1)
    source = job.dep(job.data(f"features/ch4_deepindex/{args.dataset}"))
    books = job.dep(job.data(f"codebooks/ch4_deepindex/{args.dataset}")) / f"seed{seed}"
    out = job.out(job.data(f"indexes/ch4_deepindex/{args.dataset}"))
    dataset, about = load_set(source), load_about(source)
    images, items = len(dataset["images"]), [query["item"] for query in dataset["queries"]]
    features = {layer: load_features(source, layer) for layer in best}
    records = []
    times: dict[str, float] = {}
    for kind in ("float32", *job.param("ch4_deepindex.ranking.signatures")):
        layers = {layer: layer_of(layer, about["layers"][layer], books, features[layer][:images], kind, row, kept, seed) for layer in best}
        for name, used in (("1d", best[-1:]), ("2d", best)):
            model = f"dpi-{name}" if kind == "float32" else f"dpi-{name}-{kind}"
            chosen = [layers[layer] for layer in used]
            shard = store.shard_of(chosen, [features[layer][:images] for layer in used], 0)
            store.write_index(out / model, chosen, [shard], dataset["images"], {"idf": idf})
            records += [
                metrics.Record(
                    model=model, metric=f"bytes_{part}", value=value, unit="B/image", better="lower", n=images, determinism="bitwise",
                    encoder=encoder_of(used, about), trained=books.as_posix(),
                )
                for part, value in bytes_of(out / model, images).items()
            ]  # fmt: skip
            if kind == "float32":
                read = numbers_read(chosen, shard, [features[layer] for layer in used], items, searching.assignments)
                records += [
                    metrics.Record(
                        model=f"{what}-{name}", metric="numbers_read", value=value, unit="numbers/query", better="lower", n=len(items),
                        determinism="bitwise", encoder=encoder_of(used, about), trained=books.as_posix(),
                    )
                    for what, value in read.items()
                ]  # fmt: skip
                whole, search_alone = seconds_of(out / model, [features[layer] for layer in used], items, searching)
                times |= {f"query_seconds_{name}": round(whole, 7), f"search_seconds_{name}": round(search_alone, 7)}
    metrics.publish(job, "ch4_deepindex", "complexity", metrics.dataset_of(source, args.dataset), records)
    job.note(**times, threads=1, device="cpu")


if __name__ == "__main__":
    stage.execute(parser(), main)
