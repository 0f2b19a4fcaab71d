"""A miniature of MIT Indoor in its official layout: the class of a picture is which things stand together."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.miniatures import request
from stages.miniatures.files import save_jpeg
from stages.miniatures.photographs import alike, photograph
from stages.miniatures.world import PATTERNS, SHAPES, Scene, Thing, generator, sample_scene

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

# Random streams: data sets, and their parts, never share a scene, and a scene does not depend on how many there are.
_STREAM = 5_020
_CLASS, _PICTURE, _ORDER = 0, 1, 2

_TOGETHER = [*itertools.combinations(range(len(SHAPES)), 2), *itertools.combinations(range(len(SHAPES)), 3)]  # 165
_STRIDE = 37  # without a divisor in common with what it counts over: neighbouring classes are unlike, and no two are the same


def write(folder: Path, *, classes: int, train: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/Images and its lists: `train` and `test` pictures of each class."""
    request.check("MIT Indoor", {"classes": classes, "train": train, "test": test}, width, height, most={"classes": len(ROOMS)})
    for part, (name, count) in enumerate({"TrainImages.txt": train, "TestImages.txt": test}.items()):
        lines = []
        for label, room in enumerate(ROOMS[:classes]):
            style = sample_scene(generator(seed, _STREAM, _CLASS, label), 0)
            for index in range(count):
                rng = generator(seed, _STREAM, _PICTURE, part, label, index)
                lines.append(f"{room}/{room}_{part}{index + 1:03d}.jpg\n")
                save_jpeg(photograph(rng, _room(rng, label, style), width, height), folder / "Images" / lines[-1].strip())
        order = generator(seed, _STREAM, _ORDER, part).permutation(len(lines))
        (folder / name).write_text("".join(lines[place] for place in order))


def _room(rng: np.random.Generator, label: int, style: Scene) -> Scene:
    """The things of a class side by side in any order, on a ground of its pattern, whose colours say less."""
    kinds = _TOGETHER[_STRIDE * label % len(_TOGETHER)]
    scene = sample_scene(rng, 0)
    places = rng.permutation(len(kinds)).tolist()
    things = [_standing(rng, shape, (place + 0.5) / len(kinds)) for shape, place in zip(kinds, places, strict=True)]
    ground = alike(rng, style.ground, label % len(PATTERNS), 0.5)
    return replace(scene, ground=ground, horizon=0.4 + 0.2 * rng.random(), things=tuple(things), main=0)


def _standing(rng: np.random.Generator, shape: int, across: float) -> Thing:
    """A thing with the surface that its shape mostly has, about so far to the right."""
    like = sample_scene(rng, shape)
    place = (across + 0.1 * (rng.random() - 0.5), 0.45 + 0.25 * rng.random())
    return replace(like.things[like.main], centre=place, radius=0.15 + 0.06 * rng.random())
