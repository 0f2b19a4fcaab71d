"""What the miniatures of the ten sentences of Flowers and CUB share: sentences that say a class's colour and pattern, one of both, or none.

Chapter 7 predicts classes from pictures and sentences together, so a picture has to say about as much as a sentence: what it shows is near,
and all of it of the class's hue.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.datasets.labelled import ClassifiedSet
from stages.miniatures.captioned import COLOURS, Words
from stages.miniatures.files import write_text
from stages.miniatures.places import Camera, seen
from stages.miniatures.shapes import PATTERNS
from stages.miniatures.world import Scene, generator

SENTENCES = 10
PATTERN_WORDS: tuple[Words, ...] = tuple(
    zip(PATTERNS, ("tiled", "squared", "netted", "lined", "jagged", "spotted", "speckled", "smooth", "circled", "shadowed"), strict=True)
)
_SENTENCE = 4  # a random stream, beside those of flowers102 and cub200

SHADE = 0.7  # of a class's hue, how much of its light is left in the pattern's second colour


def close_up(paint: Callable[[np.random.Generator, int], Scene], zoom: float) -> Callable[[np.random.Generator, int], Scene]:
    """The same scenes, so much larger, their main thing and what lies on it in two shades of one hue, which untrained networks can see."""

    def near(rng: np.random.Generator, label: int) -> Scene:
        scene = paint(rng, label)
        main = scene.things[scene.main]
        red, green, blue = main.surface.colours[0]
        shades = ((red, green, blue), (SHADE * red, SHADE * green, SHADE * blue))
        own = tuple(replace(thing, surface=replace(thing.surface, colours=shades)) for thing in scene.things[scene.main :])
        return seen(replace(scene, things=(*scene.things[: scene.main], *own)), Camera(zoom, main.centre))

    return near


def write(
    whole: ClassifiedSet, texts: Path, folder_of: Callable[[int, Path], str], traits: Callable[[int], tuple[int, float]],
    phrases: Words, seed: int, stream: int,
) -> None:  # fmt: skip
    """Write a text of each image of a set: `texts`/<folder_of(label, image)>/<image>.txt.

    traits : the pattern's number and the hue of a label. phrases : sentences with {colour} and {pattern}, one of them, or none.
    """
    pairs = [pair for part in (whole.train, whole.test) for pair in zip(part.images, part.labels, strict=True)]
    for index, (image, label) in enumerate(sorted(pairs)):
        rng = generator(seed, stream, _SENTENCE, index)
        pattern, hue = traits(label)
        colours, patterns = COLOURS[round(hue * len(COLOURS)) % len(COLOURS)], PATTERN_WORDS[pattern]
        lines = [
            phrases[int(rng.integers(len(phrases)))].format(colour=colours[int(rng.integers(2))], pattern=patterns[int(rng.integers(2))])
            for _ in range(SENTENCES)
        ]
        write_text("".join(f"{line}\n" for line in lines), texts / folder_of(label, image) / f"{image.stem}.txt")
