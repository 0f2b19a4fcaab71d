"""A miniature of Pascal Sentence in the layout of its copies: the class of a picture is the kind of the one large thing in it.

Chapter 7 predicts classes from pictures and sentences together, so neither may say all: some sentences are of the surroundings alone, and
the thing is so near that a network that was never trained sees its hue about as often as sentences name it.
"""

from dataclasses import replace
from pathlib import Path

from stages.miniatures import request
from stages.miniatures.captioned import THINGS, draw, sentence
from stages.miniatures.files import write_text

_STREAM = 6_040  # of random numbers: data sets never share a scene
SENTENCES = (5, 5, 5, 5, 5, 5, 5, 4, 5, 6)  # of a picture, in turn: a few have one fewer or more
NEAR = 1.5
SILENT = 0.15  # of the sentences, those that do not name the thing


def write(folder: Path, *, classes: int, images: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/dataset and sentence: `images` pictures of each class, and a text of each."""
    request.check("Pascal Sentence", {"classes": classes, "images": images}, width, height, most={"classes": len(THINGS)})
    for kind, (name, *_) in enumerate(THINGS[:classes]):
        for number in range(images):
            index = kind * 1_000 + number
            stem = f"2008_{index:06d}"
            content, rng = draw(folder / f"dataset/{name}/{stem}.jpg", seed, _STREAM, index, (width, height), (kind,), near=NEAR)
            around = replace(content, things=(), colours=())
            lines = [sentence(rng, around if rng.random() < SILENT else content) for _ in range(SENTENCES[number % len(SENTENCES)])]
            write_text("".join(f"{line}\n" for line in lines), folder / f"sentence/{name}/{stem}.txt")
