"""How well images find their texts and texts their images: R@K, median and mean rank (Chapters 5 to 7).

    python -m stages.metrics.matching IMAGES.npy TEXTS.npy --image-of image_of.txt
    python -m stages.metrics.matching SCORES.npy --captions-per-image 5 --json out.json

IMAGES and TEXTS are embeddings (N, d) and (M, d), compared by cosine; SCORES is (N, M), higher is better. image_of.txt
has a line for each text, its image's number from 0. Without it texts must be as many as images: text j is of image j.

- R@K is the share of queries with a right answer among the first K, in percent: a hit rate, also where an image has
  five right texts.
- Scores that tie come in any order: a query counts by the probability that a right answer is among the first K. So a
  constant scorer scores chance, where counting only what scores strictly higher would give it 100 %. With
  `--ties index` the lower index comes first, as in the author's stable sort.
- A rank is that of the first right answer, from 1; of ties its mean over their orders. Median and mean are over queries
  (vsepp's code rounds the median down).
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import destination, write_json

KS = (1, 5, 10)
CHUNK = 1 << 24  # scores at a time, 64 MB
DIGITS = 18  # of numbers that an int64 surely holds

Ties = Literal["any order", "index"]
Block = Callable[[slice], NDArray[np.float32]]  # queries -> (queries, gallery), their scores
Blocks = tuple[Block, Block]  # from image to text, from text to image


@dataclass(frozen=True)
class Hits:
    """Of each query, (Q,): the items are above its best right one, those tied with it, and of these the right."""

    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    right: NDArray[np.int64]

    def within(self, k: int) -> NDArray[np.float64]:
        """The probability of a right answer among the first k, over the orders of the tied: hypergeometric."""
        missed = np.ones(len(self.above))
        for drawn in range(k):  # of the tied, one after the other, none of them right
            draws = self.above + drawn < k
            left = self.tied - drawn
            wrong = np.maximum(left - self.right, 0)
            missed = np.where(draws & (left > 0), missed * wrong / np.maximum(left, 1), missed)
        return 1 - missed

    def ranks(self) -> NDArray[np.float64]:
        """The rank of the first right answer, from 1: the mean over the orders of the tied."""
        return self.above + (self.tied + 1) / (self.right + 1)


def first_hits(
    block: Block,
    query_ids: NDArray[np.int64],
    item_ids: NDArray[np.int64],
    ties: Ties = "any order",
    name: str = "the model",
) -> Hits:
    """Where each query has its first right answer: an item with the query's own id, of an image or of a class.

    name : whose scores they are, for errors: a score that is not finite, a query without a right answer.
    """
    right, is_one = _right_items(query_ids, item_ids, name)
    counts = np.empty((3, len(query_ids)), np.int64)
    step = max(1, CHUNK // max(1, len(item_ids)))
    for first in range(0, len(query_ids), step):
        rows = slice(first, min(first + step, len(query_ids)))
        scores = block(rows)
        if not np.isfinite(scores).all():
            query, item = np.argwhere(~np.isfinite(scores))[0]
            raise UserError(
                f"{name} scores query {first + query} and item {item} {scores[query, item]}: scores must be finite, "
                "so train it again at a lower learning rate, or mend what made them"
            )
        counts[:, rows] = _count(scores, right[rows], is_one[rows], ties)
    return Hits(*counts)


def _right_items(
    query_ids: NDArray[np.int64],
    item_ids: NDArray[np.int64],
    name: str,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each query its right items, (Q, most of any), and which of these places are taken."""
    order = np.argsort(item_ids, kind="stable")
    begin, end = (np.searchsorted(item_ids[order], query_ids, side) for side in ("left", "right"))
    if (begin == end).any():
        query = int(np.flatnonzero(begin == end)[0])
        raise UserError(
            f"query {query} of {name} has no right answer among the {len(item_ids)} items: leave it out, or mend what "
            "says which image a text is of"
        )
    places = begin[:, None] + np.arange((end - begin).max())
    is_one = places < end[:, None]
    return order[np.where(is_one, places, begin[:, None])], is_one


def _count(
    scores: NDArray[np.float32],
    right: NDArray[np.int64],
    is_one: NDArray[np.bool_],
    ties: Ties,
) -> NDArray[np.int64]:
    """The numbers of `Hits`, (3, queries)."""
    own = np.take_along_axis(scores, right, axis=1)
    best = own.max(axis=1)[:, None]
    above = np.count_nonzero(scores > best, axis=1)
    tied = np.count_nonzero(scores >= best, axis=1) - above
    is_best = is_one & (own == best)
    if ties == "index":
        first = np.where(is_best, right, scores.shape[1]).min(axis=1)
        for query in np.flatnonzero(tied > 1):
            above[query] += np.count_nonzero(scores[query, : first[query]] == best[query])
        return np.stack([above, np.ones_like(above), np.ones_like(above)])
    return np.stack([above, tied, np.count_nonzero(is_best, axis=1)])


def scores_of(hits: Hits, ks: Sequence[int] = KS) -> dict[str, float]:
    """r1, r5, r10 in percent, median_rank and mean_rank."""
    ranks = hits.ranks()
    recalls = {f"r{k}": 100 * float(hits.within(k).mean()) for k in ks}
    return recalls | {"median_rank": float(np.median(ranks)), "mean_rank": float(ranks.mean())}


def evaluate(
    blocks: Blocks,
    image_ids: NDArray[np.int64],
    text_ids: NDArray[np.int64],
    ties: Ties = "any order",
    name: str = "the model",
) -> dict[str, float]:
    """i2t_r1, ..., t2i_mean_rank, and mean_recall, the mean of all recalls (mR).

    image_ids (N,), text_ids (M,) : image and text belong together where these are equal. Of instances `np.arange(N)`
    and the image of each text, of classes the class of each.
    """
    ways = (("i2t", blocks[0], image_ids, text_ids), ("t2i", blocks[1], text_ids, image_ids))
    found = {
        f"{way}_{metric}": value
        for way, block, queries, items in ways
        for metric, value in scores_of(first_hits(block, queries, items, ties, f"{name}, {way},")).items()
    }
    recalls = [value for metric, value in found.items() if metric.split("_")[1].startswith("r")]
    return found | {"mean_recall": float(np.mean(recalls))}


def facts_of(metric: str, images: int, texts: int) -> dict[str, Any]:
    """What a record says of a metric of `evaluate`: unit, what is better, n, the queries (mean_recall: both kinds)."""
    of_rank = metric.endswith("rank")
    queries = {"i2t": images, "t2i": texts}.get(metric.split("_")[0], images + texts)
    return {"unit": "rank" if of_rank else "%", "better": "lower" if of_rank else "higher", "n": queries}


def folds(
    image_of: NDArray[np.int64],
    images: int,
    number: int,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Consecutive images in `number` parts of one size, and the texts of each: MSCOCO's 5,000 as five times 1,000."""
    if number < 1 or images % number:
        raise UserError(f"{images} images do not make {number} folds of equal size: take a divisor")
    size = images // number
    for first in range(0, images, size):
        yield np.arange(first, first + size), np.flatnonzero((image_of >= first) & (image_of < first + size))


def mean_over(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each metric's mean over folds."""
    return {metric: float(np.mean([part[metric] for part in parts])) for metric in parts[0]}


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays, so that it has cosine 0 with all and scores chance."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def cosines(*pairs: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Blocks:
    """The mean cosine over models (Eq. 5.11), by the embeddings of each: images (N, d) and texts (M, d)."""
    units = [(unit(images), unit(texts)) for images, texts in pairs]

    def block(way: int) -> Block:
        def scores(rows: slice) -> NDArray[np.float32]:
            total = units[0][way][rows] @ units[0][1 - way].T
            for pair in units[1:]:
                total += pair[way][rows] @ pair[1 - way].T
            return total / np.float32(len(units)) if len(units) > 1 else total

        return scores

    return block(0), block(1)


def of_matrix(scores: NDArray[np.float32]) -> Blocks:
    """The blocks of a matrix of scores (N, M)."""
    return lambda rows: scores[rows], lambda rows: np.ascontiguousarray(scores[:, rows].T)


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
