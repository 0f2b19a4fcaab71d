"""The generated world that every miniature data set is derived from.

A `Scene` is a small description: a backdrop above a ground, things on them (flat shapes with a coloured surface), and a light.
`render` draws it at any size, together with the map of which region each pixel belongs to; `class_map` makes that a label map.
So one scene gives a picture, its class (shape) and fine class (shape and pattern), and whatever later data sets want of it.

Pictures are the same bytes on every machine. On the way to a pixel there are only operations that IEEE 754 defines to the last bit
(+, -, *, /, square root, floor, comparison; sines are rounded first), no reductions, and no normal deviates: only `Generator.random` and
`Generator.integers` of explicitly seeded PCG64 streams.
"""

import colorsys
import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.miniatures.shapes import OUTLINES, PATTERNS, SHAPES, SHARES, Floats, Mask

BACKDROP, GROUND, FIRST_THING = 0, 1, 2  # values of a region map; thing k has the value FIRST_THING + k

Colour = tuple[float, float, float]

# Odd, so that one sample lies on the pixel's centre: the region map takes that one, the picture the mean of all nine.
SAMPLES = 3

# No outline leaves a circle of this many radii.
_REACH = 1.25


@dataclass(frozen=True)
class Surface:
    """A pattern of two colours (RGB, 0 to 1). `period` is in picture widths, `angle` in degrees."""

    pattern: int
    colours: tuple[Colour, Colour]
    period: float
    angle: float = 0.0
    phase: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Thing:
    """A flat shape. `centre` and `radius` are in picture widths from the top left corner; `angle` in degrees, clockwise;
    `stretch` widens (and by as much flattens) the shape along its own axis."""

    shape: int
    surface: Surface
    centre: tuple[float, float]
    radius: float
    angle: float = 0.0
    stretch: float = 1.0


@dataclass(frozen=True)
class Light:
    """`gain` times the surface's colour, changing by `slope` from the centre to the right and lower edge, tinted by `cast`.
    Things throw a shadow of depth `shade` to the side that the slope falls to. `noise` is the half width of the pixels' noise."""

    gain: float = 1.0
    slope: tuple[float, float] = (0.0, 0.0)
    cast: Colour = (1.0, 1.0, 1.0)
    shade: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


@dataclass(frozen=True)
class Scene:
    """`things` are drawn in their order, later ones over earlier ones; `main` is the index of the one that gives the scene its class.
    The ground begins at the height `horizon` (picture heights from the top) and is `tilt` lower at the right edge than at the centre."""

    backdrop: Surface
    ground: Surface
    horizon: float
    tilt: float
    things: tuple[Thing, ...]
    main: int
    light: Light

    @property
    def shape(self) -> int:
        return self.things[self.main].shape

    @property
    def pattern(self) -> int:
        return self.things[self.main].surface.pattern


def generator(seed: int, *stream: int) -> np.random.Generator:
    """A random stream of its own for each `(seed, *stream)`; streams of different numbers never meet."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)))


# ---------------------------------------------------------------------------------------------------------------- drawing


def render(scene: Scene, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a scene: the picture, uint8 (size, size, 3), and its region map, uint8 (size, size): BACKDROP, GROUND or FIRST_THING + k."""
    x, y = grid(size)
    regions = np.where(y > scene.horizon + scene.tilt * (2 * x - 1), np.uint8(GROUND), np.uint8(BACKDROP))
    colours = np.where((regions == GROUND)[..., None], paint(scene.ground, x, y), paint(scene.backdrop, x, y))
    for index, thing in enumerate(scene.things):
        shadow_x, shadow_y = _shadow_offset(thing, scene.light)
        window = _window(thing, size, margin=max(abs(shadow_x), abs(shadow_y)))
        wx, wy = x[:, window[1]], y[window[0]]
        dark = _inside(thing, wx - np.float32(shadow_x), wy - np.float32(shadow_y))
        mask = _inside(thing, wx, wy)
        view = colours[window]
        view *= np.where(dark, np.float32(1 - scene.light.shade), np.float32(1))[..., None]
        own = paint(thing.surface, *_turned(wx - thing.centre[0], wy - thing.centre[1], thing.angle))
        np.copyto(view, own, where=mask[..., None])
        regions[window][mask] = FIRST_THING + index
    centre = SAMPLES // 2
    return expose(pooled(colours), scene.light), regions[centre::SAMPLES, centre::SAMPLES].copy()


def class_map(scene: Scene, regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The label map of a region map: 0 for backdrop and ground, 1 + shape on things."""
    return np.array([0, 0, *(1 + thing.shape for thing in scene.things)], dtype=np.uint8)[regions]


@functools.lru_cache(maxsize=4)
def grid(size: int) -> tuple[Floats, Floats]:
    """Sample positions, a row (1, n) and a column (n, 1), in picture widths."""
    position = (np.arange(size * SAMPLES, dtype=np.float32) + np.float32(0.5)) / np.float32(size * SAMPLES)
    return position[None, :], position[:, None]


def _window(thing: Thing, size: int, margin: float) -> tuple[slice, slice]:
    """The samples that a thing and its shadow can touch."""
    n = size * SAMPLES
    reach = _REACH * thing.radius * max(thing.stretch, 1 / thing.stretch) + margin
    left, top = (max(0, min(n, math.floor((c - reach) * n))) for c in thing.centre)
    right, bottom = (max(0, min(n, math.ceil((c + reach) * n))) for c in thing.centre)
    return slice(top, bottom), slice(left, right)


def _shadow_offset(thing: Thing, light: Light) -> tuple[float, float]:
    """Shadows fall to the side away from the light, further for larger things."""
    reach = 0.25 * thing.radius
    return -math.copysign(reach, light.slope[0]), -math.copysign(reach, light.slope[1])


def _turned(x: Floats, y: Floats, degrees: float) -> tuple[Floats, Floats]:
    """Coordinates in a frame that is turned clockwise by `degrees`."""
    cosine, sine = direction(degrees)
    return x * cosine + y * sine, y * cosine - x * sine


def direction(degrees: float) -> tuple[float, float]:
    """Cosine and sine, rounded because the last bits of the C library's depend on the processor."""
    radians = math.radians(degrees)
    return round(math.cos(radians), 9), round(math.sin(radians), 9)


def _inside(thing: Thing, x: Floats, y: Floats) -> Mask:
    u, v = _turned(x - thing.centre[0], y - thing.centre[1], thing.angle)
    return OUTLINES[SHAPES[thing.shape]](u / (thing.radius * thing.stretch), v / (thing.radius / thing.stretch))


def paint(surface: Surface, x: Floats, y: Floats) -> Floats:
    """A surface's colours (h, w, 3) at coordinates relative to its owner."""
    u, v = _turned(x, y, surface.angle)
    share = SHARES[PATTERNS[surface.pattern]](u / surface.period + surface.phase[0], v / surface.period + surface.phase[1])
    first, second = (np.array(colour, dtype=np.float32) for colour in surface.colours)
    return first + share[..., None].astype(np.float32) * (second - first)


def pooled(samples: Floats) -> Floats:
    """The mean over each pixel's samples, summed in a fixed order."""
    places = [samples[row::SAMPLES, column::SAMPLES] for row in range(SAMPLES) for column in range(SAMPLES)]
    return functools.reduce(np.add, places) / np.float32(SAMPLES**2)


def expose(colours: Floats, light: Light) -> NDArray[np.uint8]:
    """The picture that the light makes of the colours: brightness, tint, noise, eight bits."""
    size = len(colours)
    position = (2 * np.arange(size, dtype=np.float32) + 1) / np.float32(size) - 1
    brightness = light.gain + light.slope[0] * position[None, :] + light.slope[1] * position[:, None]
    draws = generator(light.noise_seed).random((2, *colours.shape), dtype=np.float32)
    noise = light.noise * (draws[0] + draws[1] - 1)  # triangular
    lit = colours * brightness[..., None] * np.array(light.cast, dtype=np.float32) + noise
    return np.floor(np.clip(lit, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)


# --------------------------------------------------------------------------------------------------------------- sampling

# How much of a shape its surface gives away where the class is the shape alone. A linear classifier lives on the typical hues and
# fails where they do not hold; a network that sees texture and outline does not. With less of either, small networks need far longer
# before they learn anything.
TYPICAL_PATTERN = 0.9
TYPICAL_HUE = 0.8


def sample_scene(rng: np.random.Generator, shape: int, pattern: int | None = None) -> Scene:
    """A scene whose main thing has the given shape and pattern; everything else is drawn from `rng`.

    Without a pattern the class is the shape: its pattern is mostly the typical one (of the same index), its hue mostly near one of
    five, which it shares with another shape. With a pattern the class is one of a hundred, hard enough, so the hue is the shape's own.
    """
    if pattern is None:
        pattern = shape if rng.random() < TYPICAL_PATTERN else int(rng.integers(len(PATTERNS)))
        nearest = shape % 5 if rng.random() < TYPICAL_HUE else int(rng.integers(5))
        hue = (nearest + _between(rng, -0.3, 0.3)) / 5
    else:
        hue = (shape + _between(rng, -0.3, 0.3)) / len(SHAPES)
    main = Thing(
        shape=shape,
        surface=_sample_vivid(rng, pattern, hue),
        centre=(_between(rng, 0.3, 0.7), _between(rng, 0.3, 0.7)),
        radius=_between(rng, 0.3, 0.42),
        angle=_between(rng, -15, 15),
        stretch=_between(rng, 0.9, 1.1),
    )
    behind = [_sample_clutter(rng, shape) for _ in range(int(rng.integers(1, 3)))]
    before = [_sample_clutter(rng, shape, beside=main) for _ in range(int(rng.integers(0, 2)))]
    return Scene(
        backdrop=_sample_dull(rng),
        ground=_sample_dull(rng),
        horizon=_between(rng, 0.4, 0.9),
        tilt=_between(rng, -0.08, 0.08),
        things=(*behind, main, *before),
        main=len(behind),
        light=_sample_light(rng),
    )


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def _sample_vivid(rng: np.random.Generator, pattern: int, hue: float) -> Surface:
    """The surface of a thing: a light colour, and a dark one of the opposite hue."""
    light = colorsys.hsv_to_rgb(hue % 1, _between(rng, 0.6, 0.95), _between(rng, 0.8, 1))
    dark = colorsys.hsv_to_rgb((hue + 0.5) % 1, _between(rng, 0.6, 0.95), _between(rng, 0.15, 0.45))
    centred = PATTERNS[pattern] in ("ringed", "shaded")
    phase = (0.0, 0.0) if centred else (rng.random(), rng.random())
    return Surface(pattern, (light, dark), _between(rng, 0.19, 0.23), _between(rng, -10, 10), phase)


def _sample_dull(rng: np.random.Generator) -> Surface:
    """The surface of a backdrop or ground: two shades of a greyish colour."""
    grey = _between(rng, 0.3, 0.65)
    red, green, blue = (grey + _between(rng, -0.2, 0.2) for _ in range(3))
    step = _between(rng, 0.02, 0.06)
    colours = ((red, green, blue), (red - step, green - step, blue - step))
    pattern, phase = int(rng.integers(len(PATTERNS))), (rng.random(), rng.random())
    return Surface(pattern, colours, _between(rng, 0.19, 0.23), _between(rng, -20, 20), phase)


def _sample_clutter(rng: np.random.Generator, main_shape: int, beside: Thing | None = None) -> Thing:
    """A small thing of another shape: anywhere, or (to hide a part of it) on the rim of the main thing."""
    shape = (main_shape + 1 + int(rng.integers(len(SHAPES) - 1))) % len(SHAPES)
    if beside is None:
        centre, radius = (rng.random(), rng.random()), _between(rng, 0.05, 0.1)
    else:
        (cosine, sine), reach = direction(_between(rng, 0, 360)), 0.9 * beside.radius
        centre, radius = (beside.centre[0] + reach * cosine, beside.centre[1] + reach * sine), _between(rng, 0.06, 0.1)
    surface = _sample_vivid(rng, int(rng.integers(len(PATTERNS))), rng.random())
    return Thing(shape, surface, centre, radius, angle=_between(rng, -180, 180))


def _sample_light(rng: np.random.Generator) -> Light:
    return Light(
        gain=_between(rng, 0.75, 1.1),
        slope=(_between(rng, -0.1, 0.1), _between(rng, -0.1, 0.1)),
        cast=(_between(rng, 0.9, 1.1), _between(rng, 0.9, 1.1), _between(rng, 0.9, 1.1)),
        shade=_between(rng, 0.2, 0.4),
        noise=_between(rng, 0.01, 0.04),
        noise_seed=int(rng.integers(2**32)),
    )
