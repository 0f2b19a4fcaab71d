"""Views of the generated world: pictures that are not square, with things of all sizes."""

from dataclasses import replace

import numpy as np

from stages.miniatures.world import PATTERNS, SHAPES, Colour, Scene, Surface, Thing, render, sample_scene

_GREY = (0.5, 0.5, 0.5)


def sample_view(rng: np.random.Generator, width: int, height: int) -> Scene:
    """A scene for a picture of these proportions: five to nine things of all sizes, smaller ones in front."""
    scene = sample_scene(rng, 0)
    things = [_sample_thing(rng, width, height) for _ in range(int(rng.integers(5, 10)))]
    things.sort(key=lambda thing: -thing.radius)
    return replace(
        scene,
        backdrop=_roughened(rng, scene.backdrop),
        ground=_roughened(rng, scene.ground),
        horizon=0.5 + (rng.random() - 0.5) * 0.6 * height / max(width, height),
        things=tuple(things),
        main=0,
    )


def draw(scene: Scene, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The middle of the square scene: its picture, uint8 (height, width, 3), and its region map, uint8 (height, width)."""
    side = max(width, height)
    top, left = (side - height) // 2, (side - width) // 2
    picture, regions = render(scene, side)
    middle = slice(top, top + height), slice(left, left + width)
    return picture[middle], regions[middle]


def _sample_thing(rng: np.random.Generator, width: int, height: int) -> Thing:
    """A thing somewhere in the visible part. Its pattern is finer than that of a scene's main thing, its colours are greyer."""
    shape = int(rng.integers(len(SHAPES)))
    like = sample_scene(rng, shape, int(rng.integers(len(PATTERNS))))
    first, second = like.things[like.main].surface.colours
    first = mixed(first, _GREY, 0.7 * rng.random())
    surface = replace(
        like.things[like.main].surface,
        colours=(first, mixed(first, second, 0.2 + 0.6 * rng.random())),
        period=0.05 + 0.08 * rng.random(),
    )
    size, side = rng.random(), max(width, height)
    return Thing(
        shape=shape,
        surface=surface,
        centre=(0.5 + (rng.random() - 0.5) * width / side, 0.5 + (rng.random() - 0.5) * height / side),
        radius=0.05 + 0.3 * size * size,
        angle=360 * rng.random(),
        stretch=0.8 + 0.5 * rng.random(),
    )


def _roughened(rng: np.random.Generator, surface: Surface) -> Surface:
    """The surface of a backdrop or ground with a finer pattern of more contrast."""
    first, second = surface.colours
    return replace(surface, colours=(first, mixed(first, second, 1 + 3 * rng.random())), period=0.05 + 0.1 * rng.random())


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """The colour at this share of the way from the first to the second, or beyond."""
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue
