"""A miniature of NYU Depth v2 as Gupta et al. prepared it for work on edges: dim rooms, and what one annotator drew, not quite in place."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.miniatures import request
from stages.miniatures.annotators import moved, numbered, save_ground_truth, shaken
from stages.miniatures.files import save_mat, save_png
from stages.miniatures.views import draw, mixed, sample_view
from stages.miniatures.world import PATTERNS, SHAPES, Scene, Surface, Thing, generator

FIRST_NUMBER = 5001  # of the images, as in the official files

# Random streams: none of the other edge data sets'. A scene does not depend on how many there are in its split.
_SPLITS = {"train": 3_020, "val": 3_021, "test": 3_022}
_DRAWN, _ANNOTATED = 0, 1

_WOOD = (0.6, 0.45, 0.3)
_PLAIN = 0.6  # share of surfaces without a pattern, and of things that are boxes
_OFF = 0.4  # share of the picture on which the annotator is a further pixel off


def write(folder: Path, *, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write photographs to `folder`/data/colorImage, annotations in BSDS's form and the splits' numbers to data/benchmarkData.

    Counts are of images, sides are in pixels. Annotations are up to two pixels off, which is why work on edges allows more there.
    """
    counts = {"train": train, "val": val, "test": test}
    request.check("NYUD", counts, width, height)
    base = folder / "data"
    splits = {}
    number = FIRST_NUMBER
    for split, count in counts.items():
        for index in range(count):
            scene = _furnished(generator(seed, _SPLITS[split], index, _DRAWN), width, height)
            picture, regions = draw(scene, width, height)
            save_png(picture, base / f"colorImage/img_{number + index}.png")
            rng = generator(seed, _SPLITS[split], index, _ANNOTATED)
            seen = numbered(moved(shaken(rng, regions, _OFF), *rng.integers(-1, 2, 2)))
            save_ground_truth([seen], base / f"benchmarkData/groundTruth/img_{number + index}.mat")
        splits[split] = np.arange(number, number + count, dtype=np.uint16)[:, None]
        number += count
    save_mat(splits, base / "benchmarkData/metadata/nyusplits.mat")


def _furnished(rng: np.random.Generator, width: int, height: int) -> Scene:
    """A view indoors: boxes and other things upright, plain and of wood or near it, in little and yellowish light."""
    view = sample_view(rng, width, height)
    light = replace(
        view.light,
        gain=0.5 + 0.25 * rng.random(),
        slope=(0.3 * (rng.random() - 0.5), 0.3 * (rng.random() - 0.5)),
        cast=(1.1, 1.0, 0.75 + 0.15 * rng.random()),
    )
    things = tuple(_upright(rng, thing) for thing in view.things)
    return replace(view, backdrop=_aged(rng, view.backdrop), ground=_aged(rng, view.ground), things=things, light=light)


def _upright(rng: np.random.Generator, thing: Thing) -> Thing:
    shape = SHAPES.index("square") if rng.random() < _PLAIN else thing.shape
    return replace(thing, shape=shape, surface=_aged(rng, thing.surface), angle=6 * (rng.random() - 0.5), stretch=0.7 + 0.7 * rng.random())


def _aged(rng: np.random.Generator, surface: Surface) -> Surface:
    """The surface nearer to wood in colour, and mostly without its pattern."""
    towards = 0.3 + 0.5 * rng.random()
    first, second = (mixed(colour, _WOOD, towards) for colour in surface.colours)
    return replace(surface, colours=(first, second), pattern=PATTERNS.index("plain") if rng.random() < _PLAIN else surface.pattern)
