"""What the miniatures of ImageNet and of the data sets of recognition share: photographs, of sizes and proportions of their own.

No class of the data sets that Section 2.4.3 carries features over to is ImageNet's, the shape of one large thing: of a scene it is what
lies behind and below, of an indoor scene which things stand together, of a flower its pattern and hue, and birds, all of one build,
differ by finer patterns and nearer hues.
"""

import colorsys
from dataclasses import replace

import numpy as np

from stages.miniatures.places import Camera, seen
from stages.miniatures.views import draw, mixed
from stages.miniatures.world import PATTERNS, SHAPES, Scene, Surface, Thing

_SPREAD = 0.15  # of a side's length, either way


def photograph(rng: np.random.Generator, scene: Scene, width: int, height: int) -> np.ndarray:
    """The whole square scene in the middle of a picture, uint8 (H, W, 3), whose sides are near these by chance."""
    width, height = (round(side * (1 - _SPREAD + 2 * _SPREAD * rng.random())) for side in (width, height))
    return draw(seen(scene, Camera(zoom=min(width, height) / max(width, height))), width, height)[0]


def alike(rng: np.random.Generator, surface: Surface, pattern: int, share: float = 0.2) -> Surface:
    """The surface in this pattern, with more contrast; a `share` of its colours and its phase are by chance."""
    towards = (rng.random(), rng.random(), rng.random())
    first, second = surface.colours
    light, dark = (mixed(colour, towards, share) for colour in (first, mixed(first, second, 3)))
    phase = (rng.random(), rng.random())
    return replace(surface, pattern=pattern, colours=(light, dark), period=0.12 + 0.06 * rng.random(), phase=phase)


def clutter(rng: np.random.Generator) -> Thing:
    """A small thing anywhere, which says nothing."""
    shape = int(rng.integers(len(SHAPES)))
    surface = coloured(rng, int(rng.integers(len(PATTERNS))), rng.random(), 0.1)
    return Thing(shape, surface, (rng.random(), rng.random()), 0.05 + 0.07 * rng.random(), angle=360 * rng.random())


def coloured(rng: np.random.Generator, pattern: int, hue: float, period: float) -> Surface:
    """A light colour of this hue, and a dark one of the opposite."""
    light = colorsys.hsv_to_rgb(hue % 1, 0.6 + 0.35 * rng.random(), 0.8 + 0.2 * rng.random())
    dark = colorsys.hsv_to_rgb((hue + 0.5) % 1, 0.6 + 0.35 * rng.random(), 0.15 + 0.3 * rng.random())
    return Surface(pattern, (light, dark), period, angle=20 * (rng.random() - 0.5))
