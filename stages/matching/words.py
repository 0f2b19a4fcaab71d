"""A set's captions as words that have vectors, of one source of word vectors, read once for all encoders of sentences.

    python -m stages.matching.words flickr30k word2vec

Under `data/<scale>/captions/matching/<set>/<words>`: the captions as rows of `vectors.npy`, a sample of all words that have a
vector, `set.json`, and `about.json`, which counts and names the words without one, and the captions without a known word.
"""

import argparse
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import provenance, stage
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets import reader
from stages.datasets.captioned import CaptionedSet, described, read_set
from stages.datasets.described import SET_FILE, name_of
from stages.encoders.words import Chosen, Tokens, compact, enclosed, look_up, needed, sampled
from stages.matching.settings import Vocabulary
from stages.matching.stored import LSTM, Words, save_words

NAMED = 30  # of what is unknown, in about.json


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "words")


def looked_up(
    captioned: CaptionedSet, words: list[str], vectors: NDArray[np.float32], vocabulary: Vocabulary, what: str, ends: tuple[str, ...] = ()
) -> Words:
    """The captions in these words, between `ends`; a UserError where no word is known, or none is in the sample."""
    row_of = {word: row for row, word in enumerate(words)}
    tokens = look_up(captioned.captions, row_of, lower=vocabulary.lower)
    if not len(tokens.rows):
        raise UserError(f"no caption has a word that {what} knows: are they of one language, and is `lower` right?")
    within = enclosed(tokens, row_of, ends)
    kept, own = compact(within.rows, len(words))
    sample = [row for row, word in enumerate(words) if sampled(word, vocabulary.share)]
    if not sample:
        raise UserError(f"no word of {what} is in a share of {vocabulary.share} of them: raise it")
    without = [row for row, length in enumerate(tokens.lengths) if not length]
    about = {
        "words": what,
        "dimensions": vectors.shape[1],
        "sampled": len(sample),
        "known": {"words": len(np.unique(tokens.rows)), "tokens": len(tokens.rows)},
        "unknown": {"words": len(tokens.unknown), "tokens": tokens.unknown.total()},
        "unknown_words": [f"{word} {count}" for word, count in sorted(tokens.unknown.items(), key=lambda one: (-one[1], one[0]))[:NAMED]],
        "captions_without_a_word": len(without),
        "images_of_these": [name_of(captioned.images[captioned.image_of[row]]) for row in without[:NAMED]],
    }
    if ends:
        about["ends"] = [word for word in ends if word in row_of]
    return Words(Tokens(own, within.lengths), vectors[kept], vectors[sample], about)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    vocabulary = job.settings(Vocabulary, f"matching.vocabularies.{args.words}")
    source, folder = (job.dep(job.data(f"sources/{name}")) for name in (args.dataset, args.words))
    captioned = read_set(args.dataset, source, job.param(f"matching.options.{args.dataset}"))
    own: Any = reader(args.words)
    ends = getattr(own, "ENDS", ())
    read = own.read(folder, Chosen(needed(captioned.captions, lower=vocabulary.lower).union(ends), vocabulary.share))
    words = looked_up(captioned, read.words, read.vectors, vocabulary, args.words, ends)
    out = job.out(job.data(f"captions/matching/{args.dataset}/{args.words}"))
    out.mkdir(parents=True)
    if hasattr(own, "LSTM"):  # InferSent's GloVe, which its LSTM was trained on
        shutil.copyfile(folder / own.LSTM, out / LSTM)
    save_words(out, replace(words, about=words.about | {"vectors": provenance.kind_of(folder)}))
    write_json(out / SET_FILE, described(captioned))
    provenance.hand_on(source, out)
    job.note(**{key: words.about[key] for key in ("known", "unknown", "unknown_words", "captions_without_a_word")})


if __name__ == "__main__":
    stage.execute(parser(), main)
