"""Searching a folder of pictures with a trained network: what the search commands of Chapters 5 and 6 share.

A query that is the name of a file is a picture: it finds the best captions among those of the folder's own captions.csv or
captions.jsonl, or, where it has none, of the data set that the network was trained on. The folder's pictures go through their encoder
once: its features are kept in data/searches, for all networks that see by it; what is new or changed since is read when next searched.
"""

import argparse
import contextlib
import hashlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

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
from stages.matching.branch import Stack
from stages.matching.settings import Pictures, Text, Vocabulary

PARAMS, KEPT = Path("params.yaml"), Path("data/searches")
NAMED = 3  # captions without a known word that are named

Floats = NDArray[np.float32]
Score = Callable[[Floats, Floats], Floats]  # features of images (n, D) and texts (m, E), of which n or m is 1 -> scores (n * m,)


@dataclass(frozen=True)
class Searcher:
    """A trained network with all that its queries go through.

    data : this scale's folder of data/. images_by, texts_by : the encoders that it sees by. widths : of the features, of images and texts,
    that it was trained on. score : what scores by it.
    """

    params: dict[str, Any]
    data: Path
    dataset: str
    images_by: str
    texts_by: str
    widths: tuple[int, int]
    score: Score
    precision: Runtime
    device: torch.device

    @property
    def weights(self) -> Path:
        return self.data / "sources" / self.images_by

    @property
    def texts(self) -> Path:
        return self.data / "features" / "matching" / self.dataset / "texts" / self.texts_by

    def scored(self, images: Floats, texts: Floats) -> Floats:
        """`score`, of features as wide as the network was trained on; a UserError of others, and of scores that are not finite."""
        if (made := (images.shape[1], texts.shape[1])) != self.widths:
            raise UserError(
                f"{self.images_by} and {self.texts_by} make features of {made[0]} and {made[1]} values, and the network was trained on "
                f"{self.widths[0]} and {self.widths[1]}: the settings of `matching` have changed since, train it anew"
            )
        scores = self.score(images, texts)
        if not np.isfinite(scores).all():
            raise UserError(
                f"the network scores {scores[~np.isfinite(scores)][0]}: scores must be finite, train it again at a lower learning rate"
            )
        return scores

    def of_pictures(self, files: list[Path]) -> tuple[list[int], Floats]:
        """Which files can be read, and their features."""
        settings = build(Pictures, self.params["matching"]["pictures"], "matching.pictures")
        return encode.pictures(files, self.images_by, self.weights, settings, self.precision, self.device)

    def of_sentences(self, sentences: list[str]) -> tuple[list[str], Floats]:
        """The sentences that have a word with a vector, and their features; the others are counted on standard error."""
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
        return _with_words(sentences, features, known, text.words)

    def of_captions(self) -> tuple[list[str], Floats]:
        """The captions of the data set that the network was trained on, and their features; zeros are of none with a known word."""
        features = arrays.read(self.texts / "features.npy")
        words = self.params["matching"]["texts"][self.texts_by]["words"]
        return _with_words(load_described(self.texts).captions, features, np.asarray(features.any(axis=1)), words)


def inputs(stack: Stack) -> int:
    """How wide the features are that a network's first layers take."""
    return stack.state_dict()["fc1.fc.weight"].shape[1]


def _with_words(captions: list[str], features: NDArray, known: NDArray[np.bool_], words: str) -> tuple[list[str], Floats]:
    """Those of which a word is known; how many are not goes to standard error."""
    if known.all():
        return captions, features
    without = [caption for caption, one in zip(captions, known, strict=True) if not one]
    named = ", ".join(map(repr, without[:NAMED])) + (", ..." if len(without) > NAMED else "")
    print(f"left out: {len(without)} of {len(captions)} captions, no word of which has a vector in {words}: {named}", file=sys.stderr)
    return [caption for caption, one in zip(captions, known, strict=True) if one], features[known]


def parser(description: str | None, chapter: str, model: str) -> argparse.ArgumentParser:
    """The options that both commands have. chapter : its key in params.yaml; model : its default."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pictures", type=Path, help="a folder, searched with all folders below it")
    options.add_argument("query", help="a sentence, or a picture's file")
    options.add_argument("--top", type=int, default=10, help="how many to name (10)")
    options.add_argument("--dataset", help="that the network was trained on (the first that the chapter trains on)")
    options.add_argument("--model", default=model, help=f"one of {chapter}.variants ({model})")
    options.add_argument("--seed", type=int, help=f"that it was trained with (the first of {chapter}.seeds)")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    return options


@dataclass(frozen=True)
class Trained:
    """A training of the scale in force. section : its chapter's. folder : its weights'. block : of the section's variants."""

    chapter: str
    params: dict[str, Any]
    section: dict[str, Any]
    data: Path
    dataset: str
    block: str
    folder: Path


def trained(args: argparse.Namespace, chapter: str, title: str, sets: Iterable[str], blocks: Iterable[str]) -> Trained:
    """The training that the arguments name; a UserError names those that there are where it is none of them.

    chapter : its key in params.yaml. sets, blocks : keys of its `sets` and `models` that have networks.
    """
    params = yaml.safe_load(PARAMS.read_text())
    section, scale = params[chapter], params["scale"]
    datasets = [name for role in sets for name in section["sets"][role]]
    if not datasets:
        raise UserError(f"the scale {scale} trains no network of {title}: `python -m workflow.scale mini`, or another that does")
    dataset, seed = args.dataset or datasets[0], section["seeds"][0] if args.seed is None else args.seed
    place = Path("data", scale, "models", chapter, dataset)
    variants: Mapping[str, Mapping[str, Any]] = section["variants"]
    listed = [block for role in blocks for block in section["models"][role]]
    models = [name for block in listed for name in variants[block]]
    for option, given, known in (("dataset", dataset, datasets), ("model", args.model, models)):
        if given not in known:
            raise UserError(f"--{option} {given}: the scale {scale} trains {', '.join(known)}")
    for block in listed:
        folder = place / f"{block}-seed{seed}" / args.model
        if args.model in variants[block] and (folder / "model.pt").exists():
            break
    else:
        remedy = f"`make repro STAGE={chapter}` trains it" if seed in section["seeds"] else f"{chapter}.seeds lacks {seed}"
        raise UserError(f"no {args.model} of seed {seed} has been trained in {place}{_others(place)}: {remedy}")
    if params["protocol"] == "miniature":
        print("the network is scale mini's, trained for seconds on generated pictures: it knows little of others", file=sys.stderr)
    return Trained(chapter, params, section, Path("data", scale), dataset, block, folder)


@contextlib.contextmanager
def loading(training: Trained) -> Iterator[None]:
    """Around what builds the network by the parameters in force and reads its weights: a UserError where these are another's."""
    try:
        yield
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"{training.folder / 'model.pt'} is of another network than the parameters in force describe, which have changed since it was "
            f"trained: `make repro STAGE={training.chapter}` trains it anew"
        ) from error


def _others(place: Path) -> str:
    """What has been trained there, in words."""
    runs = sorted((file.parent.name, file.parent.parent.name.rpartition("-seed")[2]) for file in place.glob("*-seed*/*/model.pt"))
    return f", but {', '.join(f'{model} of seed {seed}' for model, seed in runs)}" if runs else ""


def gallery(searcher: Searcher, folder: Path) -> tuple[list[str], Floats]:
    """The folder's pictures by name, and their features: those that are kept, and of what is new or changed since new ones."""
    files, _ = pictures_in(folder)
    stamps = {file.relative_to(folder).as_posix(): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}
    # By all that a feature follows from, but for the pictures.
    weights = sha256(searcher.weights / vision.encoder(searcher.images_by).file)
    of = [str(folder.resolve()), searcher.images_by, weights, str(searcher.params["matching"]["pictures"])]
    kept = KEPT / f"{hashlib.sha256(repr(of).encode()).hexdigest()[:32]}.npz"
    rows: dict[str, Floats] = {}
    with contextlib.suppress(UserError):  # none yet, or damaged, by a full disk say: they are made again
        there = arrays.read_named(kept, "", "names", "stamps", "features")
        stored = zip(there[0].tolist(), map(tuple, there[1].tolist()), there[2], strict=True)
        rows = {name: vector for name, stamp, vector in stored if stamps.get(name) == stamp}
    if new := [name for name in stamps if name not in rows]:
        numbers, features = searcher.of_pictures([folder / name for name in new])
        rows |= {new[number]: vector for number, vector in zip(numbers, features, strict=True)}
        names = [name for name in stamps if name in rows]
        if not names:
            raise UserError(f"none of the {len(files)} pictures in {folder} can be read: see above")
        with replacing(kept) as aside:
            all_rows = np.stack([rows[name] for name in names]).astype(np.float16)  # as which they have been rounded
            np.savez(aside, names=np.array(names), stamps=np.array([stamps[name] for name in names]), features=all_rows)
    names = [name for name in stamps if name in rows]
    return names, np.stack([rows[name] for name in names]).astype(np.float32)


def captions(searcher: Searcher, folder: Path) -> tuple[list[str], Floats]:
    """The folder's own captions, or those of the data set, with their features."""
    if any((folder / f"captions.{suffix}").is_file() for suffix in ("csv", "jsonl")):
        return searcher.of_sentences(own_captions.captions(folder))
    return searcher.of_captions()


def answer(searcher: Searcher, folder: Path, query: str, top: int) -> list[tuple[float, str]]:
    """The best pictures for a sentence, or captions for a picture, best first, each once, with their scores."""
    if os.path.isfile(query):  # noqa: PTH113 - False also of a sentence that is too long for a name
        numbers, features = searcher.of_pictures([Path(query)])
        if not numbers:
            raise UserError(f"{query} cannot be read: see above")
        names, texts = captions(searcher, folder)
        scores = searcher.scored(features, texts)
    elif os.path.isdir(query) or Image.registered_extensions().get(Path(query).suffix.lower()) in FORMATS:  # noqa: PTH112
        raise UserError(f"{query} is no file: name one with a picture, or say a sentence")
    else:
        _, text = searcher.of_sentences([query])
        names, features = gallery(searcher, folder)
        scores = searcher.scored(features, text)
    best: dict[str, float] = {}  # the same words may be several pictures' captions
    for item in np.argsort(-scores, kind="stable"):
        if len(best) == top:
            break
        best.setdefault(names[item], float(scores[item]))
    return [(score, name) for name, score in best.items()]


def run(options: argparse.ArgumentParser, open_searcher: Callable[[argparse.Namespace], Searcher]) -> None:
    """The command: prints scores and names or captions, best first."""
    args = options.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of any bytes, captions of any language
    with exit_on_error(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        if min(args.top, args.threads) < 1:
            raise UserError("--top and --threads must be 1 or more")
        if not args.pictures.is_dir():
            raise UserError(f"{args.pictures} is no folder: name one with pictures")
        for number, (score, name) in enumerate(answer(open_searcher(args), args.pictures, args.query, args.top), 1):
            print(f"{number:4d}  {score:7.4f}  {name}")
