"""Features of a set's whole pictures by one encoder (Section 5.3.1): the network is made convolutional, its last map averaged.

    python -m stages.matching.images flickr30k resnet152

Under `data/<scale>/features/matching/<set>/images/<encoder>`: `features.npy`, float16 (N, D), not normalised; `set.json`, the set
that they are of, in its order.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from tqdm import tqdm

from stages.core import inference, provenance, stage
from stages.core.ahead import map_ahead, workers
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.runtime import Runtime, gpu_name
from stages.datasets.captioned import described, read_set
from stages.datasets.described import SET_FILE
from stages.datasets.pictures import BadPicture, open_picture
from stages.encoders import vision
from stages.matching.settings import Pictures
from stages.matching.stored import as_float16

THINNEST = 32  # a strip of 1 x 30,000 pixels would be 24 GB once its short side has 512
HELD = 16  # batches' worth of pictures that wait for others of their size

Pixels = NDArray[np.uint8]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "encoder")


def at_short_side(file: Path, *, side: int, dataset: str) -> Pixels:
    """A picture with its short side at `side` pixels, its aspect kept, uint8 (H, W, 3).

    A UserError names one that cannot be read or is a strip.
    """
    try:
        picture = open_picture(file)
    except BadPicture as error:
        raise UserError(f"{error}; all pictures of {dataset} are needed: get it anew with `dvc repro download@{dataset}`") from error
    if max(picture.size) > THINNEST * min(picture.size):
        width, height = picture.size
        raise UserError(f"{file} has {width} x {height} pixels: no side may be more than {THINNEST} times as long as the other; crop it")
    size = tuple(max(side, round(length * side / min(picture.size))) for length in picture.size)
    return np.asarray(picture.resize((size[0], size[1]), Image.Resampling.BILINEAR))


def of_one_size(pictures: Iterable[Pixels], batch_size: int, held: int) -> Iterator[tuple[list[int], Pixels]]:
    """Batches of pictures of one size: their numbers in the order given, and uint8 (B, H, W, 3).

    A network's last digits depend on what else is in its batch, so which are together follows from the pictures' order and sizes
    alone. held : how many may wait for others of their size; when there are more, the largest batch goes as it is.
    """
    waiting: dict[tuple[int, ...], list[tuple[int, Pixels]]] = {}
    count = 0
    for number, picture in enumerate(pictures):
        waiting.setdefault(picture.shape, []).append((number, picture))
        count += 1
        if len(waiting[picture.shape]) == batch_size or count > held:
            batch = waiting.pop(max(waiting, key=lambda shape: len(waiting[shape])))
            count -= len(batch)
            yield _stacked(batch)
    yield from map(_stacked, waiting.values())


def _stacked(batch: list[tuple[int, Pixels]]) -> tuple[list[int], Pixels]:
    numbers, pictures = zip(*batch, strict=True)
    return list(numbers), np.stack(pictures)


def extract(
    images: Sequence[Path],
    model: nn.Module,
    encoder: vision.Encoder,
    pictures: Pictures,
    *,
    dataset: str,
    precision: Runtime,
    device: torch.device,
) -> NDArray[np.float16]:
    """Features of all images, float16 (N, D), in their order; pictures are decoded in threads, ahead of the network."""
    rows = np.empty((len(images), 0), np.float16)
    read = partial(at_short_side, side=pictures.short_side, dataset=dataset)
    decoding = map_ahead(read, images, threads=workers(), ahead=pictures.batch_size)
    with closing(decoding) as decoded, tqdm(total=len(images), unit="image", disable=None) as progress:
        for numbers, pixels in of_one_size(decoded, pictures.batch_size, HELD * pictures.batch_size):
            batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)
            with precision.autocast(device):
                features = vision.whole_features(model, encoder, batch).cpu().numpy()
            if not rows.shape[1]:
                rows = np.empty((len(images), features.shape[1]), np.float16)
            rows[numbers] = as_float16(features, f"{encoder.name} of {dataset}")
            progress.update(len(numbers))
    return rows


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    pictures = job.settings(Pictures, "matching.pictures")
    source, weights = (job.dep(job.data(f"sources/{name}")) for name in (args.dataset, args.encoder))
    captioned = read_set(args.dataset, source, job.param(f"matching.options.{args.dataset}"))
    model, encoder = precision.place(vision.load(args.encoder, weights), device), vision.encoder(args.encoder)
    features = extract(captioned.images, model, encoder, pictures, dataset=args.dataset, precision=precision, device=device)
    out = job.out(job.data(f"features/matching/{args.dataset}/images/{args.encoder}"))
    out.mkdir(parents=True)
    np.save(out / "features.npy", features)
    write_json(out / SET_FILE, described(captioned))
    about = {"encoder": args.encoder, "weights": provenance.kind_of(weights), "short_side": pictures.short_side}
    write_json(out / "about.json", about | {"dimensions": features.shape[1], **precision.describe(device)})
    provenance.hand_on(source, out)
    job.note(gpu=gpu_name(device), pictures=len(captioned.images), **precision.describe(device))


if __name__ == "__main__":
    stage.execute(parser(), main)
