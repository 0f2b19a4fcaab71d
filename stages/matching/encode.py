"""Pictures and sentences of one's own as the features of a set: for what searches with a trained network."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from stages.core.ahead import map_ahead, workers
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.datasets import reader
from stages.datasets.word_vectors import NoneKnown
from stages.encoders import vision
from stages.encoders.fisher import Encoder
from stages.encoders.words import enclosed, look_up, needed
from stages.matching.images import HELD, Pixels, at_short_side, of_one_size
from stages.matching.settings import MIXTURES, Pictures, Text, Vocabulary
from stages.matching.stored import Words, as_float16
from stages.matching.texts import ENCODER, by_lstm, by_mean


def pictures(
    files: Sequence[Path], encoder: str, weights: Path, settings: Pictures, precision: Runtime, device: torch.device
) -> tuple[list[int], NDArray[np.float32]]:
    """Which of the files can be read, others are named on standard error, and the features of these, (n, D).

    weights : the folder of the encoder's. Values are rounded as those that networks are trained on are stored.
    """
    if not files:
        return [], np.zeros((0, 0), np.float32)
    model, known = precision.place(vision.load(encoder, weights), device).to(device), vision.encoder(encoder)
    read = partial(_readable, side=settings.short_side)
    rows: dict[int, NDArray[np.float32]] = {}
    numbers: list[int] = []

    def seen(decoded: Iterator[Pixels | UserError]) -> Iterator[Pixels]:
        for number, picture in enumerate(tqdm(decoded, "pictures", len(files), disable=None)):
            if isinstance(picture, UserError):
                tqdm.write(f"skipped: {picture}", file=sys.stderr)
                continue
            numbers.append(number)
            yield picture

    with closing(map_ahead(read, files, threads=workers(), ahead=settings.batch_size)) as decoded:
        for batch, pixels in of_one_size(seen(decoded), settings.batch_size, HELD * settings.batch_size):
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)
            with precision.autocast(device):
                rows.update(zip(batch, vision.whole_features(model, known, images).cpu().numpy(), strict=True))
    if not numbers:
        return [], np.zeros((0, 0), np.float32)
    return numbers, as_float16(np.stack([rows[row] for row in range(len(numbers))]), encoder).astype(np.float32)


def _readable(file: Path, *, side: int) -> Pixels | UserError:
    try:
        return at_short_side(file, side=side, dataset="")
    except UserError as error:
        cause = error.__cause__  # without what to do of a set's picture
        return cause if isinstance(cause, UserError) else error


def sentences(
    captions: Sequence[str], text: Text, vocabulary: Vocabulary, vectors: Path, features: Path, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The features of sentences, (M, E), and which of them have a known word; others are zeros.

    vectors : the folder of the word vectors. features : the folder of a set's, whose encoder has been fitted.
    """
    own = reader(text.words)
    ends = getattr(own, "ENDS", ())
    try:
        read = own.read(vectors, needed(captions, lower=vocabulary.lower).union(ends))
    except NoneKnown:
        return np.zeros((len(captions), 0), np.float32), np.zeros(len(captions), np.bool_)
    row_of = {word: row for row, word in enumerate(read.words)}
    tokens = enclosed(look_up(captions, row_of, lower=vocabulary.lower), row_of, ends)
    lstm = vectors / own.LSTM if hasattr(own, "LSTM") else None
    words = Words(tokens, read.vectors, read.vectors[:0], {}, lstm)
    if text.kind in MIXTURES:
        encoder = Encoder.load(features / ENCODER)
        chunks, width = encoder.encode(tokens, read.vectors), encoder.width
    else:
        chunks, width, _ = by_mean(words) if text.kind == "mean" else by_lstm(text, words, device)
    rows = np.zeros((len(captions), width), np.float32)
    for which, values in chunks:
        rows[which] = as_float16(values, text.kind)
    rows[tokens.lengths == 0] = 0
    return rows, tokens.lengths > 0
