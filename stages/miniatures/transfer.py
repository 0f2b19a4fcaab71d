"""Miniatures of the data sets that Section 2.4.3 carries features over to, in their official layouts.

None of their classes is ImageNet's, the shape of one large thing: of a scene it is what lies behind and below, of an indoor scene which
things stand together, of a flower its pattern and hue, and birds, all of one build, differ by finer patterns and nearer hues.
"""

import colorsys
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.miniatures.bsds500 import mixed, save_jpeg, save_mat
from stages.miniatures.photographs import check_request, photograph
from stages.miniatures.world import PATTERNS, SHAPES, Scene, Surface, Thing, generator, sample_scene

SCENES = (
    *("bedroom", "CALsuburb", "industrial", "kitchen", "livingroom", "MITcoast", "MITforest", "MIThighway"),
    *("MITinsidecity", "MITmountain", "MITopencountry", "MITstreet", "MITtallbuilding", "PARoffice", "store"),
)
ROOMS = (
    *("airport_inside", "artstudio", "auditorium", "bakery", "bar", "bathroom", "bedroom", "bookstore", "bowling", "buffet", "casino"),
    *("children_room", "church_inside", "classroom", "cloister", "closet", "clothingstore", "computerroom", "concert_hall", "corridor"),
    *("deli", "dentaloffice", "dining_room", "elevator", "fastfood_restaurant", "florist", "gameroom", "garage", "greenhouse"),
    *("grocerystore", "gym", "hairsalon", "hospitalroom", "inside_bus", "inside_subway", "jewelleryshop", "kindergarden", "kitchen"),
    *("laboratorywet", "laundromat", "library", "livingroom", "lobby", "locker_room", "mall", "meeting_room", "movietheater", "museum"),
    *("nursery", "office", "operating_room", "pantry", "poolinside", "prisoncell", "restaurant", "restaurant_kitchen", "shoeshop"),
    *("stairscase", "studiomusic", "subway", "toystore", "trainstation", "tv_studio", "videostore", "waitingroom", "warehouse"),
    "winecellar",
)
FLOWERS, BIRDS = 102, 200

# Random streams: data sets, and their parts, never share a scene, and a scene does not depend on how many there are.
_SCENE15, _INDOOR67, _FLOWERS102, _CUB200 = 5_010, 5_020, 5_030, 5_040
_CLASS, _PICTURE, _ORDER = 0, 1, 2

# Strides with no divisor in common with what they count over, so that neighbouring classes are unlike and no two are the same.
_TOGETHER = [*itertools.combinations(range(len(SHAPES)), 2), *itertools.combinations(range(len(SHAPES)), 3)]  # 165
_STRIDE = 37
_FLOWER_HUES, _BIRD_HUES = 11, 21  # with ten patterns 110 and 210 classes
_BLOSSOMS = ("ring", "star", "cross")


def write_scene15(folder: Path, *, classes: int, images: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/scene_categories: `images` of each class, in grey as the official ones."""
    check_request("Scene-15", len(SCENES), {"classes": classes, "images": images}, width, height)
    for label, name in enumerate(SCENES[:classes]):
        style = sample_scene(generator(seed, _SCENE15, _CLASS, label), 0)
        for index in range(images):
            rng = generator(seed, _SCENE15, _PICTURE, label, index)
            picture = photograph(rng, _landscape(rng, label, style), width, height)
            grey = (picture.sum(axis=2) // 3).astype(np.uint8)
            save_jpeg(grey, folder / f"scene_categories/{name}/image_{index + 1:04d}.jpg")


def write_indoor67(folder: Path, *, classes: int, train: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/Images and its lists: `train` and `test` pictures of each class."""
    check_request("MIT Indoor", len(ROOMS), {"classes": classes, "train": train, "test": test}, width, height)
    for part, (name, count) in enumerate({"TrainImages.txt": train, "TestImages.txt": test}.items()):
        lines = []
        for label, room in enumerate(ROOMS[:classes]):
            style = sample_scene(generator(seed, _INDOOR67, _CLASS, label), 0)
            for index in range(count):
                rng = generator(seed, _INDOOR67, _PICTURE, part, label, index)
                lines.append(f"{room}/{room}_{part}{index + 1:03d}.jpg\n")
                save_jpeg(photograph(rng, _room(rng, label, style), width, height), folder / "Images" / lines[-1].strip())
        order = generator(seed, _INDOOR67, _ORDER, part).permutation(len(lines))
        (folder / name).write_text("".join(lines[place] for place in order))


def write_flowers102(folder: Path, *, classes: int, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/jpg, imagelabels.mat and setid.mat: `train`, `val` and `test` pictures of each class, numbered in random order."""
    counts = {"train": train, "val": val, "test": test}
    check_request("Flowers", FLOWERS, {"classes": classes, **counts}, width, height)
    wanted = [(part, label, index) for part, count in enumerate(counts.values()) for label in range(classes) for index in range(count)]
    numbers = (generator(seed, _FLOWERS102, _ORDER).permutation(len(wanted)) + 1).tolist()
    labels = np.zeros((1, len(wanted)), np.uint8)
    for number, (part, label, index) in zip(numbers, wanted, strict=True):
        rng = generator(seed, _FLOWERS102, _PICTURE, part, label, index)
        save_jpeg(photograph(rng, _flower(rng, label), width, height), folder / f"jpg/image_{number:05d}.jpg")
        labels[0, number - 1] = label + 1
    save_mat({"labels": labels}, folder / "imagelabels.mat")
    parts = {
        key: np.array([[number for number, which in zip(numbers, wanted, strict=True) if which[0] == part]], np.uint16)
        for part, key in enumerate(("trnid", "valid", "tstid"))
    }
    save_mat(parts, folder / "setid.mat")


def write_cub200(folder: Path, *, classes: int, train: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/CUB_200_2011: `train` and `test` pictures of each class, in random order, and the tables."""
    check_request("CUB-200", BIRDS, {"classes": classes, "train": train, "test": test}, width, height)
    base = folder / "CUB_200_2011"
    names = [f"{label + 1:03d}.{PATTERNS[_bird_kind(label)[0]].title()}_Bird_{_bird_kind(label)[1]:02d}" for label in range(classes)]
    images, labels, split = [], [], []
    for label, name in enumerate(names):
        for index, place in enumerate(generator(seed, _CUB200, _ORDER, label).permutation(train + test).tolist()):
            rng = generator(seed, _CUB200, _PICTURE, label, index)
            images.append(f"{name}/{name[4:]}_{index + 1:04d}.jpg")
            labels.append(label + 1)
            split.append(int(place < train))
            save_jpeg(photograph(rng, _bird(rng, label), width, height), base / "images" / images[-1])
    tables: dict[str, list] = {"classes": names, "images": images, "image_class_labels": labels, "train_test_split": split}
    for table, values in tables.items():
        (base / f"{table}.txt").write_text("".join(f"{number} {value}\n" for number, value in enumerate(values, 1)))


# ------------------------------------------------------------------------------------------------------------------ scenes


def _landscape(rng: np.random.Generator, label: int, style: Scene) -> Scene:
    """The backdrop and the ground of a class under another light, and things that say nothing."""
    behind, below = label % len(PATTERNS), (3 * label + label // len(PATTERNS) + 2) % len(PATTERNS)
    return replace(
        sample_scene(rng, 0),  # whose light is kept
        backdrop=_alike(rng, style.backdrop, behind),
        ground=_alike(rng, style.ground, below),
        horizon=style.horizon + 0.2 * (rng.random() - 0.5),
        things=tuple(_clutter(rng) for _ in range(int(rng.integers(2, 5)))),
        main=0,
    )


def _room(rng: np.random.Generator, label: int, style: Scene) -> Scene:
    """The things of a class side by side in any order, on a ground of its pattern, whose colours say less."""
    kinds = _TOGETHER[_STRIDE * label % len(_TOGETHER)]
    scene = sample_scene(rng, 0)
    places = rng.permutation(len(kinds)).tolist()
    things = [_standing(rng, shape, (place + 0.5) / len(kinds)) for shape, place in zip(kinds, places, strict=True)]
    ground = _alike(rng, style.ground, label % len(PATTERNS), 0.5)
    return replace(scene, ground=ground, horizon=0.4 + 0.2 * rng.random(), things=tuple(things), main=0)


def _flower(rng: np.random.Generator, label: int) -> Scene:
    """A blossom of any outline with the pattern and hue of its class, and a heart of any hue."""
    scene = sample_scene(rng, 0)
    hue = (3 * label % _FLOWER_HUES + 0.5 * (rng.random() - 0.5)) / _FLOWER_HUES
    shape = SHAPES.index(_BLOSSOMS[int(rng.integers(len(_BLOSSOMS)))])
    centre = (0.4 + 0.2 * rng.random(), 0.4 + 0.2 * rng.random())
    blossom = Thing(shape, _coloured(rng, label % len(PATTERNS), hue, 0.15), centre, 0.34 + 0.1 * rng.random(), angle=360 * rng.random())
    heart = Thing(SHAPES.index("disc"), _coloured(rng, PATTERNS.index("plain"), rng.random(), 0.1), centre, 0.1)
    return replace(scene, things=(_clutter(rng), blossom, heart), main=1)


def _bird(rng: np.random.Generator, label: int) -> Scene:
    """Body, head and wing, which face either way; body and head are of the class's hue, the wing has its pattern."""
    scene = sample_scene(rng, 0)
    pattern, number = _bird_kind(label)
    hue = (number + 0.5 * (rng.random() - 0.5)) / _BIRD_HUES
    side, size = (-1 if rng.random() < 0.5 else 1), 0.26 + 0.08 * rng.random()
    x, y = 0.42 + 0.16 * rng.random(), 0.46 + 0.16 * rng.random()
    disc, plain = SHAPES.index("disc"), PATTERNS.index("plain")
    coat = _coloured(rng, plain, hue, 0.1)
    body = Thing(disc, coat, (x, y), size, angle=20 * (rng.random() - 0.5), stretch=1.25)
    head = Thing(disc, coat, (x + side * size, y - 0.7 * size), 0.5 * size)
    wing = Thing(disc, _coloured(rng, pattern, hue + 0.5, 0.09), (x - 0.2 * side * size, y), 0.7 * size, angle=-20 * side, stretch=1.3)
    return replace(scene, things=(_clutter(rng), body, head, wing), main=1)


def _bird_kind(label: int) -> tuple[int, int]:
    """The pattern and the number of the hue of a class."""
    return label % len(PATTERNS), 8 * label % _BIRD_HUES


# ----------------------------------------------------------------------------------------------------- things and surfaces


def _alike(rng: np.random.Generator, surface: Surface, pattern: int, share: float = 0.2) -> Surface:
    """The surface in this pattern, with more contrast; a `share` of its colours and its phase are by chance."""
    towards = (rng.random(), rng.random(), rng.random())
    first, second = surface.colours
    light, dark = (mixed(colour, towards, share) for colour in (first, mixed(first, second, 3)))
    phase = (rng.random(), rng.random())
    return replace(surface, pattern=pattern, colours=(light, dark), period=0.12 + 0.06 * rng.random(), phase=phase)


def _clutter(rng: np.random.Generator) -> Thing:
    shape = int(rng.integers(len(SHAPES)))
    surface = _coloured(rng, int(rng.integers(len(PATTERNS))), rng.random(), 0.1)
    return Thing(shape, surface, (rng.random(), rng.random()), 0.05 + 0.07 * rng.random(), angle=360 * rng.random())


def _standing(rng: np.random.Generator, shape: int, across: float) -> Thing:
    """A thing with the surface that its shape mostly has, about so far to the right."""
    like = sample_scene(rng, shape)
    place = (across + 0.1 * (rng.random() - 0.5), 0.45 + 0.25 * rng.random())
    return replace(like.things[like.main], centre=place, radius=0.15 + 0.06 * rng.random())


def _coloured(rng: np.random.Generator, pattern: int, hue: float, period: float) -> Surface:
    """A light colour of this hue, and a dark one of the opposite."""
    light = colorsys.hsv_to_rgb(hue % 1, 0.6 + 0.35 * rng.random(), 0.8 + 0.2 * rng.random())
    dark = colorsys.hsv_to_rgb((hue + 0.5) % 1, 0.6 + 0.35 * rng.random(), 0.15 + 0.3 * rng.random())
    return Surface(pattern, (light, dark), period, angle=20 * (rng.random() - 0.5))
