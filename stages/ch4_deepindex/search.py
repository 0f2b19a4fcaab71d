"""Search an index of stages.ch4_deepindex.index for pictures like these.

    python -m stages.ch4_deepindex.search INDEX IMAGE --top 10

Prints of each image the names of the best, with their scores by Eq. 4.4 or 4.5.
"""

import argparse
import contextlib
import io
import math
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from stages.ch4_deepindex import index as indexing
from stages.ch4_deepindex import store
from stages.ch4_deepindex.patches import BadPicture
from stages.ch4_deepindex.retrieve import Settings, search
from stages.core.errors import UserError
from stages.core.files import sha256
from stages.core.runtime import Runtime
from stages.encoders import vision

Answer = list[tuple[str, float]]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument("--top", type=int, default=10, help="how many to name (10)")
    parser.add_argument("--assignments", type=int, default=5, help="words that each patch of the image asks for: multiple assignment (5)")
    parser.add_argument("--alpha", type=float, default=8, help="of Eq. 4.4, the weight of the signature; 0: without (8)")
    parser.add_argument("--weights", type=Path, default=Path("data/encoders"), help="where the encoders' weights are kept (data/encoders)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the encoder, and shards searched at a time")
    return parser


def check_encoders(index: store.Index, weights: Path) -> None:
    """A UserError where the encoders at hand are not those of the index."""
    for layer in index.layers:
        known = vision.known()
        if layer.encoder not in known or layer.layer not in known[layer.encoder].layers:
            raise UserError(f"the index is of {layer.name}, which this program does not have: make the index again")
        file = indexing.encoder_folder(layer.encoder, weights) / known[layer.encoder].file
        if sha256(file) != layer.weights:
            raise UserError(f"the index was made with other weights of {layer.encoder} than {file}: use those, or make the index again")


def ask(index: store.Index, features: list[NDArray[np.float32]], settings: Settings, top: int, executor: Executor | None = None) -> Answer:
    """The best pictures for features (14, D) of each of the index's layers."""
    images, scores = search(index.shards, *store.question(index.layers, features, settings.assignments), settings, top, executor)
    return [(index.names[image], score) for image, score in zip(images, scores.tolist(), strict=True)]


def answers(args: argparse.Namespace) -> Iterator[tuple[Path, Answer | BadPicture]]:
    """The answer for each image, or why it has none."""
    if min(args.top, args.assignments, args.threads) < 1 or not 0 <= args.alpha < math.inf:
        raise UserError("--top, --assignments and --threads must be 1 or more, --alpha 0 or more")
    index = store.open_index(args.index)
    if missing := [str(image) for image in args.images if not image.is_file()]:
        raise UserError(f"there is no file {', '.join(missing)}")
    if args.alpha and any(layer.signature == "none" for layer in index.layers):
        raise UserError(f"{args.index} has no signatures: search it with --alpha 0, or make the index with --signature")
    check_encoders(index, args.weights)
    settings = Settings(min(args.assignments, *(len(layer.codebook) for layer in index.layers)), args.alpha, index.about["settings"]["idf"])
    pairs = [(layer.encoder, layer.layer) for layer in index.layers]
    precision = Runtime(args.device, args.threads, "fp32")
    faiss.omp_set_num_threads(args.threads)
    found = indexing.read_features(args.images, pairs, args.weights, index.about["settings"]["size"], precision)
    several = ThreadPoolExecutor(args.threads) if args.threads > 1 and len(index.shards) > 1 else contextlib.nullcontext()
    with several as executor:
        for number, features in found:
            answer = features if isinstance(features, BadPicture) else ask(index, features, settings, args.top, executor)
            yield args.images[number], answer


def main() -> None:
    args = parser().parse_args()
    failed = False
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a name's bytes as they are, also where they are no UTF-8
    with indexing.told():
        for image, answer in answers(args):
            if isinstance(answer, BadPicture):
                failed = True
                tqdm.write(f"error: {answer}", file=sys.stderr)
                continue
            if len(args.images) > 1:
                tqdm.write(f"{image}:")  # print would write into the line of the progress bar
            if not answer:
                tqdm.write("no picture shares a visual word with it: more --assignments find more")
            for place, (name, score) in enumerate(answer, 1):
                tqdm.write(f"{place:4d}  {score:12.6g}  {name}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
