"""Miniatures of the data sets of image retrieval in their official layouts: views of generated places, each in other light and cut.

Places come in families of the same shapes and nearly the same colours, so that neither names a place: it is what lies where. A view is
what a camera sees that comes nearer, moves and tilts, under a light of its own, and with things in the way that only this view has.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.bsds500 import SMALLEST_SIDE, draw, mixed, sample_view, save_jpeg
from stages.miniatures.world import FIRST_THING, PATTERNS, SHAPES, Light, Scene, Surface, Thing, generator, sample_scene

LANDMARKS = (
    *("defense", "eiffel", "invalides", "louvre", "moulinrouge", "museedorsay"),
    *("notredame", "pantheon", "pompidou", "sacrecoeur", "triomphe"),
)
REFERENCE, CAMERAS = "Reference", ("Canon", "Droid", "E63", "Palm")
VIEWS = 4  # of an object of UKB

# Random streams: data sets never share a place, and a place or view does not depend on how many there are.
_HOLIDAYS, _PARIS, _DISTRACTORS, _UKB, _SMVS = 4_000, 4_010, 4_011, 4_020, 4_030
_FAMILY, _PLACE, _VIEW = 0, 1, 2

_SIBLINGS = 3  # places of a family
_REPAINTED = 0.25  # of a place's things, with another pattern than the family's

# Camera and light of a view.
_ZOOM = 2
_SHIFT = 0.16  # of the visible width and height, either way; so two views always have something in common
_ROLL = 10  # degrees, either way
_IN_THE_WAY = 2  # things, at most

# A landmark is the largest things of its place; views of it are good and ok from these visible shares.
_LANDMARK = 3
_GOOD, _OK = 0.6, 0.25
_KINDS = ("good", "ok", "good", "ok", "junk")
_COARSER = 4  # than the picture, the map that the share is counted on
_REACH = {"good": _SHIFT, "ok": 0.5, "junk": 0.7}  # how far the camera may move, as _SHIFT


def write_holidays(folder: Path, *, groups: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/jpg: groups of two, three and four views in turn, the first of them the query."""
    _check_request("Holidays", {"groups": groups}, width, height)
    for index in range(groups):
        place = sample_place(seed, _HOLIDAYS, index, width, height)
        for number in range(2 + index % 3):
            view = sample_camera_view(generator(seed, _HOLIDAYS, _VIEW, index, number), place, width, height)
            save_jpeg(draw(view, width, height)[0], folder / f"jpg/{100_000 + 100 * index + number}.jpg")


def write_ukb(folder: Path, *, objects: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/full: four views of each object."""
    _check_request("UKB", {"objects": objects}, width, height)
    for index in range(objects):
        place = sample_place(seed, _UKB, index, width, height)
        for number in range(VIEWS):
            view = sample_camera_view(generator(seed, _UKB, _VIEW, index, number), place, width, height)
            save_jpeg(draw(view, width, height)[0], folder / f"full/ukbench{VIEWS * index + number:05d}.jpg")


def write_smvs_dvd(folder: Path, *, objects: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/dvd_covers: of each object a clean picture in Reference, and a view in the folder of each camera."""
    _check_request("SMVS", {"objects": objects}, width, height)
    base = folder / "dvd_covers"
    for index in range(objects):
        place = sample_place(seed, _SMVS, index, width, height)
        save_jpeg(draw(replace(place, light=Light()), width, height)[0], base / f"{REFERENCE}/{index + 1:03d}.jpg")
        for number, camera in enumerate(CAMERAS):
            view = sample_camera_view(generator(seed, _SMVS, _VIEW, index, number), place, width, height)
            save_jpeg(draw(view, width, height)[0], base / f"{camera}/{index + 1:03d}.jpg")


def write_paris6k(folder: Path, *, landmarks: int, images: int, queries: int, distractors: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/paris and `folder`/ground_truth: `images` of each landmark, the first `queries` of them the queries.

    `distractors` views are of other places, of the landmarks' families.
    """
    counts = {"landmarks": landmarks, "images": images, "queries": queries, "distractors": distractors}
    _check_request("Paris", counts, width, height)
    if landmarks > len(LANDMARKS) or queries > images:
        raise UserError(
            f"a miniature Paris of {landmarks} landmarks, with {queries} queries among {images} images of each, cannot be: "
            f"there are {len(LANDMARKS)} landmarks, and a query is one of a landmark's images"
        )
    for index in range(landmarks):
        _write_landmark(folder, index, images, queries, (width, height), seed)
    for index in range(distractors):
        # Families are counted in places, so the places after the landmarks' would be of other families: these are beside them.
        family = index % landmarks // _SIBLINGS
        place = _placed(generator(seed, _DISTRACTORS, _PLACE, index), _family(seed, _PARIS, family, width, height), width, height)
        view = sample_camera_view(generator(seed, _DISTRACTORS, _VIEW, index), place, width, height)
        save_jpeg(draw(view, width, height)[0], folder / f"paris/general/paris_general_{index:06d}.jpg")


def _check_request(title: str, counts: dict[str, int], width: int, height: int) -> None:
    if min(counts.values()) < 1 or min(width, height) < SMALLEST_SIDE:
        raise UserError(
            f"a miniature {title} of {', '.join(f'{count} {name}' for name, count in counts.items())} and {width} x {height} pixels "
            f"cannot be: each count has to be 1 or more, each side {SMALLEST_SIDE} or more"
        )


# ------------------------------------------------------------------------------------------------------------------ places


def sample_place(seed: int, stream: int, index: int, width: int, height: int) -> Scene:
    """A place, for pictures of these proportions: `_SIBLINGS` in turn are of one family."""
    return _placed(generator(seed, stream, _PLACE, index), _family(seed, stream, index // _SIBLINGS, width, height), width, height)


def _family(seed: int, stream: int, index: int, width: int, height: int) -> Scene:
    return sample_view(generator(seed, stream, _FAMILY, index), width, height)


def _placed(rng: np.random.Generator, family: Scene, width: int, height: int) -> Scene:
    """The family's things, nearly in its colours, in other places and sizes."""
    side = max(width, height)
    things = [_moved(rng, thing, width / side, height / side) for thing in family.things]
    return replace(
        family,
        backdrop=_repainted(rng, family.backdrop),
        ground=_repainted(rng, family.ground),
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
    cosine, sine = _direction(camera.roll)

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
    cosine, sine = _direction(degrees)
    return place[0] * cosine + place[1] * sine, place[1] * cosine - place[0] * sine


def _direction(degrees: float) -> tuple[float, float]:
    """Cosine and sine, rounded as everywhere in the world."""
    radians = math.radians(degrees)
    return round(math.cos(radians), 9), round(math.sin(radians), 9)


def sample_camera_view(rng: np.random.Generator, place: Scene, width: int, height: int, reach: float = _SHIFT) -> Scene:
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


# --------------------------------------------------------------------------------------------------------------- landmarks


def _write_landmark(folder: Path, index: int, images: int, queries: int, size: tuple[int, int], seed: int) -> None:
    landmark = LANDMARKS[index]
    place = sample_place(seed, _PARIS, index, *size)
    listed: dict[str, list[str]] = {"good": [], "ok": [], "junk": []}
    asked = []
    for number in range(images):
        name = f"paris_{landmark}_{number:06d}"
        kind = "good" if number < queries else _KINDS[(number - queries) % len(_KINDS)]
        picture, regions = draw(_sample_landmark_view(generator(seed, _PARIS, _VIEW, index, number), place, kind, size), *size)
        save_jpeg(picture, folder / f"paris/{landmark}/{name}.jpg")
        listed[kind].append(name)
        if number < queries:
            asked.append(f"{name} {' '.join(map(str, _box(_landmark_pixels(regions))))}\n")
    for number, line in enumerate(asked, 1):
        _write_text(folder / f"ground_truth/{landmark}_{number}_query.txt", line)
        for kind, names in listed.items():  # a landmark's queries have the same answers
            _write_text(folder / f"ground_truth/{landmark}_{number}_{kind}.txt", "".join(f"{name}\n" for name in names))


def _sample_landmark_view(rng: np.random.Generator, place: Scene, kind: str, size: tuple[int, int]) -> Scene:
    """A view that shows as much of the landmark as one of this kind does."""
    while True:
        view = sample_camera_view(rng, place, *size, _REACH[kind])
        if _kind(place, view, size) == kind:
            return view


def _kind(place: Scene, view: Scene, size: tuple[int, int]) -> str:
    """What the share of the landmark that is in the picture, and that nothing hides which is not of the place, makes of a view."""
    smaller = tuple(length // _COARSER for length in size)
    whole, visible = (_landmark_pixels(draw(scene, *smaller)[1]).sum() for scene in (place, view))
    zoom = view.things[0].radius / place.things[0].radius
    share = visible / (whole * zoom * zoom)
    return "good" if share >= _GOOD else "ok" if share >= _OK else "junk" if share > 0 else "bad"


def _landmark_pixels(regions: np.ndarray) -> np.ndarray:
    return (regions >= FIRST_THING) & (regions < FIRST_THING + _LANDMARK)


def _box(inside: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is true, bool (H, W)."""
    columns, rows = (np.flatnonzero(inside.any(axis=axis)) for axis in (0, 1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
