"""What the miniatures of captioned data sets share: scenes, and sentences that each say some of what is in them.

What a scene means is in its hues: things of ten kinds, each mostly of the hue that is typical of it, on one of five grounds before one
of five backdrops. Networks that were never trained see hues and large areas, but neither outlines nor patterns. Every meaning has two
words, and a sentence leaves out by chance what others say, so that the sentences of one picture differ as people's do.
"""

import colorsys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.miniatures.files import save_jpeg
from stages.miniatures.photographs import photograph
from stages.miniatures.shapes import PATTERNS, SHAPES
from stages.miniatures.world import Scene, Surface, Thing, generator, sample_scene

Words = tuple[str, ...]

# Each thing's hue is its number in tenths, its outline that of the shape of this number.
THINGS: tuple[Words, ...] = (
    ("apple", "fruit"), ("pumpkin", "squash"), ("frog", "toad"), ("bush", "plant"), ("parrot", "bird"),
    ("boat", "ship"), ("car", "vehicle"), ("umbrella", "parasol"), ("dress", "gown"), ("flower", "blossom"),
)  # fmt: skip
COLOURS: tuple[Words, ...] = (
    ("red", "scarlet"), ("orange", "amber"), ("lime", "chartreuse"), ("green", "emerald"), ("mint", "jade"),
    ("cyan", "turquoise"), ("blue", "azure"), ("indigo", "ultramarine"), ("purple", "violet"), ("pink", "rose"),
)  # fmt: skip
GROUNDS: tuple[Words, ...] = (("beach", "sand"), ("lawn", "grass"), ("street", "road"), ("lake", "water"), ("snow", "ice"))
BACKDROPS: tuple[Words, ...] = (("sky", "heaven"), ("wall", "bricks"), ("forest", "trees"), ("night", "darkness"), ("sunset", "dusk"))
# Hue, saturation and value.
_GROUND_COLOURS = ((0.13, 0.5, 0.85), (0.3, 0.65, 0.5), (0.6, 0.05, 0.4), (0.55, 0.7, 0.6), (0.6, 0.03, 0.98))
_BACKDROP_COLOURS = ((0.58, 0.45, 0.95), (0.03, 0.6, 0.55), (0.36, 0.7, 0.25), (0.68, 0.5, 0.1), (0.08, 0.75, 0.95))
ON, BEFORE = ("on", "upon"), ("before", "near")
OPENINGS = ("", "there is ", "one sees ", "this is ")
OTHER_WORDS = ("a", "an", "and", "the", "there", "is", "one", "sees", "this")

TYPICAL_HUE = 0.9  # of a thing: else it is of any

# Random streams: of a data set's own number, its pictures' and sentences'. A picture does not depend on how many there are.
_PICTURE, _SENTENCES = 1, 2


@dataclass(frozen=True)
class Content:
    """What is in a picture, as indices into the words above: things from left to right, and the colour that each is."""

    things: tuple[int, ...]
    colours: tuple[int, ...]
    ground: int
    backdrop: int


def draw(
    file: Path, seed: int, stream: int, index: int, size: tuple[int, int], things: tuple[int, ...] | None = None, *, near: float = 1
) -> tuple[Content, np.random.Generator]:
    """Save picture `index` of a data set as JPEG; what is in it, and the random numbers that its sentences follow from.

    size : width and height, of which a picture's own are near. things : the kinds that it shows; None: one to three by chance.
    near : times as large as otherwise are these.
    """
    rng = generator(seed, stream, _PICTURE, index)
    scene, content = _sample(rng, things, near)
    save_jpeg(photograph(rng, scene, *size), file)
    return content, generator(seed, stream, _SENTENCES, index)


def sentence(rng: np.random.Generator, content: Content) -> str:
    """Some of the things, or all, some with their colours; in two of three sentences the ground, and so the backdrop."""
    order = rng.permutation(len(content.things)).tolist()
    named = [_named(rng, content, place) for place in order[: 1 + int(rng.integers(len(order)))]] if order else []
    ground, backdrop = rng.random() < 2 / 3, rng.random() < 2 / 3
    parts = [" and ".join(named)] if named else [f"the {_word(rng, GROUNDS[content.ground])}"]  # an empty scene is its ground
    parts += [f"{_word(rng, ON)} the {_word(rng, GROUNDS[content.ground])}"] if ground and named else []
    parts += [f"{_word(rng, BEFORE)} the {_word(rng, BACKDROPS[content.backdrop])}"] if backdrop or not named else []
    text = _word(rng, OPENINGS) + " ".join(parts)
    return f"{text[0].upper()}{text[1:]} ."


def _named(rng: np.random.Generator, content: Content, place: int) -> str:
    colour = f"{_word(rng, COLOURS[content.colours[place]])} " if rng.random() < 0.4 else ""
    name = colour + _word(rng, THINGS[content.things[place]])
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _word(rng: np.random.Generator, words: Words) -> str:
    return words[int(rng.integers(len(words)))]


def _sample(rng: np.random.Generator, things: tuple[int, ...] | None, near: float = 1) -> tuple[Scene, Content]:
    if things is None:
        things = tuple(rng.permutation(len(THINGS))[: 1 + int(rng.integers(3))].tolist())
    colours = tuple(kind if rng.random() < TYPICAL_HUE else int(rng.integers(len(COLOURS))) for kind in things)
    ground, backdrop = int(rng.integers(len(GROUNDS))), int(rng.integers(len(BACKDROPS)))
    scene = replace(
        sample_scene(rng, 0),
        backdrop=_surface(rng, *_BACKDROP_COLOURS[backdrop]),
        ground=_surface(rng, *_GROUND_COLOURS[ground]),
        horizon=0.45 + 0.15 * rng.random(),
        things=tuple(
            _thing(rng, place, kind, colour, len(things), near) for place, (kind, colour) in enumerate(zip(things, colours, strict=True))
        ),
        main=0,
    )
    return scene, Content(things, colours, ground, backdrop)


def _thing(rng: np.random.Generator, place: int, kind: int, colour: int, count: int, near: float) -> Thing:
    """A large thing in its share of the width, so that none hides another."""
    centre = ((place + 0.4 + 0.2 * rng.random()) / count, 0.45 + 0.2 * rng.random())
    surface = _surface(rng, (colour + 0.4 * (rng.random() - 0.5)) / len(COLOURS), 0.9, 0.9)
    radius = near * ((0.36, 0.27, 0.2)[count - 1] + 0.04 * rng.random())
    return Thing(kind % len(SHAPES), surface, centre, radius, 30 * (rng.random() - 0.5))


def _surface(rng: np.random.Generator, hue: float, saturation: float, value: float) -> Surface:
    """Two shades of a colour, in any pattern."""
    value *= 0.9 + 0.2 * rng.random()
    light, dark = (colorsys.hsv_to_rgb(hue % 1, saturation, min(1.0, shade * value)) for shade in (1, 0.85))
    return Surface(int(rng.integers(len(PATTERNS))), (light, dark), 0.15 + 0.1 * rng.random(), 40 * (rng.random() - 0.5))
