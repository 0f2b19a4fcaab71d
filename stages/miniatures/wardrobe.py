"""Who is drawn how: bodies, clothes, poses and lights of the world's figures (figures.py), drawn at random."""

import colorsys
from dataclasses import replace

import numpy as np

from stages.miniatures.figures import Body, Clothes, Pose
from stages.miniatures.strips import plain
from stages.miniatures.views import mixed
from stages.miniatures.world import PATTERNS, Colour, Light, Surface

# DeepFashion's categories that the tops of figures have: whether the sleeves are long, and whether there is a pattern.
CATEGORIES = {"Tees_Tanks": (False, False), "Sweaters": (True, False), "Graphic_Tees": (False, True), "Blouses_Shirts": (True, True)}

_PALE, _DARK = (0.97, 0.81, 0.68), (0.45, 0.29, 0.2)
_HAIRS = ((0.12, 0.09, 0.08), (0.32, 0.19, 0.1), (0.8, 0.64, 0.36), (0.55, 0.24, 0.12))
_SHOES = ((0.15, 0.13, 0.14), (0.5, 0.14, 0.14), (0.42, 0.4, 0.4))
_BOTTOMS = ((0.62, 0.55, 0.42), (0.1, 0.4, 0.62))  # hue, saturation and value where hues are few: blue as jeans, and sand
_PATTERNS = tuple(PATTERNS.index(name) for name in ("striped", "checked", "dotted", "zigzag", "latticed"))


def sample_body(rng: np.random.Generator, hues: int) -> Body:
    """hues : as of `sample_clothes`; where they are few, skins differ little too."""
    return Body(
        skin=mixed(_PALE, _DARK, rng.random() * (0.2 if hues else 0.9)),
        hair=_HAIRS[int(rng.integers(2 if hues else len(_HAIRS)))],
        shoes=_SHOES[int(rng.integers(len(_SHOES)))],
        long_hair=rng.random() < 0.5,
        girth=_between(rng, 0.88, 1.16),
        limbs=_between(rng, 0.92, 1.05),
    )


def sample_clothes(rng: np.random.Generator, category: str, hues: int) -> Clothes:
    """hues : of tops, at equal distances; bottoms are then of two colours and patterns stripes of two shades. 0: any hue and pattern."""
    long, patterned = CATEGORIES[category]
    if hues:
        hue = int(rng.integers(hues)) / hues
        top, darker = (colorsys.hsv_to_rgb(hue, 0.8, value) for value in (0.85, 0.5))
        bottom = colorsys.hsv_to_rgb(*_BOTTOMS[int(rng.integers(len(_BOTTOMS)))])
        surface = Surface(_PATTERNS[0], (top, darker), 0.09, 90.0, (rng.random(), 0.0)) if patterned else plain(top)
    else:
        top, second, bottom = _colour(rng), _colour(rng), _colour(rng, darker=0.3)
        kind, period, angle = _PATTERNS[int(rng.integers(len(_PATTERNS)))], _between(rng, 0.07, 0.11), 90.0 * int(rng.integers(2))
        surface = Surface(kind, (top, second), period, angle, (rng.random(), rng.random())) if patterned else plain(top)
    return Clothes(surface, plain(bottom), long, shorts=rng.random() < 0.4)


def sample_pose(rng: np.random.Generator) -> Pose:
    """A frontal pose, all of it in the picture: one of three is calm, one moved, and one with arms up, bent, or legs apart."""
    much = (0.12, 0.5, 1.0)[int(rng.integers(3))]
    arms = [(10 + much * _between(rng, 0, 145), much * _between(rng, -90, 70)) for _ in (0, 1)]
    legs = [(3 + much * _between(rng, 0, 28), much * _between(rng, -30, 8)) for _ in (0, 1)]
    behind = [rng.random() < 0.12 * much for _ in (0, 1)]
    for which in (0, 1):
        if behind[which]:
            arms[which] = (18.0, -60.0)
    return Pose(
        arms=(arms[0], arms[1]),
        legs=(legs[0], legs[1]),
        lean=much * _between(rng, -10, 10),
        turn=much * _between(rng, -0.7, 0.7),
        scale=1.0 - 0.16 * much * rng.random(),
        centre=(0.5 + 0.05 * much * _between(rng, -1, 1), 0.49 + 0.015 * _between(rng, -1, 1)),
        behind=(behind[0], behind[1]),
    )


def upper_half(pose: Pose) -> Pose:
    """So near that the legs are outside the picture."""
    return replace(pose, scale=1.75, centre=(pose.centre[0], 0.93))


def lower_half(pose: Pose) -> Pose:
    """So near that the head is outside the picture."""
    return replace(pose, scale=1.7, centre=(pose.centre[0], 0.25))


def sample_light(rng: np.random.Generator) -> Light:
    slope = (_between(rng, -0.04, 0.04), _between(rng, -0.04, 0.04))
    return Light(_between(rng, 0.97, 1.02), slope, noise=0.015, noise_seed=int(rng.integers(2**32)))


def sample_backdrop(rng: np.random.Generator) -> Surface:
    """White, or nearly."""
    grey = _between(rng, 0.92, 0.98)
    return plain((grey, grey, grey))


def _colour(rng: np.random.Generator, darker: float = 0.0) -> Colour:
    return colorsys.hsv_to_rgb(rng.random(), _between(rng, 0.35, 0.95), _between(rng, 0.4, 0.95) - darker * rng.random())


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * rng.random()
