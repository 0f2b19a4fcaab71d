"""Search a folder of pictures by a sentence, or captions by a picture, with a trained MMC-Net or MM-Net of the scale in force.

    python -m stages.ch7_mmc.search PICTURES "two dogs on a beach" --top 10
    python -m stages.ch7_mmc.search PICTURES a.jpg --model mm

A query that is the name of a file is a picture: it finds the best captions among those of PICTURES' own captions.csv or captions.jsonl, or,
where it has none, of the data set that the network was trained on. Prints cosines and names or captions, best first. What the
encoder sees in the folder's pictures is kept in data/searches; what is new or changed since is seen when it is next searched.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from stages.ch7_mmc import embed
from stages.ch7_mmc.model import MMCNet
from stages.ch7_mmc.settings import Models
from stages.ch7_mmc.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.matching import commands
from stages.matching.features import Pairs
from stages.matching.search import Floats, Searcher
from stages.metrics.recall import unit

CHAPTER = "ch7_mmc"


@dataclass(frozen=True)
class Opened:
    """A trained network that sees images and texts, the folder that it lies in, and what its queries go through."""

    model: MMCNet
    variant: Variant
    folder: Path
    searcher: Searcher

    def made(self, images: Floats, texts: Floats, *, scores: bool = False) -> embed.Made:
        """What it makes of features (n, D) and (m, E). scores : of the first image with each of the texts."""
        v, t = (torch.from_numpy(rows.astype(np.float32)).to(self.searcher.device) for rows in (images, texts))  # a set's are float16
        first = torch.zeros(len(t), dtype=torch.int64, device=self.searcher.device)
        return embed.embed(self.model, Pairs(v, t, first), scores=scores)


def parser() -> argparse.ArgumentParser:
    return commands.parser(__doc__, CHAPTER, "mmc")


def open_network(args: argparse.Namespace) -> Opened:
    """The network that the arguments name, of the scale in force; a UserError where it has not been trained, or sees no texts."""
    training = commands.trained(args, CHAPTER, "Chapter 7", Models.ROLES)
    key = f"{CHAPTER}.variants.{training.block}.{args.model}"
    variant = build(Variant, training.section["variants"][training.block][args.model], key)
    if variant.sees == "vision":
        raise UserError(f"{args.model} sees pictures alone: name a network that sees captions too, such as mmc")
    precision = Runtime(args.device, args.threads, "fp32")
    device = precision.start()
    network = build(Network, training.section["network"], f"{CHAPTER}.network")
    model = embed.load(training.folder, variant, network, device)
    assert model.texts is not None
    encoders, widths = training.section["encoders"], (commands.inputs(model.images.layers), commands.inputs(model.texts.layers))

    def score(images: Floats, texts: Floats) -> Floats:
        made = opened.made(images, texts)
        assert made.texts is not None
        return np.ravel(unit(made.images) @ unit(made.texts).T)

    by = encoders[variant.images], encoders["texts"]
    searcher = Searcher(training.params, training.data, training.dataset, *by, widths, score, precision, device)
    opened = Opened(model, variant, training.folder, searcher)
    return opened


def open_searcher(args: argparse.Namespace) -> Searcher:
    """`open_network`'s, where it has learnt to match; a UserError where it has not."""
    opened = open_network(args)
    if "matching" not in opened.variant.losses:
        raise UserError(f"{args.model} has not been trained to match images and texts: name a network with this loss, such as mmc")
    return opened.searcher


def main() -> None:
    commands.run(parser(), open_searcher)


if __name__ == "__main__":
    main()
