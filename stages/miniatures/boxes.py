"""Scenes of boxes with a class each, and what the photo of a class is coloured: what the miniatures of Section 8.1's label maps share.

Photos keep the classes' order of brightness in the label maps, and of nothing else of their colours: what is bright in one is bright in the
other, so that a translation can be learnt without pairs, and each class has a hue that its label's does not tell.
"""

import colorsys
from dataclasses import dataclass, field

import numpy as np

from stages.miniatures.views import draw
from stages.miniatures.world import PATTERNS, SHAPES, Colour, Light, Scene, Surface, Thing

_LUMINANCE = (0.299, 0.587, 0.114)
_DARKEST, _BRIGHTEST = 0.1, 0.9
_CHROMA = 0.22  # at most: how far a colour's channels are from its grey
_GOLDEN = 0.618  # of a circle of hues: of many classes no two neighbours are alike
_CONTRAST = 0.012  # of a texture, to either side
_SIDE = 0.78  # half a side of the world's square of radius 1

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass
class Layers:
    """What is drawn, the last on top: things and their classes.

    colours : of each class, RGB 0 to 1.
    """

    rng: np.random.Generator
    colours: list[Colour]
    things: list[Thing] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)

    def box(self, label: int, box: Box, *, colour: Colour | None = None, shape: str = "square") -> None:
        """A class's box, or another shape that fills about as much; `colour` in the place of the class's own."""
        left, top, right, bottom = box
        width, height = (right - left) / 2, (bottom - top) / 2
        self.things.append(
            Thing(
                shape=SHAPES.index(shape),
                surface=self.surface(label, colour),
                centre=(left + width, top + height),
                radius=float(np.sqrt(width * height)) / _SIDE,
                stretch=float(np.sqrt(width / height)),
            )
        )
        self.classes.append(label)

    def surface(self, label: int, colour: Colour | None = None) -> Surface:
        """A fine pattern of two shades, which is the class's."""
        first, second = (tuple(channel + side * _CONTRAST for channel in colour or self.colours[label]) for side in (-1, 1))
        phase = (self.rng.random(), self.rng.random())
        return Surface(label % len(PATTERNS), (first, second), 0.05 + 0.02 * (label % 3), 0.0, phase)  # type: ignore[arg-type]

    def picture(self, backdrop: int, ground: int, horizon: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """The photo, uint8 (H, W, 3), in a light that falls off to one side, with noise; and the class of each pixel, uint8 (H, W)."""
        slope = (0.16 * (self.rng.random() - 0.5), 0.16 * (self.rng.random() - 0.5))
        light = Light(0.97 + 0.06 * self.rng.random(), slope, noise=0.03, noise_seed=int(self.rng.integers(2**32)))
        scene = Scene(self.surface(backdrop), self.surface(ground), horizon, 0.0, tuple(self.things), 0, light)
        photo, regions = draw(scene, width, height)
        return photo, np.array([backdrop, ground, *self.classes], np.uint8)[regions]


def photo_colours(palette: np.ndarray) -> list[Colour]:
    """A colour of each class, RGB 0 to 1, as bright in its rank among the others as its label's colour in `palette`, uint8 (C, 3)."""
    ranks = luminance(palette).argsort(kind="stable").argsort(kind="stable").tolist()
    step = (_BRIGHTEST - _DARKEST) / (len(palette) - 1)
    return [hued(_DARKEST + step * rank, (_GOLDEN * label) % 1) for label, rank in enumerate(ranks)]


def hued(grey: float, hue: float) -> Colour:
    """A colour of this luminance and hue, as strong as it can be up to a bound."""
    pure = colorsys.hsv_to_rgb(hue, 1.0, 1.0)
    own = sum(weight * channel for weight, channel in zip(_LUMINANCE, pure, strict=True))
    off = [channel - own for channel in pure]
    room = min((1 - grey) / max(off), grey / -min(off), _CHROMA)
    red, green, blue = (grey + room * channel for channel in off)
    return red, green, blue


def luminance(colours: np.ndarray) -> np.ndarray:
    """Of colours (..., 3): (...)."""
    red, green, blue = np.moveaxis(np.asarray(colours, np.float64), -1, 0)
    return _LUMINANCE[0] * red + _LUMINANCE[1] * green + _LUMINANCE[2] * blue
