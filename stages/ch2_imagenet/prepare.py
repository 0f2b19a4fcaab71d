"""ImageNet brought to one size: the archives' JPEGs decoded, resized to 256 x 256 and stored as JPEGs again, one file a part.

    python -m stages.ch2_imagenet.prepare imagenet

Under `data/<scale>/packed/<set>`, as `stages.ch2_imagenet.data` reads it. What networks need to know of it is beside it,
in `<set>_facts`: the mean training picture, float32 (S, S, 3), the classes, and in about.json how many pictures there are.
A picture that cannot be decoded is named and left out; more of them than the stated share end the stage.
"""

import argparse
import io
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.ch2_imagenet.prepare_settings import Preparation
from stages.core import provenance, stage
from stages.core.ahead import map_ahead, workers
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets import reader
from stages.datasets.archived import Picture
from stages.datasets.pictures import BadPicture, decoded, open_picture


@dataclass(frozen=True)
class Resized:
    """A picture as it is stored, and what is seen when that is decoded."""

    label: int
    content: bytes
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Written:
    """A part's mean picture, float32 (S, S, 3), and how many pictures it has, without those that could not be decoded."""

    mean: NDArray[np.float32]
    pictures: int
    skipped: int


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def resized(picture: Picture, *, size: int, quality: int) -> Resized | BadPicture:
    """The picture at size x size, its proportions not kept; or why it cannot be decoded."""
    try:
        opened = open_picture(io.BytesIO(picture.content), picture.name)
    except BadPicture as error:
        return error
    stored = io.BytesIO()
    opened.resize((size, size), Image.Resampling.BILINEAR).save(stored, "JPEG", quality=quality, subsampling=0)
    return Resized(picture.label, stored.getvalue(), decoded(stored, np.asarray, ("JPEG",), picture.name))


def write_part(
    out: Path,
    dataset: str,
    part: str,
    pictures: Iterable[Picture],
    settings: Preparation,
    threads: int = 1,
) -> Written:
    """Write the files of a data set's part, train or val; a UserError where too many of its pictures cannot be decoded.

    threads : that decode; the result does not depend on how many.
    """
    offsets, labels, skipped = [0], [], 0
    total = np.zeros((settings.size, settings.size, 3))
    work = partial(resized, size=settings.size, quality=settings.quality)
    in_order = map_ahead(work, pictures, threads=threads, ahead=4 * threads)
    with closing(in_order), (out / f"{part}.jpegs").open("wb") as file:
        for result in tqdm(in_order, desc=part, unit="image", disable=None):
            if isinstance(result, BadPicture):
                print(f"skipped: {result}", file=sys.stderr)
                skipped += 1
                continue
            file.write(result.content)
            offsets.append(offsets[-1] + len(result.content))
            labels.append(result.label)
            total += result.pixels
    if skipped > settings.max_skipped * (len(labels) + skipped):
        raise UserError(
            f"{skipped} of {len(labels) + skipped} pictures of {dataset}'s part {part} cannot be decoded, more than the "
            f"share {settings.max_skipped:g} that ch2_imagenet.prepare.max_skipped allows: get the archives anew, or allow more"
        )
    np.save(out / f"{part}_offsets.npy", np.array(offsets))
    np.save(out / f"{part}_labels.npy", np.array(labels))
    return Written((total / max(1, len(labels))).astype(np.float32), len(labels), skipped)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Preparation, "ch2_imagenet.prepare")
    source = job.dep(job.data(f"sources/{args.dataset}"))
    out = job.out(job.data(f"packed/{args.dataset}"))
    out.mkdir(parents=True)
    facts = job.out(job.data(f"packed/{args.dataset}_facts"))
    facts.mkdir(parents=True)
    archives = reader(args.dataset)
    classes = archives.read_classes(source)
    train = write_part(out, args.dataset, "train", archives.train_pictures(source), settings, workers())
    val = write_part(out, args.dataset, "val", archives.val_pictures(source), settings, workers())
    np.save(facts / "mean.npy", train.mean)
    (facts / "classes.txt").write_text("".join(f"{synset.wnid} {synset.words}\n" for synset in classes))
    counts = {"train": train.pictures, "val": val.pictures, "skipped_train": train.skipped, "skipped_val": val.skipped}
    write_json(facts / "about.json", counts)
    provenance.hand_on(source, facts)


if __name__ == "__main__":
    stage.execute(parser(), main)
