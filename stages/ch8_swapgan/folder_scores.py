"""Inception Score and SSIM of folders of pictures, as Section 8.2 has them.

    python -m stages.ch8_swapgan.folder_scores PHOTOS REFERENCES --scorer data/mini/models/ch8_swap_scorer/deepfashion_inshop --splits 2
    python -m stages.ch8_swapgan.folder_scores PHOTOS --inception data/paper/sources/inception_v3
    python -m stages.ch8_swapgan.folder_scores PHOTOS REFERENCES

The Inception Score is of the pictures in PHOTOS, in the order of their names, which is then shuffled, the same way for as many: by the
classifier of a trained scorer, for which they are made squares of its size as the chapter's photos are, or by Inception-v3, whose folder
has torchvision's weights, for which they are brought to 299 x 299 pixels; by neither there is none. Scores of different networks are not
to be compared. SSIM is of each picture with the one of the same name in REFERENCES, whatever their suffixes, at their own size, which
must be the same.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.ch8_swapgan import score
from stages.ch8_swapgan.prepare import squared
from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.datasets.pictures import open_picture
from stages.datasets.twins import by_name, twins
from stages.metrics.perception import WINDOW, inception_score, shuffled, similarity

Row = tuple[str, float | int]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("photos", type=Path, help="a folder of generated, or real, pictures")
    options.add_argument("references", type=Path, nargs="?", help="a folder of what they should look like, for SSIM")
    options.add_argument("--splits", type=int, default=10, help="of the pictures, for the Inception Score's deviation")
    network = options.add_mutually_exclusive_group()
    network.add_argument("--scorer", type=Path, help="the folder of a trained scorer")
    network.add_argument("--inception", type=Path, help="the folder of Inception-v3's weights, inception_v3.pth")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    return options


def pixels(file: Path) -> NDArray[np.uint8]:
    """A picture as it is meant to be seen, uint8 (H, W, 3)."""
    return np.array(open_picture(file))


def of_answers(files: Sequence[Path], answer: score.Posteriors, splits: int, size: int | None) -> Iterator[Row]:
    """The Inception Score of pictures. size : of the squares that they are made first, None for none."""
    if not 1 <= splits <= len(files):  # before any work
        raise UserError(f"--splits is {splits}, and there are {len(files)} pictures: the Inception Score needs one for each split at least")
    pictures = (pixels(file) if size is None else np.array(squared(pixels(file), size)) for file in files)
    answers = np.concatenate([answer(one[None]) for one in pictures])
    mean, deviation = inception_score(answers[shuffled(len(answers))], splits)
    yield from (("inception_score", mean), ("deviation", deviation), ("splits", splits))


def of_pairs(pairs: Sequence[tuple[Path, Path]]) -> float:
    """The mean SSIM of pictures and what they should look like."""
    values = []
    for photo, reference in pairs:
        one, other = pixels(photo), pixels(reference)
        if one.shape != other.shape or min(one.shape[:2]) < WINDOW:
            sizes = [f"{shape[1]} x {shape[0]}" for shape in (one.shape, other.shape)]
            raise UserError(
                f"{photo} has {sizes[0]} pixels and {reference} {sizes[1]}: for SSIM the two must be of one size, from {WINDOW} a side"
            )
        values.append(similarity(one, other))
    return float(np.mean(values))


def scores(args: argparse.Namespace) -> Iterator[Row]:
    """What is printed, by name."""
    if not (args.scorer or args.inception or args.references):
        raise UserError("there is nothing to score by: give --scorer or --inception for the Inception Score, or REFERENCES for SSIM")
    if args.threads < 1:
        raise UserError("--threads must be 1 or more")
    precision = Runtime(args.device, args.threads, "fp32")
    device = precision.start()
    files = [file for _, file in sorted(by_name(args.photos).items())]
    pairs = twins(args.photos, args.references, ("photo", "reference")) if args.references else []
    if args.scorer:
        scorer = score.load(args.scorer, precision, device, "ch8_swap_scorer")
        yield from of_answers(files, scorer.posteriors, args.splits, scorer.size)
    elif args.inception:
        yield from of_answers(files, score.inception(args.inception, device), args.splits, None)
    if pairs:
        yield "ssim", of_pairs(pairs)
    yield "photos", len(files)


def main() -> None:
    with exit_on_error():
        for name, value in scores(parser().parse_args()):
            print(f"{name:15} {value if isinstance(value, int) else f'{value:.4f}'}")


if __name__ == "__main__":
    main()
