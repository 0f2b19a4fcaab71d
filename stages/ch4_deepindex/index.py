"""Index any folder of pictures, to be searched with stages.ch4_deepindex.search.

    python -m stages.ch4_deepindex.index PICTURES -o INDEX
    python -m stages.ch4_deepindex.index PICTURES -o INDEX --layers alexnet.fc6 vgg19.fc18 --words 5000 --signature float16

With one layer the index is 1-D, with two 2-D (Section 4.3.2). PCA and codebooks are learned from the folder's own patches. Pictures that
cannot be read are named and left out. The encoders' weights are downloaded once (THESIS_MIRROR as for any data set).

While it runs, it keeps the patches' features beside INDEX: with the two layers that are taken unless others are named 0.1 MB a picture,
with two of AlexNet or VGG-19 0.2 MB. It needs 0.2 MB of memory for each of the --training pictures, with AlexNet or VGG-19 0.4 MB.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from stages.ch4_deepindex import quantise, signature, store
from stages.ch4_deepindex.extract import PATCHES, by_encoder, extract
from stages.ch4_deepindex.inverted import IDF
from stages.ch4_deepindex.patches import BadPicture
from stages.ch4_deepindex.retrieve import Shard
from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import replacing, sha256
from stages.core.runtime import Runtime
from stages.datasets.fetch import Source, fetch
from stages.datasets.pictures import pictures_in
from stages.encoders import vision

SOURCES = Path("workflow/sources.yaml")
LAYERS = ("squeezenet1_1.fire8", "squeezenet1_1.fire9")
LARGEST = 5000  # words that a codebook has at most, unless asked: Section 4.4.2
PATCHES_A_WORD = 4  # as in Holidays: 20,874 patches, 5,000 words
BATCH = 4  # pictures; more are slower on a CPU
LEAST = {"words": 1, "dimensions": 0, "training": 1, "shard": 1, "size": 64, "threads": 1}  # AlexNet has nothing left of 62 pixels


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder, searched with all folders below it")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the index, a folder")
    parser.add_argument("--layers", nargs="+", default=list(LAYERS), help=f"one or two, as encoder.layer ({', '.join(LAYERS)})")
    parser.add_argument("--words", type=int, help=f"in a codebook (a quarter of the patches, {LARGEST} at most)")
    parser.add_argument("--dimensions", type=int, default=512, help="after PCA; 0: no PCA (512)")
    parser.add_argument("--signature", choices=[*signature.STORED, "none"], default="float16", help="how it is stored (float16)")
    parser.add_argument("--idf", choices=list(IDF), default="ratio", help="N/n as printed, or its logarithm (ratio)")
    parser.add_argument("--training", type=int, default=20_000, help="pictures that codebooks are learned from, at most (20000)")
    parser.add_argument("--shard", type=int, default=store.SHARD, help=f"pictures in a shard ({store.SHARD})")
    parser.add_argument("--size", type=int, default=224, help="pixels a side that a patch is resized to (224)")
    parser.add_argument("--weights", type=Path, default=Path("data/encoders"), help="where the encoders' weights are kept (data/encoders)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser


def encoder_folder(encoder: str, weights: Path) -> Path:
    """Where the encoder's weights are, fetched if they are not there yet."""
    folder, name = weights / encoder, vision.encoder(encoder).file
    if not (folder / name).exists():
        entry = yaml.safe_load(SOURCES.read_text())[encoder]
        with tempfile.TemporaryDirectory(dir=_made(weights)) as fetched:
            fetch(encoder, Source.of(entry), Path(fetched), os.environ.get("THESIS_MIRROR"))
            with replacing(folder / name) as aside:
                shutil.move(Path(fetched, name), aside)
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_settings(args: argparse.Namespace, pictures: int) -> None:
    """A UserError where the settings cannot be met, before hours go into features."""
    for name, least in LEAST.items():
        if vars(args)[name] is not None and vars(args)[name] < least:
            raise UserError(f"--{name} is {vars(args)[name]}: it must be {least} or more")
    most = PATCHES * min(pictures, args.training)
    if args.words and args.words > most:
        raise UserError(
            f"--words {args.words} are more than the {most} patches of {most // PATCHES} pictures to learn them from: ask for fewer"
        )
    if args.signature == "pq" and (args.dimensions % signature.PIECE or most < signature.LEAST):
        raise UserError(
            f"--signature pq needs --dimensions that are a multiple of {signature.PIECE}, and {signature.LEAST} patches or more "
            f"to learn from ({PATCHES} a picture): store float16"
        )


def split_layers(layers: Sequence[str]) -> list[tuple[str, str]]:
    """Encoder and layer of each "encoder.layer"."""
    if len(layers) > 2:
        raise UserError(f"--layers names {len(layers)}: an index is of one layer or two")
    pairs = []
    for name in layers:
        encoder, _, layer = name.partition(".")
        known = vision.known()
        if encoder not in known or layer not in known[encoder].layers:
            names = ", ".join(f"{name}.{layer}" for name, found in known.items() for layer in found.layers)
            raise UserError(f"--layers: there is no {name}; there are {names}")
        pairs.append((encoder, layer))
    if len(set(pairs)) < len(pairs):
        raise UserError(f"--layers names {layers[0]} twice: a 2-D index is of two different layers")
    return pairs


def read_features(
    files: Sequence[Path], pairs: Sequence[tuple[str, str]], weights: Path, size: int, precision: Runtime
) -> Iterator[tuple[int, list[NDArray[np.float32]] | BadPicture]]:
    """Features (14, D) of each picture, one array for each layer."""
    device = precision.start()
    layers = by_encoder(f"{encoder}.{layer}" for encoder, layer in pairs)
    networks = {name: precision.place(vision.load(name, encoder_folder(name, weights)), device).to(device) for name in layers}
    pictures = [(file, None) for file in files]
    for number, found in extract(pictures, networks, layers, size=size, batch_size=BATCH, precision=precision, device=device):
        yield number, found if isinstance(found, BadPicture) else [found[f"{encoder}.{layer}"] for encoder, layer in pairs]


def learn_layer(features: NDArray, args: argparse.Namespace) -> dict[str, Any]:
    """PCA, codebook and quantiser of one layer, for `store.Layer`. features : (images, 14, D), of which --training are looked at."""
    chosen = np.sort(np.random.default_rng(args.seed).permutation(len(features))[: args.training])
    projected = training = np.asarray(features[chosen], np.float32)
    patches = training.reshape(-1, training.shape[-1])
    dimensions = min(args.dimensions, *patches.shape)
    if args.signature == "pq":
        dimensions -= dimensions % signature.PIECE
    projection = quantise.learn_projection(patches, dimensions) if dimensions else None
    if projection:  # some pictures at a time, for it makes a copy of what it is given
        parts = (training[first : first + store.BLOCK] for first in range(0, len(training), store.BLOCK))
        projected = np.concatenate([projection.apply(part, dimensions) for part in parts])
    words = args.words or max(1, min(LARGEST, len(patches) // PATCHES_A_WORD))
    codebook = quantise.learn_codebook(projected.reshape(-1, projected.shape[-1]), words, iterations=25, seed=args.seed)
    quantiser = signature.quantiser(signature.root(projected), args.seed) if args.signature == "pq" else None
    return {"codebook": codebook, "projection": projection, "signature": args.signature, "quantiser": quantiser}


def shards_of(layers: Sequence[store.Layer], features: Sequence[NDArray], size: int) -> Iterator[Shard]:
    for first in tqdm(range(0, len(features[0]), size), "writing", unit="shard", disable=None):
        yield store.shard_of(layers, [each[first : first + size] for each in features], first)


def check_space(folder: Path, pictures: int, found: Sequence[NDArray]) -> None:
    """A UserError where a disk cannot hold the features of so many pictures, each like these, before the last of it is taken."""
    needed, free = 2 * pictures * sum(values.size for values in found), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"the features of {pictures} pictures need {needed / 1e9:.1f} GB in {folder} while the index is made, and {free / 1e9:.1f} GB "
            "are free: make room, or put the index on another disk"
        )


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Index `args.pictures`; return what was made, in numbers."""
    pairs = split_layers(args.layers)
    store.refuse_other(args.out)
    files, others = pictures_in(args.pictures)
    check_settings(args, len(files))
    if others:
        print(f"no pictures by their names: {', '.join(f'{n} {suffix}' for suffix, n in others.most_common())}", file=sys.stderr)
    precision = Runtime(args.device, args.threads, "fp32")
    faiss.omp_set_num_threads(args.threads)
    names: list[str] = []
    place = _made(args.out.resolve().parent)
    with contextlib.ExitStack() as open_files:
        # Files without names, which are gone whatever ends this program.
        scratch = [open_files.enter_context(tempfile.TemporaryFile(dir=place)) for _ in pairs]
        for number, found in read_features(files, pairs, args.weights, args.size, precision):
            if isinstance(found, BadPicture):
                tqdm.write(f"skipped: {found}", file=sys.stderr)
                continue
            if not names:
                check_space(place, len(files), found)
            for file, values in zip(scratch, found, strict=True):
                file.write(values.astype(np.float16).tobytes())
            names.append(files[number].relative_to(args.pictures).as_posix())
        if not names:
            raise UserError(f"none of the {len(files)} pictures in {args.pictures} can be read: see above")
        check_settings(args, len(names))
        for file in scratch:
            file.flush()
        features = [np.memmap(file, np.float16, "r").reshape(len(names), PATCHES, -1) for file in scratch]
        checksums = [sha256(encoder_folder(encoder, args.weights) / vision.encoder(encoder).file) for encoder, _ in pairs]
        learning = tqdm(features, "learning words", unit="layer", disable=None)
        layers = [
            store.Layer(*pair, checksum, **learn_layer(each, args)) for pair, checksum, each in zip(pairs, checksums, learning, strict=True)
        ]
        settings = {"idf": args.idf, "size": args.size}
        store.write_index(args.out, layers, shards_of(layers, features, args.shard), names, settings)
    return {"pictures": len(names), "skipped": len(files) - len(names), "words": len(layers[0].codebook)}


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Around a command: what goes wrong is one sentence and a status, and what Pillow thinks of a file's metadata is not said."""
    with exit_on_error(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def main() -> None:
    args = parser().parse_args()
    with told():
        made = build(args)
    print(f"{args.out}: {made['pictures']} pictures, {made['words']} words a layer, {made['skipped']} skipped")


if __name__ == "__main__":
    main()
