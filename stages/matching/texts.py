"""Features of a set's captions by one encoder of sentences (Section 5.3.1).

    python -m stages.matching.texts flickr30k hglmm

Under `data/<scale>/features/matching/<set>/texts/<encoder>`: `features.npy`, float16 (M, E), zeros for a caption without a known
word; `set.json`, the set that they are of; where something is fitted, it, as `encoder.npz`. Mixtures are fitted to a sample of all
word vectors, PCA to training captions: no caption that is tested on has a part in what any feature follows from but its own.
"""

import argparse
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from stages.core import inference, provenance, stage
from stages.core.files import write_json
from stages.core.runtime import gpu_name
from stages.core.seeds import generator, seed_for
from stages.datasets.captioned import Described, load_described
from stages.datasets.described import SET_FILE
from stages.matching.settings import Text
from stages.matching.stored import Words, as_float16, load_words

if TYPE_CHECKING:
    from stages.encoders import fisher
    from stages.encoders.mixture import Kind

ENCODER = "encoder.npz"  # what has been fitted, for sentences that are not of the set
Chunks = Iterator[tuple[Any, NDArray[np.float32]]]  # which captions, as an index, and their features


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "text")


def by_mean(words: Words) -> tuple[Chunks, int, dict[str, Any]]:
    """The mean of the word vectors, how many dimensions it has, and what is to be said of it."""
    from stages.encoders import sentences

    return iter([(slice(None), sentences.mean(words.tokens, words.vectors))]), words.vectors.shape[1], {}


def fit_mixture(kind: "Kind", text: Text, words: Words, training: NDArray[np.int64]) -> "tuple[fisher.Encoder, dict[str, Any]]":
    """What makes Fisher vectors, and what is to be said of it. training : the captions that PCA may be fitted to."""
    from stages.encoders import fisher, mixture

    seed = seed_for("matching.texts", text.seed)
    rotation, about = mixture.learn_rotation(words.sample, seed) if text.ica else (mixture.Rotation(), {})
    fitted, likelihoods = mixture.fit(rotation.apply(words.sample), text.components or 1, kind, iterations=text.iterations or 1, seed=seed)
    about |= {"log_likelihood": likelihoods, "laplacian": float(fitted.laplacian.mean()), "words_fitted": len(words.sample)}
    digest = hashlib.md5(usedforsecurity=False)
    for values in (fitted.location, fitted.scale, fitted.mean, fitted.deviation, fitted.laplacian, fitted.prior):
        digest.update(values.tobytes())
    if text.kept is None:
        return fisher.Encoder(rotation, fitted), about | {"fitted": digest.hexdigest()}
    learning = tqdm(fisher.encoded(words.tokens, rotation.apply(words.vectors), fitted, part=training), "pca", disable=None)
    projection = fisher.learn_projection((chunk for _, chunk in learning), text.kept)
    digest.update(projection.mean.tobytes() + projection.components.tobytes())
    about |= {"fisher_dimensions": 2 * fitted.mean.size, "variance_kept": projection.share, "captions_fitted": len(training)}
    return fisher.Encoder(rotation, fitted, projection), about | {"fitted": digest.hexdigest()}


def by_lstm(text: Text, words: Words, device: torch.device) -> tuple[Chunks, int, dict[str, Any]]:
    """The maximum over a bidirectional LSTM's states: with the weights beside the word vectors, else with random ones."""
    from stages.encoders import sentences

    if words.lstm:
        model, weights = sentences.load_lstm(words.lstm, words.vectors.shape[1]), "published with them"
    else:
        drawn = generator("matching.texts", "lstm", text.seed)
        model, weights = sentences.random_lstm(words.vectors.shape[1], text.units or 1, drawn), f"random, seed {text.seed}"
    model, vectors = model.to(device), torch.from_numpy(words.vectors).to(device)
    found = sentences.bilstm_max(model, words.tokens, vectors, batch_size=text.batch_size, masked=text.masked)
    return ((rows, values.cpu().numpy()) for rows, values in found), 2 * model.hidden_size, {"weights": weights}


def captions_of(part: NDArray[np.int64], found: Described) -> NDArray[np.int64]:
    """The captions of a part's images."""
    return np.flatnonzero(np.isin(found.image_of, part))


def write(file: Path, chunks: Chunks, words: Words, width: int, what: str) -> None:
    """The features as they come, float16, into a file that is never whole in memory."""
    count = len(words.tokens.lengths)
    rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(count, width))
    with tqdm(total=count, unit="caption", disable=None) as progress:
        for which, values in chunks:
            rows[which] = as_float16(values, what)
            progress.update(len(values))
    # What is zero before a PCA is not after it; as the mean of the captions it says nothing, which is meant.
    rows[words.tokens.lengths == 0] = 0
    rows.flush()


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    text = job.settings(Text, f"matching.texts.{args.text}")
    source = job.dep(job.data(f"captions/matching/{args.dataset}")) / text.words
    words, training = load_words(source), load_described(source)
    out = job.out(job.data(f"features/matching/{args.dataset}/texts/{args.text}"))
    out.mkdir(parents=True)
    if text.kind == "mean":
        chunks, width, about = by_mean(words)
    elif text.kind == "bilstm":
        chunks, width, about = by_lstm(text, words, device)
    else:
        encoder, about = fit_mixture(text.kind, text, words, captions_of(training.parts["train"], training))
        encoder.save(out / ENCODER)
        chunks, width = encoder.encode(words.tokens, words.vectors), encoder.width
    write(out / "features.npy", chunks, words, width, f"{args.text} of {args.dataset}")
    shutil.copyfile(source / SET_FILE, out / SET_FILE)
    told = {"encoder": args.text, "kind": text.kind, "dimensions": width, **about, "captions": words.about}
    write_json(out / "about.json", told | precision.describe(device))
    provenance.hand_on(source, out)
    job.note(gpu=gpu_name(device), sentences=len(words.tokens.lengths), **about, **precision.describe(device))


if __name__ == "__main__":
    stage.execute(parser(), main)
