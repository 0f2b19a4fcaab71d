"""Label a picture with a caption, and name what is nearest to both, with a trained MMC-Net of the scale in force.

    python -m stages.ch7_mmc.annotate PICTURES a.jpg "two dogs on a beach" --top 5

Prints the picture's labels and the probabilities of the most probable classes; the nearest captions to the picture, among those of
PICTURES' own captions.csv or captions.jsonl, or, where it has none, of the data set that the network was trained on; and the nearest
pictures of PICTURES to the caption, with cosines. A network trained by the classification loss alone knows no neighbours.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from stages.ch7_mmc.search import CHAPTER, Opened, open_network
from stages.core import json_files
from stages.core.errors import UserError
from stages.matching import commands, search
from stages.matching.search import Floats, Scored
from stages.metrics.labels import probabilities

DECIDED = 0.5  # of several labels an image has those that are more probable


@dataclass(frozen=True)
class Annotation:
    """labels : the classes that the picture has. probable : of the most probable classes, no fewer than its labels. captions, pictures :
    nearest to the picture and to its caption, none by a network that has not learnt to match."""

    labels: list[str]
    probable: Scored
    captions: Scored = field(default_factory=list)
    pictures: Scored = field(default_factory=list)


def parser() -> argparse.ArgumentParser:
    options = commands.parser(__doc__, CHAPTER, "mmc", {"picture": "a picture's file", "caption": "a sentence that describes it"})
    options.set_defaults(top=5)
    return options


def annotated(args: argparse.Namespace) -> Annotation:
    """What the arguments ask for; a UserError where the network that they name predicts no labels from both."""
    opened = open_network(args)
    if "classification" not in opened.variant.losses:
        raise UserError(
            f"{args.model} has no head for labels: name a network that classifies, such as mmc; `search` finds neighbours by it"
        )
    searcher = opened.searcher
    image, (_, text) = search.seen(searcher, args.picture), searcher.of_sentences([args.caption])
    names, single = classes_of(opened)
    shares = probabilities_of(opened, image, text, single)
    labels = [names[shares.argmax()]] if single else [names[row] for row in np.flatnonzero(shares > DECIDED)]
    probable = search.best(names, shares, max(args.top, len(labels)))
    if "matching" not in opened.variant.losses:
        print(f"{args.model} has not been trained to match, and knows no neighbours: name another network for these", file=sys.stderr)
        return Annotation(labels, probable)
    captions = search.nearest_captions(searcher, args.pictures, image, args.top)
    return Annotation(labels, probable, captions, search.nearest_pictures(searcher, args.pictures, text, args.top))


def classes_of(opened: Opened) -> tuple[list[str], bool]:
    """Names of the classes that the network was trained on, and whether an image is of just one. A UserError: they are not its head's."""
    about = json_files.read(opened.folder / "about.json", "classes", "single", stage=CHAPTER)
    names, scored = about["classes"], opened.model.state_dict()["head.linear.weight"].shape[0]
    if len(names) != scored:
        raise UserError(
            f"{opened.folder / 'model.pt'} scores {scored} classes, and about.json beside it names {len(names)}: they are of two "
            "trainings, train it anew"
        )
    return names, about["single"]


def probabilities_of(opened: Opened, image: Floats, text: Floats, single: bool) -> Floats:
    """Of a picture's features (1, D) with a caption's (1, E): that it is of each class (C,), of one alone or of others too."""
    opened.searcher.require_widths(image, text)
    logits = opened.made(image, text, scores=True).scores
    assert logits is not None
    if not np.isfinite(logits).all():
        raise UserError("the network's scores of classes are not finite: train it again at a lower learning rate")
    return probabilities(logits, single)[0]


def lines(annotation: Annotation) -> Iterator[str]:
    """What is printed."""
    yield f"labels: {', '.join(annotation.labels) or f'none is more probable than {DECIDED}'}"
    yield from search.numbered(annotation.probable)
    for what, scored in (
        ("captions nearest to the picture", annotation.captions),
        ("pictures nearest to the caption", annotation.pictures),
    ):
        if scored:
            yield f"{what}:"
            yield from search.numbered(scored)


def main() -> None:
    commands.command(parser(), lambda args: lines(annotated(args)))


if __name__ == "__main__":
    main()
