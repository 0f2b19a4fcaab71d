"""Both domains of a data set brought to one square size: "scaled to 256 x 256" (Section 8.1.3), whatever their proportions were.

    python -m stages.ch8_translation.prepare facades

Under `data/<scale>/prepared/ch8_translation/<set>`, as `stages.ch8_translation.data` reads it: `train.npz` and `test.npz` with `a` and `b`,
and `set.json`. Of a set with label maps there is `data/<scale>/prepared/ch8_scored/<set>` too, as `stages.ch8_translation.scored` reads it:
`photos` and `labels` at the scorer's size. So what this is changes no network, and the networks' size no scorer.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.ch8_translation.data import DOMAINS, SET_FILE
from stages.core import provenance, stage
from stages.core.files import write_json
from stages.datasets import reader
from stages.datasets.translated import PARTS, Pair

Picture = NDArray[np.uint8]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    dataset = reader(args.dataset)
    source = job.dep(job.data(f"sources/{args.dataset}"))
    pairs = {part: dataset.pairs(source, part) for part in PARTS}
    scored = hasattr(dataset, "CLASSES")
    known = {"classes": list(dataset.CLASSES), "palette": dataset.PALETTE.tolist()} if scored else {"classes": [], "palette": []}
    size, out = job.param("ch8_translation.size"), job.out(job.data(f"prepared/ch8_translation/{args.dataset}"))
    out.mkdir(parents=True)
    names = {part: write_domains(out / f"{part}.npz", dataset, own, size) for part, own in pairs.items()}
    write_json(out / SET_FILE, {"names": names, "paired": dataset.PAIRED, **known})
    provenance.hand_on(source, out)
    if scored:
        size, out = job.param("ch8_translation.scorer.size"), job.out(job.data(f"prepared/ch8_scored/{args.dataset}"))
        out.mkdir(parents=True)
        for part, own in pairs.items():
            write_scored(out / f"{part}.npz", dataset, own, size)
        write_json(out / SET_FILE, known)
        provenance.hand_on(source, out)


def write_domains(file: Path, dataset: Any, pairs: Sequence[Pair], size: int) -> dict[str, list[str]]:
    """Write `a` and `b`, uint8 (n, S, S, 3), in the order of `pairs`, and of a set with label maps `labels`, uint8 (n, S, S); the names of
    the pictures of either domain.

    Label maps are resized without a colour between two classes', photos and sketches without aliasing.
    """
    resizes = (resize_labels if hasattr(dataset, "CLASSES") else resize_photo, resize_photo)
    kept: dict[str, list[Picture]] = {domain: [] for domain in DOMAINS}
    names: dict[str, list[str]] = {domain: [] for domain in DOMAINS}
    for pair in tqdm(pairs, unit="pair", disable=None):
        for domain, picture, resize in zip(DOMAINS, dataset.read(pair), resizes, strict=True):
            if picture is not None:
                kept[domain].append(resize(picture, size))
                names[domain].append(pair.name)
    if hasattr(dataset, "CLASSES"):
        kept["labels"] = [resize_labels(dataset.read_labels(pair), size) for pair in pairs]
    _save(file, kept)
    return names


def write_scored(file: Path, dataset: Any, pairs: Sequence[Pair], size: int) -> None:
    """Write `photos` (n, T, T, 3) and `labels` (n, T, T), uint8."""
    made: dict[str, list[Picture]] = {"photos": [], "labels": []}
    for pair in tqdm(pairs, unit="pair", disable=None):
        made["photos"].append(resize_photo(dataset.read(pair)[1], size))
        made["labels"].append(resize_labels(dataset.read_labels(pair), size))
    _save(file, made)


def _save(file: Path, pictures: dict[str, list[Picture]]) -> None:
    arrays: dict[str, Any] = {name: np.stack(own) for name, own in pictures.items()}
    np.savez(file, **arrays)


def _resizing(filtering: Image.Resampling) -> Callable[[Picture, int], Picture]:
    def resize(picture: Picture, size: int) -> Picture:
        return np.asarray(Image.fromarray(picture).resize((size, size), filtering))

    return resize


resize_photo = _resizing(Image.Resampling.BILINEAR)  # Pillow's widens with the step, so nothing that shrinks is skipped
resize_labels = _resizing(Image.Resampling.NEAREST)  # of the pixel at the centre: no class comes of two others' colours


if __name__ == "__main__":
    stage.execute(parser(), main)
