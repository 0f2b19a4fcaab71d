"""Features of all patches of a data set's pictures by both encoders (Section 4.2), each picture decoded once.

    python -m stages.ch4_deepindex.features holidays

Under `data/<scale>/features/ch4_deepindex/<set>`: `fc6.npy` and so on, float16 (items, 14, D), L2-normalised, where items are the pictures
and then the parts of pictures that queries ask for; `set.json`, the pictures' names and the queries with what they should find.
"""

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.ch4_deepindex.extract import by_encoder, extract
from stages.ch4_deepindex.feature_settings import Features
from stages.ch4_deepindex.patches import BadPicture
from stages.core import inference, provenance, stage
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.runtime import gpu_name
from stages.datasets import reader
from stages.datasets.described import SET_FILE, name_of
from stages.datasets.retrieval import Query, RetrievalSet
from stages.encoders import vision


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def without(found: RetrievalSet, bad: dict[int, str]) -> RetrievalSet:
    """The set without the pictures of these numbers, which cannot be read; no query may be among them, nor all that one should find."""
    kept = [number for number in range(len(found.images)) if number not in bad]
    new = {old: number for number, old in enumerate(kept)}
    queries = []
    for query in found.queries:
        if query.image in bad:
            raise UserError(f"{bad[query.image]}: it is the picture of the query {query.name}, which needs it: get it anew")
        relevant, ignored = (tuple(new[image] for image in images if image in new) for images in (query.relevant, query.ignored))
        if query.relevant and not relevant:
            raise UserError(f"{bad[query.relevant[0]]}: nothing else is to be found for the query {query.name}: get it anew")
        queries.append(replace(query, image=new[query.image], relevant=relevant, ignored=ignored))
    return replace(found, images=[found.images[number] for number in kept], queries=queries)


def described(found: RetrievalSet, crops: dict[str, int]) -> dict[str, Any]:
    """What set.json holds; `item` of a query is the row of its features; `by_four`: N-S is of this set."""
    queries: list[dict[str, Any]] = []
    for query in found.queries:
        entry = asdict(query)
        queries.append({key: entry[key] for key in ("name", "image", "relevant", "ignored")} | {"item": crops.get(query.name, query.image)})
    return {"images": [name_of(image) for image in found.images], "queries": queries, "by_four": found.by_four}


def asked_for(found: RetrievalSet, crop: bool) -> list[Query]:
    """The queries that ask for a part of a picture, if such parts are to be cut."""
    return [query for query in found.queries if crop and query.box is not None]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    settings = job.settings(Features, "ch4_deepindex.features")
    sources = settings.sources()
    layers = by_encoder(sources.values())
    weights = {encoder: job.dep(job.data(f"sources/{encoder}")) for encoder in layers}
    networks = {encoder: precision.place(vision.load(encoder, folder), device) for encoder, folder in weights.items()}
    source = job.dep(job.data(f"sources/{args.dataset}"))
    indexed: RetrievalSet = reader(args.dataset).read(source)
    cropped = asked_for(indexed, settings.crop_queries)
    pictures: list[tuple[Path, Any]] = [(file, None) for file in indexed.images]
    pictures += [(indexed.images[query.image], query.box) for query in cropped]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in sources.values()}
    bad: dict[int, str] = {}
    for number, result in extract(
        pictures, networks, layers, size=settings.input_size, batch_size=settings.batch_size, precision=precision, device=device
    ):
        if isinstance(result, BadPicture):
            if number >= len(indexed.images):
                raise UserError(f"{result}: the query {cropped[number - len(indexed.images)].name} asks for it: get it anew")
            print(f"skipped: {result}", file=sys.stderr)
            bad[number] = str(result)
            continue
        for name, values in result.items():
            rows[name].append(values.astype(np.float16))
    indexed = without(indexed, bad)
    out = job.out(job.data(f"features/ch4_deepindex/{args.dataset}"))
    out.mkdir(parents=True)
    for layer, name in sources.items():
        np.save(out / f"{layer}.npy", np.stack(rows[name]))
    crops = {query.name: len(indexed.images) + number for number, query in enumerate(cropped)}
    write_json(out / SET_FILE, described(indexed, crops))
    kinds = {encoder: provenance.kind_of(folder) for encoder, folder in weights.items()}
    write_json(out / "about.json", {"layers": sources, "weights": kinds, "skipped": len(bad), **precision.describe(device)})
    provenance.hand_on(source, out)
    job.note(gpu=gpu_name(device), pictures=len(pictures), **precision.describe(device))


if __name__ == "__main__":
    stage.execute(parser(), main)
