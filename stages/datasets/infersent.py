"""InferSent's encoder of sentences (Conneau et al. [210]): a bidirectional LSTM trained on natural language inference, and its words.

glove.840B.300d.txt, whose words are as they are written, Paris and paris being two, and infersent1.pkl, the state that was trained over
these vectors. A sentence begins with <s> and ends with </s>; where the vectors lack these, as some copies do, it goes without.
"""

from collections.abc import Container
from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN, glove
from stages.datasets.word_vectors import WordVectors

LSTM = "infersent1.pkl"
ENDS = ("<s>", "</s>")  # of a sentence, as words


def read(folder: Path, wanted: Container[str] | None = None) -> WordVectors:
    """The vectors of `wanted`, or of all words, as `glove.read` has them; a UserError, too, where the LSTM's weights are missing."""
    if not (folder / LSTM).is_file():
        raise UserError(f"{folder / LSTM} is missing: {AGAIN}")
    return glove.read(folder, wanted)
