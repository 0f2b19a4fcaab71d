"""How features and looked-up captions are stored: float16 rows, word vectors, and the captions as rows of these."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core import arrays
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.encoders.words import Tokens

LSTM = "lstm.pkl"  # the weights that come with some word vectors


def as_float16(features: NDArray, what: str) -> NDArray[np.float16]:
    """Features as they are stored; a UserError where one is not finite, or beyond what float16 holds (65,504)."""
    with np.errstate(over="ignore"):
        stored = features.astype(np.float16)
    if not np.isfinite(stored).all():
        raise UserError(f"a feature by {what} is not finite, or above 65,504: are its weights those that its entry names?")
    return stored


@dataclass(frozen=True)
class Words:
    """What `matching_words` makes of a set's captions.

    tokens : the captions as rows of `vectors`. vectors : float32 (V, d), of the captions' words. sample : float32 (S, d), of words drawn
    from all that have a vector, whatever captions there are: what mixtures are fitted to. lstm : the weights beside them, if any.
    """

    tokens: Tokens
    vectors: NDArray[np.float32]
    sample: NDArray[np.float32]
    about: dict[str, object]
    lstm: Path | None = None


def save_words(folder: Path, words: Words) -> None:
    """Write what `load_words` reads, but for the LSTM's weights."""
    np.save(folder / "rows.npy", words.tokens.rows)
    np.save(folder / "lengths.npy", words.tokens.lengths)
    np.save(folder / "vectors.npy", words.vectors)
    np.save(folder / "sample.npy", words.sample)
    write_json(folder / "about.json", words.about)


def load_words(folder: Path) -> Words:
    """What lies in `folder`."""
    rows, lengths, vectors, sample = (arrays.read(folder / f"{name}.npy") for name in ("rows", "lengths", "vectors", "sample"))
    lstm = folder / LSTM
    about = json.loads((folder / "about.json").read_text())
    return Words(Tokens(rows, lengths, Counter()), vectors, sample, about, lstm if lstm.exists() else None)
