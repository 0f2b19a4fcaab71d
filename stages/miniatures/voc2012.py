"""A miniature of PASCAL VOC 2012's segmentation and of SBD in their official layouts: pictures of one to three large things of 20 classes.

A class is a hue of its own and a shape that it shares with one other class. VOC's maps have a contour of no class around things, SBD's
have none; some images have a map of both.
"""

import colorsys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.datasets.voc2012 import CLASSES, IGNORE, SBD, VOC, palette
from stages.miniatures import request
from stages.miniatures.files import save_jpeg, save_mat, write_text
from stages.miniatures.views import draw, mixed
from stages.miniatures.world import FIRST_THING, PATTERNS, SHAPES, Light, Scene, Surface, Thing, generator, sample_scene

THINGS = len(CLASSES) - 1

# Random streams: of each of the four sets, which share no scene. `_SHARED` are VOC's validation images that SBD trains on.
_TRAIN, _VAL, _SHARED, _EXTRA = 5_100, 5_101, 5_102, 5_103
_ORDER, _PICTURE = 0, 1

_SHORTEST = 0.75  # of a picture's shorter side, of what it may have
_MOST = 3  # things
_GREY = (0.45, 0.45, 0.45)
_GREYER = 0.6  # backdrop and ground than the world's others
_SEEN = 0.04  # of a picture that a thing has to itself, at least
_RADII = {1: (0.36, 0.46), 2: (0.28, 0.36), 3: (0.24, 0.3)}  # by how many things there are, of the longer side


@dataclass(frozen=True)
class View:
    """A picture uint8 (H, W, 3), its classes uint8 (H, W), and where they meet, bool (H, W)."""

    picture: np.ndarray
    classes: np.ndarray
    contour: np.ndarray


def write(folder: Path, *, train: int, val: int, extra: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/VOCdevkit/VOC2012 and `folder`/benchmark_RELEASE/dataset.

    train : VOC's training images, of which SBD has every other. val : those of the validation set without SBD's training images; SBD
    trains on half as many more. extra : training images that only SBD has. Sides, in pixels, are the largest.
    """
    request.check("VOC 2012", {"train": train, "val": val, "extra": extra}, width, height)
    sets = {_TRAIN: ("2007", train), _VAL: ("2008", val), _SHARED: ("2009", -(-val // 2)), _EXTRA: ("2010", extra)}
    names = {stream: [f"{year}_{index + 1:06d}" for index in range(count)] for stream, (year, count) in sets.items()}
    both = {*names[_TRAIN][::2], *names[_SHARED]}
    for stream, members in names.items():
        for index, name in enumerate(members):
            view = sample_view(seed, stream, index, width, height)
            if stream != _EXTRA:
                _write_voc(folder / VOC, name, view)
            if stream == _EXTRA or name in both:
                _write_sbd(folder / SBD, name, view)
    _write_list(folder / VOC / "ImageSets/Segmentation/train.txt", names[_TRAIN])
    _write_list(folder / VOC / "ImageSets/Segmentation/val.txt", [*names[_VAL], *names[_SHARED]])
    _write_list(folder / SBD / "train.txt", [*names[_SHARED], *names[_EXTRA]])
    _write_list(folder / SBD / "val.txt", names[_TRAIN][::2])


def sample_view(seed: int, stream: int, index: int, width: int, height: int) -> View:
    """A landscape or, in turn, a portrait. Pictures have one, two and three things in turn, whose classes are a set's next."""
    rng = generator(seed, stream, _PICTURE, index)
    short = _SHORTEST + (1 - _SHORTEST) * rng.random()
    width, height = (width, round(short * height)) if index % 2 == 0 else (round(short * min(width, height)), height)
    count, first = 1 + index % _MOST, sum(1 + before % _MOST for before in range(index))
    classes = [_class_at(seed, stream, first + place) for place in range(count)]
    while True:
        picture, regions = draw(_sample_scene(rng, classes, width, height), width, height)
        if all(np.mean(regions == FIRST_THING + place) >= _SEEN for place in range(count)):
            return View(picture, np.array([0, 0, *classes], np.uint8)[regions], _contour(np.maximum(regions, FIRST_THING - 1)))


def _class_at(seed: int, stream: int, place: int) -> int:
    """The class of a set's thing number `place`: all classes in some order, then all in another."""
    cycle, index = divmod(place, THINGS)
    return 1 + int(np.argsort(generator(seed, stream, _ORDER, cycle).random(THINGS))[index])


def _sample_scene(rng: np.random.Generator, classes: list[int], width: int, height: int) -> Scene:
    """A scene where a class is known by its hue: nothing behind things has much of one, and the light is even."""
    scene = sample_scene(rng, 0)
    things = tuple(_sample_thing(rng, label, len(classes), width, height) for label in classes)
    light = Light(shade=scene.light.shade, noise=scene.light.noise, noise_seed=scene.light.noise_seed)
    backdrop, ground = _greyer(scene.backdrop), _greyer(scene.ground)
    return replace(scene, backdrop=backdrop, ground=ground, things=things, main=0, light=light)


def _sample_thing(rng: np.random.Generator, label: int, count: int, width: int, height: int) -> Thing:
    low, high = _RADII[count]
    side = max(width, height)
    spread = 0.2 if count == 1 else 0.7
    return Thing(
        shape=label % len(SHAPES),
        surface=_sample_surface(rng, label),
        centre=(0.5 + spread * (rng.random() - 0.5) * width / side, 0.5 + spread * (rng.random() - 0.5) * height / side),
        radius=low + (high - low) * rng.random(),
        angle=40 * (rng.random() - 0.5),
        stretch=0.9 + 0.2 * rng.random(),
    )


def _sample_surface(rng: np.random.Generator, label: int) -> Surface:
    """A pattern of two shades of the class's hue, light ones for every other class, dark ones for those between."""
    hue, saturation = ((label + 0.2 * (rng.random() - 0.5)) / THINGS) % 1, 0.85 + 0.15 * rng.random()
    value = (0.95 if label % 2 else 0.5) + 0.1 * (rng.random() - 0.5)
    first, second = (colorsys.hsv_to_rgb(hue, saturation, shade * value) for shade in (1, 0.75 + 0.1 * rng.random()))
    return Surface(int(rng.integers(len(PATTERNS))), (first, second), 0.1 + 0.1 * rng.random(), 360 * rng.random())


def _greyer(surface: Surface) -> Surface:
    first, second = (mixed(colour, _GREY, _GREYER) for colour in surface.colours)
    return replace(surface, colours=(first, second))


def _contour(regions: np.ndarray) -> np.ndarray:
    """Pixels beside, above or below one of another region, on both sides, bool (H, W)."""
    lines = np.zeros(regions.shape, bool)
    for ours, theirs in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        apart = regions[ours] != regions[theirs]
        lines[ours] |= apart
        lines[theirs] |= apart
    return lines


def _write_voc(base: Path, name: str, view: View) -> None:
    from PIL import Image

    save_jpeg(view.picture, base / f"JPEGImages/{name}.jpg")
    labels = Image.fromarray(np.where(view.contour, np.uint8(IGNORE), view.classes))
    labels.putpalette(palette().ravel().tolist())
    file = base / f"SegmentationClass/{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    labels.save(file, compress_level=0)  # what zlib makes differs from one build to another


def _write_sbd(base: Path, name: str, view: View) -> None:
    save_jpeg(view.picture, base / f"img/{name}.jpg")
    present = np.unique(view.classes[view.classes > 0])
    save_mat({"GTcls": {"Segmentation": view.classes, "CategoriesPresent": present[:, None]}}, base / f"cls/{name}.mat")


def _write_list(file: Path, names: list[str]) -> None:
    write_text("".join(f"{name}\n" for name in sorted(names)), file)
