"""Table 4.4: what an index takes on disk for each image, and what a query takes, 1-D and 2-D, after PCA.

    python -m stages.ch4_deepindex.complexity holidays

The index is written to `data/<scale>/indexes/ch4_deepindex/<set>` in each way to store the signature, and its files are measured; 1-D is
of the second layer of the best variant. Seconds go into the run record, of one core: from features, PCA and words included, and from words.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from stages.ch4_deepindex import store
from stages.ch4_deepindex.codebooks import codebook_file, cut, load_features, load_projection
from stages.ch4_deepindex.evaluate import dataset_of, encoder_of
from stages.ch4_deepindex.quantise import Projection
from stages.ch4_deepindex.retrieve import Settings, search
from stages.ch4_deepindex.sets import load_set
from stages.ch4_deepindex.signature import quantiser, root
from stages.ch4_deepindex.variants import VARIANTS
from stages.core import metrics, stage

TOP = 10


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    return parser


def layer_of(place: str, name: str, books: Path, features: np.ndarray, kind: str, settings: dict[str, Any], seed: int) -> store.Layer:
    """A layer, "encoder.layer", after PCA to the dimensions of Table 4.4. features : (images, 14, D)."""
    whole = load_projection(books, place)
    row = settings["complexity"]["dimensions"]
    projection = Projection(whole.mean, whole.components[: cut(row, settings)])
    made = quantiser(root(projection.apply(features, len(projection.components))), seed) if kind == "pq" else None
    encoder, layer = name.split(".")
    return store.Layer(encoder, layer, "", np.load(codebook_file(books, place, row)), projection, kind, made)


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


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, settings = job.params["scale"], job.params["ch4_deepindex"]
    own, seed = settings["per_set"][args.dataset], settings["seeds"][0]
    faiss.omp_set_num_threads(1)
    source = job.dep(f"data/{scale}/features/ch4_deepindex/{args.dataset}")
    books = job.dep(f"data/{scale}/codebooks/ch4_deepindex/{args.dataset}") / f"seed{seed}"
    out = job.out(f"data/{scale}/indexes/ch4_deepindex/{args.dataset}")
    about, described = load_set(source), json.loads((source / "about.json").read_text())
    images, items = len(about["images"]), [query["item"] for query in about["queries"]]
    best = VARIANTS[own["best"]]
    searching = Settings(own["best_assignments"], own["alpha"], settings["idf"])
    features = {place: load_features(source, place) for place in best}
    records = []
    times: dict[str, float] = {}
    for kind in ("float32", *settings["signatures"]):
        layers = {
            place: layer_of(place, described["layers"][place], books, features[place][:images], kind, settings, seed) for place in best
        }
        for name, places in (("1d", best[-1:]), ("2d", best)):
            model = f"dpi-{name}" if kind == "float32" else f"dpi-{name}-{kind}"
            chosen = [layers[place] for place in places]
            shard = store.shard_of(chosen, [features[place][:images] for place in places], 0)
            store.write_index(out / model, chosen, [shard], about["images"], {"idf": settings["idf"]})
            records += [
                metrics.Record(
                    model=model, metric=f"bytes_{part}", value=value, unit="B/image", better="lower", n=images, determinism="bitwise",
                    encoder=encoder_of(places, described), trained=books.as_posix(),
                )
                for part, value in bytes_of(out / model, images).items()
            ]  # fmt: skip
            if kind == "float32":
                whole, search_alone = seconds_of(out / model, [features[place] for place in places], items, searching)
                times |= {f"query_seconds_{name}": round(whole, 7), f"search_seconds_{name}": round(search_alone, 7)}
    metrics.write(
        job.out("reports/metrics/ch4_deepindex/complexity.json"), chapter="ch4_deepindex", experiment="complexity", scale=scale,
        protocol=job.params["protocol"], dataset=dataset_of(args.dataset, json.loads((source / "provenance.json").read_text())),
        records=records,
    )  # fmt: skip
    job.note(**times, threads=1, device="cpu")


if __name__ == "__main__":
    stage.execute(parser(), main)
