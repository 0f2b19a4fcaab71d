"""Searching a folder of pictures with a trained network: what the commands of Chapters 5 to 7 share.

A query that is the name of a file is a picture: it finds the best captions among those of the folder's own captions.csv or
captions.jsonl, or, where it has none, of the data set that the network was trained on. The folder's pictures go through their encoder
once: its features are kept in data/searches, for all networks that see by it; what is new or changed since is read when next searched.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from stages.core import arrays
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

KEPT = Path("data/searches")
NAMED = 3  # captions without a known word that are named

Floats = NDArray[np.float32]
Scored = list[tuple[float, str]]  # best first
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

    def require_widths(self, images: Floats, texts: Floats) -> None:
        """A UserError of features that are not as wide as the network was trained on."""
        if (made := (images.shape[1], texts.shape[1])) != self.widths:
            raise UserError(
                f"{self.images_by} and {self.texts_by} make features of {made[0]} and {made[1]} values, and the network was trained on "
                f"{self.widths[0]} and {self.widths[1]}: the settings of `matching` have changed since, train it anew"
            )

    def scored(self, images: Floats, texts: Floats) -> Floats:
        """`score`, of features as wide as the network was trained on; a UserError of others, and of scores that are not finite."""
        self.require_widths(images, texts)
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


def _with_words(captions: list[str], features: NDArray, known: NDArray[np.bool_], words: str) -> tuple[list[str], Floats]:
    """Those of which a word is known; how many are not goes to standard error."""
    if known.all():
        return captions, features
    without = [caption for caption, one in zip(captions, known, strict=True) if not one]
    named = ", ".join(map(repr, without[:NAMED])) + (", ..." if len(without) > NAMED else "")
    print(f"left out: {len(without)} of {len(captions)} captions, no word of which has a vector in {words}: {named}", file=sys.stderr)
    return [caption for caption, one in zip(captions, known, strict=True) if one], features[known]


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


def seen(searcher: Searcher, picture: str) -> Floats:
    """The features of one picture, (1, D); a UserError where it cannot be read."""
    numbers, features = searcher.of_pictures([Path(picture)])
    if not numbers:
        raise UserError(f"{picture} cannot be read: see above")
    return features


def nearest_captions(searcher: Searcher, folder: Path, image: Floats, top: int) -> Scored:
    """The best of `captions` for a picture's features (1, D)."""
    texts, features = captions(searcher, folder)
    return best(texts, searcher.scored(image, features), top)


def nearest_pictures(searcher: Searcher, folder: Path, text: Floats, top: int) -> Scored:
    """The best of `gallery` for a sentence's features (1, E)."""
    names, features = gallery(searcher, folder)
    return best(names, searcher.scored(features, text), top)


def best(names: Sequence[str], scores: Floats, top: int) -> Scored:
    """The names of the highest scores, each once: the same words may be several pictures' captions."""
    chosen: dict[str, float] = {}
    for item in np.argsort(-scores, kind="stable"):
        if len(chosen) == top:
            break
        chosen.setdefault(names[item], float(scores[item]))
    return [(score, name) for name, score in chosen.items()]


def answer(searcher: Searcher, folder: Path, query: str, top: int) -> Scored:
    """The best pictures for a sentence, or captions for a picture, best first, each once, with their scores."""
    if os.path.isfile(query):  # noqa: PTH113 - False also of a sentence that is too long for a name
        return nearest_captions(searcher, folder, seen(searcher, query), top)
    if os.path.isdir(query) or Image.registered_extensions().get(Path(query).suffix.lower()) in FORMATS:  # noqa: PTH112
        raise UserError(f"{query} is no file: name one with a picture, or say a sentence")
    _, text = searcher.of_sentences([query])
    return nearest_pictures(searcher, folder, text, top)


def numbered(scored: Scored) -> Iterator[str]:
    """A line of each, with its place and score."""
    for number, (score, name) in enumerate(scored, 1):
        yield f"{number:4d}  {score:7.4f}  {name}"
