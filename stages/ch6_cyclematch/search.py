"""Search a folder of pictures by a sentence, or captions by a picture, with a trained CycleMatch of the scale in force and late fusion.

    python -m stages.ch6_cyclematch.search PICTURES "two dogs on a beach" --top 10
    python -m stages.ch6_cyclematch.search PICTURES a.jpg --fusion average

A query that is the name of a file is a picture: it finds the best captions among those of PICTURES' own captions.csv or captions.jsonl, or,
where it has none, of the data set that the network was trained on. Prints fused scores and names or captions, best first. With adaptive
fusion a score weighs the less the larger its positive area over all that is searched (Eq. 6.10): it is of this folder. What the encoder
sees in the folder's pictures is kept in data/searches; what is new or changed since is seen when it is next searched.
"""

import argparse

import numpy as np
import torch

from stages.ch6_cyclematch import embed, fusion
from stages.ch6_cyclematch.fusion_settings import Fusion, Inference
from stages.ch6_cyclematch.settings import Models
from stages.ch6_cyclematch.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.matching import commands
from stages.matching.features import Pairs
from stages.matching.search import Floats, Searcher
from stages.metrics.recall import Block, unit

CHAPTER = "ch6_cyclematch"
CHUNK = 8192  # of what is searched at a time: f_T2I of MSCOCO's 413,915 training captions, with their features, would be 10 GB


def parser() -> argparse.ArgumentParser:
    options = commands.parser(__doc__, CHAPTER, "cycle")
    options.add_argument("--fusion", default="adaptive", help=f"of its scores, one of {CHAPTER}.inferences, such as average (adaptive)")
    return options


def open_searcher(args: argparse.Namespace) -> Searcher:
    """The network that the arguments name, of the scale in force; a UserError where it has not been trained."""
    training = commands.trained(args, CHAPTER, "Chapter 6", dict.fromkeys(Models.SEE, "compared"))
    section, inferences = training.section, training.section["inferences"]
    if args.fusion not in inferences:
        raise UserError(f"--fusion {args.fusion}: {CHAPTER}.inferences has {', '.join(inferences)}")
    key = f"{CHAPTER}.variants.{training.block}.{args.model}"
    variant = build(Variant, section["variants"][training.block][args.model], key)
    how = build(Inference, inferences[args.fusion], f"{CHAPTER}.inferences.{args.fusion}")
    no_area = build(Fusion, section["fusion"], f"{CHAPTER}.fusion").no_area
    precision = Runtime(args.device, args.threads, "fp32")
    device = precision.start()
    network = build(Network, section["network"], f"{CHAPTER}.network")
    with commands.loading(training):
        model = embed.load(training.folder, variant, network, device)

    def compared(images: Floats, texts: Floats) -> Floats:
        """The scores of `how` (S, n * m), where n or m is 1."""
        rows = images.astype(np.float32), texts.astype(np.float32)  # a set's are of half precision
        v, t = (torch.from_numpy(features).to(device) for features in rows)
        known = embed.embed(model, variant.terms, Pairs(v, t, torch.zeros(len(t), dtype=torch.int64))).compared(*rows)
        if lacking := [name for name in how.scores if name not in known]:
            fitting = [name for name, one in inferences.items() if set(one["scores"]) <= set(known)]
            raise UserError(f"{args.model} has no {lacking[0]} score, which --fusion {args.fusion} takes: there are {', '.join(fitting)}")
        return np.stack([np.ravel(unit(one) @ unit(other).T) for one, other in (known[name] for name in how.scores)])

    def score(images: Floats, texts: Floats) -> Floats:
        count = max(len(images), len(texts))
        chunks = [slice(first, first + CHUNK) for first in range(0, count, CHUNK)]
        parts = [compared(images, texts[rows]) if len(images) == 1 else compared(images[rows], texts) for rows in chunks]
        blocks = [_constant(scores) for scores in np.concatenate(parts, axis=1)]
        return fusion.fused([(block, block) for block in blocks], how, no_area)[0](slice(0, 1))[0]

    encoders = section["encoders"]
    by = encoders[variant.images], encoders[variant.texts]
    widths = commands.inputs(model.i2t.first), commands.inputs(model.t2i.first)
    compared(*(np.zeros((1, width), np.float32) for width in widths))  # that it lacks a score is said before a folder is seen
    return Searcher(training.params, training.data, training.dataset, *by, widths, score, precision, device)


def _constant(scores: Floats) -> Block:
    """One query's scores (G,) as a block."""
    return lambda rows: scores[None][rows]


def main() -> None:
    commands.run(parser(), open_searcher)


if __name__ == "__main__":
    main()
