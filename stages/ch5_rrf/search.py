"""Search a folder of pictures by a sentence, or captions by a picture, with a trained network of the scale in force.

    python -m stages.ch5_rrf.search PICTURES "two dogs on a beach" --top 10
    python -m stages.ch5_rrf.search PICTURES a.jpg

A query that is the name of a file is a picture: it finds the best captions among those of PICTURES' own captions.csv or captions.jsonl, or,
where it has none, of the data set that the network was trained on. Prints cosines and names or captions, best first. What the
encoder sees in the folder's pictures is kept in data/searches; what is new or changed since is seen when it is next searched.
"""

import argparse

import numpy as np
import torch

from stages.ch5_rrf import embed
from stages.ch5_rrf.training_settings import Network, Variant
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.matching import commands
from stages.matching.search import Floats, Searcher
from stages.metrics.recall import unit

CHAPTER = "ch5_rrf"


def parser() -> argparse.ArgumentParser:
    return commands.parser(__doc__, CHAPTER, "rrf-3")


def open_searcher(args: argparse.Namespace) -> Searcher:
    """The network that the arguments name, of the scale in force; a UserError where it has not been trained."""
    training = commands.trained(args, CHAPTER, "Chapter 5", {"ablated": "ablated", "other": "ablated", "compared": "compared"})
    key = f"{CHAPTER}.variants.{training.block}.{args.model}"
    variant = build(Variant, training.section["variants"][training.block][args.model], key)
    precision = Runtime(args.device, args.threads, "fp32")
    device = precision.start()
    network = build(Network, training.section["network"], f"{CHAPTER}.network")
    with commands.loading(training):
        model = embed.load(training.folder, variant, network, device)

    def score(images: Floats, texts: Floats) -> Floats:
        by_image, by_text = (
            unit(embed.embed(branch, torch.from_numpy(rows).to(device))) for branch, rows in ((model.images, images), (model.texts, texts))
        )
        return np.ravel(by_image @ by_text.T)

    encoders = training.section["encoders"]
    by = encoders[variant.images], encoders["texts"]
    widths = commands.inputs(model.images.first), commands.inputs(model.texts.first)
    return Searcher(training.params, training.data, training.dataset, *by, widths, score, precision, device)


def main() -> None:
    commands.run(parser(), open_searcher)


if __name__ == "__main__":
    main()
