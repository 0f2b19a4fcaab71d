"""R@K, median and mean rank of anyone's similarities or embeddings, as `stages.metrics.recall` counts them.

    python -m stages.metrics.matching IMAGES.npy TEXTS.npy --image-of image_of.txt
    python -m stages.metrics.matching SCORES.npy --captions-per-image 5 --json out.json

IMAGES and TEXTS are embeddings (N, d) and (M, d), compared by cosine; SCORES is (N, M), higher is better. image_of.txt
has a line for each text, its image's number from 0. Without it texts must be as many as images: text j is of image j.
With `--ties index` the lower index comes first of scores that tie; else they come in any order, by probability.
"""

import argparse
import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import destination, write_json
from stages.metrics.recall import Ties, cosines, evaluate, folds, mean_over, of_matrix

DIGITS = 18  # of numbers that an int64 surely holds


def _read(file: Path) -> NDArray:
    try:
        read = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, BadZipFile) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{file} cannot be read ({why}): it must be an array as numpy.save writes it") from error
    if not isinstance(read, np.ndarray):
        raise UserError(f"{file} is an archive of arrays: it must be a single one, as numpy.save writes it")
    return read


def _matrix(file: Path) -> NDArray:
    """As it is stored: scores that differ in float64 may tie in float32."""
    read = _read(file)
    if read.ndim != 2 or not read.size or read.dtype.kind not in "fiu":
        raise UserError(f"{file} holds {read.dtype} of shape {read.shape}: it must be numbers in rows and columns")
    return read


def _numbers(file: Path, length: int, what: str) -> NDArray[np.int64]:
    """Whole numbers, as many as `length`, from a .npy file or the lines of a text."""
    if file.suffix == ".npy":
        numbers = _read(file)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise UserError(f"{file} holds {numbers.dtype} of shape {numbers.shape}: it must be a row of whole numbers")
    else:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").split()
        wrong = next((n for n, line in enumerate(lines, start=1) if not line.isdecimal() or len(line) > DIGITS), None)
        if wrong:
            raise UserError(f"{file}, number {wrong}, is {lines[wrong - 1]!r}: it must be a whole number, one a line")
        numbers = np.array(lines, np.int64)
    if len(numbers) != length:
        raise UserError(f"{file} has {len(numbers)} numbers, and there are {length} {what}: it must have one for each")
    if numbers.dtype.kind == "u" and (numbers > np.iinfo(np.int64).max).any():
        raise UserError(f"{file} has the number {numbers.max()}, which is too large to be an image's or a class's")
    return numbers.astype(np.int64)


def image_of_texts(images: int, texts: int, file: Path | None, captions_per_image: int | None) -> NDArray[np.int64]:
    """The image of each text, (M,), as the command line says it."""
    if file and captions_per_image is not None:
        raise UserError("--image-of and --captions-per-image both say which image a text is of: give one")
    if file:
        image_of = _numbers(file, texts, "texts")
        if len(wrong := np.flatnonzero((image_of < 0) | (image_of >= images))):
            number = image_of[wrong[0]]
            raise UserError(f"{file} has text {wrong[0]} of image {number}: there are {images}, numbered from 0")
        return image_of
    if captions_per_image is None and texts != images:
        raise UserError(f"there are {texts} texts and {images} images: say with --image-of which image each text is of")
    each = 1 if captions_per_image is None else captions_per_image
    if each < 1:
        raise UserError(f"--captions-per-image is {each}: it must be 1 or more")
    if texts != images * each:
        raise UserError(f"--captions-per-image {each} needs {images * each} texts for {images} images, not {texts}")
    return np.arange(texts) // each


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m stages.metrics.matching", description="Scores of matching.")
    options.add_argument("files", type=Path, nargs="+", metavar="FILE", help="SCORES.npy, or IMAGES.npy and TEXTS.npy")
    options.add_argument("--image-of", type=Path, metavar="FILE", help="image of each text: .npy, or a number a line")
    options.add_argument("--captions-per-image", type=int, metavar="C", help="texts in the images' order, so many each")
    options.add_argument("--classes", type=Path, metavar="FILE", help="class of each image: any answer of it is right")
    options.add_argument("--folds", type=int, default=1, help="means over so many parts (default: %(default)s)")
    options.add_argument("--ties", choices=("any", "index"), default="any", help="order of ties (default: %(default)s)")
    options.add_argument("--json", type=Path, metavar="FILE", help="where to write the scores")
    return options


def from_files(args: argparse.Namespace) -> dict[str, float]:
    """The scores that the command line asks for."""
    if len(args.files) > 2:
        raise UserError(f"{len(args.files)} files: give one of scores, or two of embeddings, images and texts")
    read = [_matrix(file) for file in args.files]
    if len(read) == 2 and read[0].shape[1] != read[1].shape[1]:
        widths = " and ".join(f"{file} {one.shape[1]}" for file, one in zip(args.files, read, strict=True))
        raise UserError(f"these embeddings differ in their columns ({widths}): they must be of one space")
    images, texts = read[0].shape if len(read) == 1 else (len(read[0]), len(read[1]))
    image_of = image_of_texts(images, texts, args.image_of, args.captions_per_image)
    image_ids = _numbers(args.classes, images, "images") if args.classes else np.arange(images)
    ties: Ties = "index" if args.ties == "index" else "any order"
    scored, name = [], " and ".join(map(str, args.files))
    for own, captions in folds(image_of, images, args.folds):
        whole = args.folds == 1
        if len(read) == 1:
            blocks = of_matrix(read[0] if whole else read[0][np.ix_(own, captions)])
        else:
            blocks = cosines((read[0][own].astype(np.float32), read[1][captions].astype(np.float32)))
        scored.append(evaluate(blocks, image_ids[own], image_ids[image_of[captions]], ties, name))
    return mean_over(scored)


def main() -> None:
    args = parser().parse_args()
    with exit_on_error():
        if args.json:
            destination(args.json)  # before the work
        scores = from_files(args)
        if args.json:
            write_json(args.json, scores)
        print(json.dumps({metric: round(value, 3) for metric, value in scores.items()}, indent=1))


if __name__ == "__main__":
    main()
