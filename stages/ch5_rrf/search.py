"""Search a folder of pictures by a sentence, or captions by a picture, with a trained network of the scale in force.

    python -m stages.ch5_rrf.search PICTURES "two dogs on a beach" --top 10
    python -m stages.ch5_rrf.search PICTURES a.jpg

A query that is the name of a file is a picture: it finds the best captions among those of PICTURES' own captions.csv or captions.jsonl, or,
where it has none, of the data set that the network was trained on. Prints cosines and names or captions, best first. The folder's
pictures are embedded once and kept in data/searches; what is new or changed since is embedded when it is next searched.
"""

import argparse
import contextlib
import hashlib
import io
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from stages.ch5_rrf import embed
from stages.ch5_rrf.model import MatchingNetwork
from stages.ch5_rrf.training_settings import Network, Variant
from stages.core import arrays
from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import replacing, sha256
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.datasets import own_captions
from stages.datasets.captioned import load_described
from stages.datasets.pictures import FORMATS, pictures_in
from stages.encoders import vision
from stages.matching import encode
from stages.matching.settings import Pictures, Text, Vocabulary
from stages.metrics.recall import unit

PARAMS, KEPT = Path("params.yaml"), Path("data/searches")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Searcher:
    """A trained network with all that its queries go through.

    data : this scale's folder of data/. images_by, texts_by : the encoders that it sees by. file : its weights.
    """

    params: dict[str, Any]
    data: Path
    dataset: str
    images_by: str
    texts_by: str
    file: Path
    model: MatchingNetwork
    precision: Runtime
    device: torch.device

    @property
    def weights(self) -> Path:
        return self.data / "sources" / self.images_by

    @property
    def texts(self) -> Path:
        return self.data / "features" / "matching" / self.dataset / "texts" / self.texts_by

    def of_pictures(self, files: list[Path]) -> tuple[list[int], Floats]:
        """Which files can be read, and their embeddings, of length 1."""
        settings = build(Pictures, self.params["matching"]["pictures"], "matching.pictures")
        numbers, features = encode.pictures(files, self.images_by, self.weights, settings, self.precision, self.device)
        if not numbers:
            return [], features
        return numbers, unit(embed.embed(self.model.images, torch.from_numpy(features).to(self.device)))

    def of_sentences(self, sentences: list[str]) -> tuple[list[str], Floats]:
        """The sentences that have a word with a vector, and their embeddings, of length 1."""
        matching = self.params["matching"]
        text = build(Text, matching["texts"][self.texts_by], f"matching.texts.{self.texts_by}")
        vocabulary = build(Vocabulary, matching["vocabularies"][text.words], f"matching.vocabularies.{text.words}")
        vectors = self.data / "sources" / text.words
        if not vectors.is_dir():
            raise UserError(f"the word vectors {vectors} are missing: `make repro STAGE=download@{text.words}` gets them")
        features, known = encode.sentences(sentences, text, vocabulary, vectors, self.texts, self.device)
        if not known.any():
            others = f", nor in the {len(sentences) - 1} after it" if len(sentences) > 1 else ""
            raise UserError(f"{text.words} has a vector of no word in {sentences[0]!r}{others}: say it in other words")
        kept = [sentence for sentence, one in zip(sentences, known, strict=True) if one]
        return kept, unit(embed.embed(self.model.texts, torch.from_numpy(features[known]).to(self.device)))

    def of_captions(self) -> tuple[list[str], Floats]:
        """The captions of the data set that the network was trained on."""
        features = torch.from_numpy(arrays.read(self.texts / "features.npy")).to(self.device)
        return load_described(self.texts).captions, unit(embed.embed(self.model.texts, features))


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pictures", type=Path, help="a folder, searched with all folders below it")
    options.add_argument("query", help="a sentence, or a picture's file")
    options.add_argument("--top", type=int, default=10, help="how many to name (10)")
    options.add_argument("--dataset", help="that the network was trained on (the first that Chapter 5 trains on)")
    options.add_argument("--model", default="rrf-3", help="one of ch5_rrf.variants (rrf-3)")
    options.add_argument("--seed", type=int, help="that it was trained with (the first of ch5_rrf.seeds)")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    return options


def open_searcher(args: argparse.Namespace) -> Searcher:
    """The network that the arguments name, of the scale in force; a UserError where it has not been trained."""
    params = yaml.safe_load(PARAMS.read_text())
    chapter, scale = params["ch5_rrf"], params["scale"]
    sets = [*chapter["sets"]["ablated"], *chapter["sets"]["compared"]]
    if not sets:
        raise UserError(f"the scale {scale} trains no network of Chapter 5: `python -m workflow.scale mini`, or another that does")
    dataset, seed = args.dataset or sets[0], chapter["seeds"][0] if args.seed is None else args.seed
    place = Path("data", scale, "models", "ch5_rrf", dataset)
    listed = [block for blocks in chapter["models"].values() for block in blocks]
    folders = {place / f"{block}-seed{seed}" / args.model: block for block in listed if args.model in chapter["variants"][block]}
    models = [name for block in listed for name in chapter["variants"][block]]
    for option, given, known in (("dataset", dataset, sets), ("model", args.model, models)):
        if given not in known:
            raise UserError(f"--{option} {given}: the scale {scale} trains {', '.join(known)}")
    folder = next((folder for folder in folders if (folder / "model.pt").exists()), None)
    if folder is None:
        raise UserError(f"no {args.model} of seed {seed} has been trained in {place}: `make repro STAGE=ch5_rrf` trains it")
    if params["protocol"] == "miniature":
        print("the network is scale mini's, trained for seconds on generated pictures: it knows little of others", file=sys.stderr)
    variant = build(Variant, chapter["variants"][folders[folder]][args.model], f"ch5_rrf.variants.{folders[folder]}.{args.model}")
    encoders = chapter["encoders"]
    precision = Runtime(args.device, args.threads, "fp32")
    device = precision.start()
    model = embed.load(folder, variant, build(Network, chapter["network"], "ch5_rrf.network"), device)
    seen = encoders[variant.images], encoders["texts"]
    return Searcher(params, Path("data", scale), dataset, *seen, folder / "model.pt", model, precision, device)


def embedded(searcher: Searcher, folder: Path) -> tuple[list[str], Floats]:
    """The folder's pictures by name, and their embeddings: those that are kept, and of what is new or changed since new ones."""
    files, _ = pictures_in(folder)
    stamps = {file.relative_to(folder).as_posix(): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}
    # By all that an embedding follows from, but for the pictures.
    weights = sha256(searcher.weights / vision.encoder(searcher.images_by).file)
    of = [str(folder.resolve()), sha256(searcher.file), weights, str(searcher.params["matching"]["pictures"])]
    kept = KEPT / f"{hashlib.sha256(repr(of).encode()).hexdigest()[:32]}.npz"
    rows: dict[str, Floats] = {}
    with contextlib.suppress(UserError):  # none yet, or damaged, by a full disk say: they are made again
        there = arrays.read_named(kept, "", "names", "stamps", "embeddings")
        stored = zip(there[0].tolist(), map(tuple, there[1].tolist()), there[2], strict=True)
        rows = {name: vector for name, stamp, vector in stored if stamps.get(name) == stamp}
    if new := [name for name in stamps if name not in rows]:
        numbers, vectors = searcher.of_pictures([folder / name for name in new])
        rows |= {new[number]: vector for number, vector in zip(numbers, vectors, strict=True)}
        names = [name for name in stamps if name in rows]
        if not names:
            raise UserError(f"none of the {len(files)} pictures in {folder} can be read: see above")
        with replacing(kept) as aside:
            all_rows = np.stack([rows[name] for name in names])
            np.savez(aside, names=np.array(names), stamps=np.array([stamps[name] for name in names]), embeddings=all_rows)
    names = [name for name in stamps if name in rows]
    return names, np.stack([rows[name] for name in names])


def captions(searcher: Searcher, folder: Path) -> tuple[list[str], Floats]:
    """The folder's own captions, or those of the data set."""
    if any((folder / f"captions.{suffix}").is_file() for suffix in ("csv", "jsonl")):
        return searcher.of_sentences(own_captions.captions(folder))
    return searcher.of_captions()


def answer(searcher: Searcher, folder: Path, query: str, top: int) -> list[tuple[float, str]]:
    """The best pictures for a sentence, or captions for a picture, best first, each once, with their cosines."""
    if os.path.isfile(query):  # noqa: PTH113 - False also of a sentence that is too long for a name
        numbers, vectors = searcher.of_pictures([Path(query)])
        if not numbers:
            raise UserError(f"{query} cannot be read: see above")
        names, found = captions(searcher, folder)
    elif os.path.isdir(query) or Image.registered_extensions().get(Path(query).suffix.lower()) in FORMATS:  # noqa: PTH112
        raise UserError(f"{query} is no file: name one with a picture, or say a sentence")
    else:
        _, vectors = searcher.of_sentences([query])
        names, found = embedded(searcher, folder)
    scores = found @ vectors[0]
    best: dict[str, float] = {}  # the same words may be several pictures' captions
    for item in np.argsort(-scores, kind="stable"):
        if len(best) == top:
            break
        best.setdefault(names[item], float(scores[item]))
    return [(score, name) for name, score in best.items()]


def main() -> None:
    args = parser().parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of any bytes, captions of any language
    with exit_on_error(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        if min(args.top, args.threads) < 1:
            raise UserError("--top and --threads must be 1 or more")
        if not args.pictures.is_dir():
            raise UserError(f"{args.pictures} is no folder: name one with pictures")
        for place, (score, name) in enumerate(answer(open_searcher(args), args.pictures, args.query, args.top), 1):
            print(f"{place:4d}  {score:7.4f}  {name}")


if __name__ == "__main__":
    main()
