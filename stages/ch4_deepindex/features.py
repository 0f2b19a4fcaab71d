"""Features of all patches of a data set's pictures by both encoders (Section 4.2), each picture decoded once.

    python -m stages.ch4_deepindex.features holidays

Under `data/<scale>/features/ch4_deepindex/<set>`: `fc6.npy` and so on, float16 (items, 14, D), L2-normalised, where items are the pictures
and then the parts of pictures that queries ask for; `set.json`, the pictures' names and the queries with what they should find.
"""

import argparse
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.ch4_deepindex.extract import by_encoder, extract
from stages.ch4_deepindex.patches import BadPicture
from stages.ch4_deepindex.sets import name_of
from stages.ch4_deepindex.variants import PLACES
from stages.core import inference, stage
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.runtime import gpu_name
from stages.datasets import reader
from stages.datasets.retrieval import Query, RetrievalSet
from stages.encoders import vision


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    return parser


def placed(settings: dict[str, Any]) -> dict[str, str]:
    """Which "encoder.layer" stands in each of PLACES; the first two are the shallow encoder's, the others the deep one's."""
    encoders = settings["encoders"]
    return {place: f"{encoders['shallow' if place in PLACES[:2] else 'deep']}.{settings['layers'][place]}" for place in PLACES}


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
    scale, settings = job.params["scale"], job.params["ch4_deepindex"]
    places = placed(settings)
    layers = by_encoder(places.values())
    weights = {encoder: job.dep(f"data/{scale}/sources/{encoder}") for encoder in layers}
    networks = {encoder: precision.place(vision.load(encoder, folder), device) for encoder, folder in weights.items()}
    source = job.dep(f"data/{scale}/sources/{args.dataset}")
    found: RetrievalSet = reader(args.dataset).read(source)
    cropped = asked_for(found, settings["crop_queries"])
    pictures: list[tuple[Path, Any]] = [(file, None) for file in found.images]
    pictures += [(found.images[query.image], query.box) for query in cropped]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in places.values()}
    bad: dict[int, str] = {}
    for number, result in extract(
        pictures, networks, layers, size=settings["input_size"], batch_size=settings["batch_size"], precision=precision, device=device
    ):
        if isinstance(result, BadPicture):
            if number >= len(found.images):
                raise UserError(f"{result}: the query {cropped[number - len(found.images)].name} asks for it: get it anew")
            print(f"skipped: {result}", file=sys.stderr)
            bad[number] = str(result)
            continue
        for name, values in result.items():
            rows[name].append(values.astype(np.float16))
    found = without(found, bad)
    out = job.out(f"data/{scale}/features/ch4_deepindex/{args.dataset}")
    out.mkdir(parents=True)
    for place, name in places.items():
        np.save(out / f"{place}.npy", np.stack(rows[name]))
    crops = {query.name: len(found.images) + number for number, query in enumerate(cropped)}
    write_json(out / "set.json", described(found, crops))
    kinds = {encoder: vision.kind_of(folder) for encoder, folder in weights.items()}
    about = {"layers": places, "weights": kinds, "skipped": len(bad), **precision.describe(device)}
    write_json(out / "about.json", about)
    shutil.copyfile(source / "provenance.json", out / "provenance.json")
    job.note(gpu=gpu_name(device), pictures=len(pictures), **precision.describe(device))


if __name__ == "__main__":
    stage.execute(parser(), main)
