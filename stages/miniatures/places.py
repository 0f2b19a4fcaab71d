"""What the miniatures of the data sets of image retrieval share: views of generated places, each in other light and cut.

Places come in families of the same shapes and nearly the same colours, so that neither names a place: it is what lies where. A view is
what a camera sees that comes nearer, moves and tilts, under a light of its own, and with things in the way that only this view has.
"""

from dataclasses import dataclass, replace

import numpy as np

from stages.miniatures.views import mixed, sample_view
from stages.miniatures.world import PATTERNS, SHAPES, Light, Scene, Surface, Thing, direction, generator, sample_scene

# Random streams: of a data set's own number, its families', places' and views'. A place or view does not depend on how many there are.
FAMILY, PLACE, VIEW = 0, 1, 2

SIBLINGS = 3  # places of a family
_REPAINTED = 0.25  # of a place's things, with another pattern than the family's

# Camera and light of a view.
_ZOOM = 2
SHIFT = 0.16  # of the visible width and height, either way; so two views always have something in common
_ROLL = 10  # degrees, either way
_IN_THE_WAY = 2  # things, at most


# ------------------------------------------------------------------------------------------------------------------ places


def sample_place(seed: int, stream: int, index: int, width: int, height: int) -> Scene:
    """A place, for pictures of these proportions: `SIBLINGS` in turn are of one family."""
    return placed(generator(seed, stream, PLACE, index), family(seed, stream, index // SIBLINGS, width, height), width, height)


def family(seed: int, stream: int, index: int, width: int, height: int) -> Scene:
    return sample_view(generator(seed, stream, FAMILY, index), width, height)


def placed(rng: np.random.Generator, kin: Scene, width: int, height: int) -> Scene:
    """The family's things, nearly in its colours, in other places and sizes."""
    side = max(width, height)
    things = [_moved(rng, thing, width / side, height / side) for thing in kin.things]
    return replace(
        kin,
        backdrop=_repainted(rng, kin.backdrop),
        ground=_repainted(rng, kin.ground),
        horizon=0.5 + 0.6 * (rng.random() - 0.5) * height / side,
        things=tuple(sorted(things, key=lambda thing: -thing.radius)),
    )


def _moved(rng: np.random.Generator, thing: Thing, across: float, down: float) -> Thing:
    size = rng.random()
    return replace(
        thing,
        surface=_repainted(rng, thing.surface),
        centre=(0.5 + 0.9 * (rng.random() - 0.5) * across, 0.5 + 0.9 * (rng.random() - 0.5) * down),
        radius=0.07 + 0.2 * size * size,
        angle=360 * rng.random(),
    )


def _repainted(rng: np.random.Generator, surface: Surface) -> Surface:
    """The surface with slightly other colours, and perhaps another pattern."""
    towards = (rng.random(), rng.random(), rng.random())
    first, second = (mixed(colour, towards, 0.15) for colour in surface.colours)
    pattern = int(rng.integers(len(PATTERNS))) if rng.random() < _REPAINTED else surface.pattern
    return replace(surface, colours=(first, second), pattern=pattern)


# ------------------------------------------------------------------------------------------------------------------- views


@dataclass(frozen=True)
class Camera:
    """`centre` is the place, in picture widths, that is in the picture's middle; `roll` turns the scene, in degrees clockwise."""

    zoom: float = 1.0
    centre: tuple[float, float] = (0.5, 0.5)
    roll: float = 0.0


def seen(scene: Scene, camera: Camera) -> Scene:
    """The scene as the camera has it: everything larger, moved and turned together; the light stays."""
    cosine, sine = direction(camera.roll)

    def turned(thing: Thing) -> Thing:
        x, y = (place - middle for place, middle in zip(thing.centre, camera.centre, strict=True))
        centre = 0.5 + camera.zoom * (x * cosine - y * sine), 0.5 + camera.zoom * (x * sine + y * cosine)
        surface = replace(thing.surface, period=thing.surface.period * camera.zoom)  # it lies in the thing's own frame
        return replace(thing, surface=surface, centre=centre, radius=thing.radius * camera.zoom, angle=thing.angle + camera.roll)

    # The horizon is a line with the slope 2 tilt; below the middle of the picture it is `drop` lower than the middle.
    slope = 2 * scene.tilt
    drop = camera.zoom * (scene.horizon + scene.tilt * (2 * camera.centre[0] - 1) - camera.centre[1])
    new_slope = (sine + cosine * slope) / (cosine - sine * slope)
    return replace(
        scene,
        backdrop=_seen_surface(scene.backdrop, camera),
        ground=_seen_surface(scene.ground, camera),
        horizon=0.5 + drop * (cosine + new_slope * sine),
        tilt=new_slope / 2,
        things=tuple(turned(thing) for thing in scene.things),
    )


def _seen_surface(surface: Surface, camera: Camera) -> Surface:
    """A surface whose coordinates begin at the picture's corner: its phase is what it had in the middle, less the way from the corner."""
    period, angle = surface.period * camera.zoom, surface.angle + camera.roll
    middle, way = _along(camera.centre, surface.angle), _along((0.5, 0.5), angle)
    first, second = (phase + there / surface.period - back / period for phase, there, back in zip(surface.phase, middle, way, strict=True))
    return replace(surface, period=period, angle=angle, phase=(first, second))


def _along(place: tuple[float, float], degrees: float) -> tuple[float, float]:
    """The place in a frame that is turned clockwise by `degrees`."""
    cosine, sine = direction(degrees)
    return place[0] * cosine + place[1] * sine, place[1] * cosine - place[0] * sine


def sample_camera_view(rng: np.random.Generator, place: Scene, width: int, height: int, reach: float = SHIFT) -> Scene:
    """The place from elsewhere, in another light, with things in the way. The camera moves by up to `reach` of what is visible."""
    side = max(width, height)
    zoom = 1 + (_ZOOM - 1) * rng.random()
    right, down, roll = (2 * rng.random() - 1 for _ in range(3))
    camera = Camera(zoom, (0.5 + reach * right * width / side, 0.5 + reach * down * height / side), _ROLL * roll)
    view = seen(place, camera)
    in_the_way = tuple(_sample_in_the_way(rng) for _ in range(int(rng.integers(_IN_THE_WAY + 1))))
    return replace(view, things=view.things + in_the_way, light=_sample_light(rng))


def _sample_in_the_way(rng: np.random.Generator) -> Thing:
    shape = int(rng.integers(len(SHAPES)))
    like = sample_scene(rng, shape, int(rng.integers(len(PATTERNS))))
    surface = replace(like.things[like.main].surface, period=0.05 + 0.08 * rng.random())
    return Thing(shape, surface, (rng.random(), rng.random()), 0.06 + 0.08 * rng.random(), angle=360 * rng.random())


def _sample_light(rng: np.random.Generator) -> Light:
    red, green, blue = (0.87 + 0.26 * rng.random() for _ in range(3))
    return Light(
        gain=0.75 + 0.4 * rng.random(),
        slope=(0.3 * (rng.random() - 0.5), 0.3 * (rng.random() - 0.5)),
        cast=(red, green, blue),
        shade=0.2 + 0.3 * rng.random(),
        noise=0.02 + 0.04 * rng.random(),
        noise_seed=int(rng.integers(2**32)),
    )
