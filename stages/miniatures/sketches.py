"""Miniatures of QMUL's shoes and chairs in the layout of their archive: photos of things on white, and the lines of their outlines."""

from pathlib import Path

import numpy as np

from stages.datasets.sbir import ROOT
from stages.miniatures import request
from stages.miniatures.annotators import meetings, shaken
from stages.miniatures.files import save_jpeg, save_png
from stages.miniatures.world import PATTERNS, SHAPES, Light, Scene, Surface, Thing, generator, render, sample_scene

_WHITE = (0.97, 0.97, 0.97)
_INK = 40
_OFF = 0.5  # of the sketch: where the hand is a pixel off


def write_kind(folder: Path, kind: str, shapes: tuple[str, ...], counts: dict[str, int], size: int, seed: int, stream: int) -> None:
    """Write {images,sketches}/1.jpg and 1.png and so on of train and test. stream : of random numbers, of train; test's is the next."""
    request.check(f"SBIR {kind}", counts, size, size)
    for offset, (part, count) in enumerate(counts.items()):
        for index in range(count):
            photo, sketch = sample_pair(generator(seed, stream + offset, index), shapes[index % len(shapes)], size)
            save_jpeg(photo, folder / ROOT / kind / part / f"images/{index + 1}.jpg")
            save_png(sketch, folder / ROOT / kind / part / f"sketches/{index + 1}.png")


def sample_pair(rng: np.random.Generator, shape: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A thing's photo and its outline in dark lines on white, each uint8 (size, size, 3)."""
    like = sample_scene(rng, SHAPES.index(shape))
    main = like.things[like.main]
    thing = Thing(main.shape, main.surface, (0.5, 0.5), main.radius, main.angle, main.stretch)
    white = Surface(PATTERNS.index("plain"), (_WHITE, _WHITE), 1.0)
    scene = Scene(white, white, 2.0, 0.0, (thing,), 0, Light(shade=0.0, noise=0.02, noise_seed=like.light.noise_seed))
    photo, regions = render(scene, size)
    lines = meetings(shaken(rng, regions, _OFF))
    lines[1:] |= lines[:-1].copy()  # strokes two pixels wide, which are seen when they shrink
    sketch = np.where(lines, np.uint8(_INK), np.uint8(255))
    return photo, np.stack([sketch] * 3, -1)
