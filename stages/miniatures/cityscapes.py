"""A miniature of Cityscapes in its official layout: generated streets, twice as wide as high, with maps of label ids."""

from pathlib import Path

import numpy as np

from stages.datasets.cityscapes import CLASSES, IDS, LABELS, PALETTE, PHOTO
from stages.miniatures import request
from stages.miniatures.boxes import Box, Layers, hued, luminance, photo_colours
from stages.miniatures.files import save_png
from stages.miniatures.world import Colour, generator

_PARTS = {"train": (7_010, ("aachen", "bochum")), "val": (7_011, ("frankfurt",))}  # random streams, which share no street; cities

EGO_VEHICLE = 1  # the id of one's own bonnet, which is none of the classes
_OWN = len(CLASSES)  # its number beside theirs

_NUMBERS = {name: number for number, name in enumerate(CLASSES)}


def write(folder: Path, *, train: int, val: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/leftImg8bit and gtFine with the parts train and val, in which every rarer class is some pictures' turn."""
    request.check("Cityscapes", {"train": train, "val": val}, width, height)
    ids = np.array([*IDS, EGO_VEHICLE], np.uint8)
    for part, count in {"train": train, "val": val}.items():
        stream, cities = _PARTS[part]
        for index in range(count):
            photo, labels = street(generator(seed, stream, index), index, width, height)
            city = cities[index * len(cities) // count]
            name = f"{part}/{city}/{city}_{index:06d}_000019"
            save_png(photo, folder / f"leftImg8bit/{name}{PHOTO}")
            save_png(ids[labels], folder / f"gtFine/{name}{LABELS}")


def street(rng: np.random.Generator, turn: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo of a street, uint8 (H, W, 3), and its classes, uint8 (H, W), the bonnet's after the last.

    turn : which of the rarer classes stands in it. Each wall has a hue of its own.
    """
    layers = Layers(rng, [*photo_colours(PALETTE), (0.05, 0.05, 0.05)])
    share = height / max(width, height)

    def box(name: str, box: Box, **how: str | Colour) -> None:
        """A box in shares of the visible part."""
        left, top, right, bottom = box
        layers.box(_NUMBERS[name], (left, 0.5 + share * (top - 0.5), right, 0.5 + share * (bottom - 0.5)), **how)  # type: ignore[arg-type]

    def somewhere(low: float, high: float) -> float:
        return low + (high - low) * rng.random()

    grey = float(luminance(np.array(layers.colours[_NUMBERS["building"]])))
    left = somewhere(-0.1, 0.05)
    while left < 1:
        right = left + somewhere(0.15, 0.35)
        box("building", (left, somewhere(0.02, 0.3), right, 0.56), colour=hued(grey, rng.random()))
        left = right + somewhere(0.0, 0.15)
    for _ in range(int(rng.integers(1, 4))):
        x, y = somewhere(0, 1), somewhere(0.25, 0.42)
        box("vegetation", (x - 0.11, y - 0.2, x + 0.11, y + 0.2), shape="disc")
    x = somewhere(0, 0.6)
    box(("terrain", "wall", "fence")[turn % 3], (x, 0.42, x + 0.4, 0.58))
    box("sidewalk", (-0.1, 0.56, somewhere(0.12, 0.3), 0.9))
    box("sidewalk", (somewhere(0.75, 0.9), 0.56, 1.1, 0.8))
    for x in (somewhere(0.05, 0.25), somewhere(0.75, 0.95)):
        box("pole", (x, 0.1, x + 0.03, 0.66))
        box(("traffic light", "traffic sign")[(turn + (x > 0.5)) % 2], (x - 0.03, 0.1, x + 0.06, 0.28))
    x = somewhere(0.3, 0.42)
    box(("truck", "bus", "train", "car")[turn % 4], (x, 0.36, x + 0.18, 0.68))
    x = somewhere(0.52, 0.66)
    box("car", (x, 0.52, x + 0.16, 0.74))
    x = somewhere(0.22, 0.3)
    box("person", (x, 0.46, x + 0.06, 0.82))
    x = somewhere(0.7, 0.8)
    box("rider", (x + 0.01, 0.46, x + 0.08, 0.7))
    box(("bicycle", "motorcycle")[turn // 2 % 2], (x - 0.02, 0.66, x + 0.11, 0.84))
    layers.box(_OWN, (0.2, 0.5 + share * 0.44, 0.8, 0.5 + share * 0.6))
    return layers.picture(_NUMBERS["sky"], _NUMBERS["road"], 0.5 + share * 0.05, width, height)
