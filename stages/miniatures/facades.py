"""A miniature of CMP Facades in pix2pix's form: generated fronts of houses beside their label maps, JPEGs twice as wide as high."""

from pathlib import Path

import numpy as np

from stages.datasets.facades import CLASSES, PALETTE
from stages.datasets.translated import coloured
from stages.miniatures import request
from stages.miniatures.boxes import Layers, hued, luminance, photo_colours
from stages.miniatures.files import save_jpeg
from stages.miniatures.world import generator

_PARTS = {"train": 7_000, "val": 7_001, "test": 7_002}  # random streams: parts and data sets share no house

BACKGROUND, FACADE, WINDOW, DOOR, CORNICE, SILL, BALCONY, BLIND, DECO, MOLDING, PILLAR, SHOP = range(len(CLASSES))


def write(folder: Path, *, train: int, val: int, test: int, size: int, seed: int) -> None:
    """Write `folder`/facades/{train,val,test}/1.jpg and so on, 2 `size` x `size` pixels."""
    counts = {"train": train, "val": val, "test": test}
    request.check("CMP Facades", counts, size, size)
    for part, count in counts.items():
        for index in range(count):
            photo, labels = house(generator(seed, _PARTS[part], index), size)
            save_jpeg(np.hstack([photo, coloured(labels, PALETTE)]), folder / f"facades/{part}/{index + 1}.jpg")


def house(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo of a front, uint8 (size, size, 3), and its classes, uint8 (size, size). The wall's hue is the house's own."""

    def chance(share: float) -> bool:
        return rng.random() < share

    layers = Layers(rng, photo_colours(PALETTE))
    layers.colours[FACADE] = hued(float(luminance(np.array(layers.colours[FACADE]))), rng.random())
    left, right, top = 0.03 + 0.1 * rng.random(), 0.97 - 0.1 * rng.random(), 0.06 + 0.1 * rng.random()
    layers.box(FACADE, (left, top, right, 1.05))
    if chance(0.6):
        for x in (left, right - 0.08):
            layers.box(PILLAR, (x, top, x + 0.08, 1.05))
    layers.box(CORNICE, (left - 0.03, top - 0.05, right + 0.03, top + 0.03))
    door = left + 0.1 + 0.1 * rng.random()
    layers.box(DOOR, (door, 0.78, door + 0.13, 1.05))
    if chance(0.7):
        layers.box(SHOP, (door + 0.18, 0.82, right - 0.09, 1.05))
    rows, columns = int(rng.integers(2, 4)), int(rng.integers(2, 4))
    has = {label: chance(share) for label, share in ((MOLDING, 0.5), (SILL, 0.7), (BLIND, 0.7), (BALCONY, 0.6), (DECO, 0.6))}
    wide, high = (right - left - 0.18) / columns, (0.74 - top) / rows
    lower = int(rng.integers(rows))
    for row in range(rows):
        for column in range(columns):
            x, y = left + 0.09 + (column + 0.22) * wide, top + 0.05 + (row + 0.2) * high
            _window(layers, (x, y, x + 0.56 * wide, y + 0.56 * high), has, balcony=row == lower)
    return layers.picture(BACKGROUND, BACKGROUND, 2.0, size, size)


def _window(layers: Layers, glass: tuple[float, float, float, float], has: dict[int, bool], *, balcony: bool) -> None:
    left, top, right, bottom = glass
    if has[DECO]:
        layers.box(DECO, (left + 0.02, top - 0.06, right - 0.02, top))
    if has[MOLDING]:
        layers.box(MOLDING, (left - 0.045, top - 0.02, right + 0.045, bottom + 0.02))
    layers.box(WINDOW, glass)
    if has[BLIND] and layers.rng.random() < 0.8:
        layers.box(BLIND, (left, top, right, top + 0.4 * (bottom - top)))
    if has[BALCONY] and balcony:
        layers.box(BALCONY, (left - 0.04, bottom - 0.07, right + 0.04, bottom + 0.02))
    elif has[SILL]:
        layers.box(SILL, (left - 0.02, bottom - 0.01, right + 0.02, bottom + 0.05))
