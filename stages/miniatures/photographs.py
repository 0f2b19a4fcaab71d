"""What the miniatures of ImageNet and of the data sets of recognition share: photographs, of sizes and proportions of their own."""

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.bsds500 import draw
from stages.miniatures.retrieval import Camera, seen
from stages.miniatures.world import Scene

SMALLEST_SIDE = 48
_SPREAD = 0.15  # of a side's length, either way


def check_request(title: str, most: int, counts: dict[str, int], width: int, height: int) -> None:
    """A UserError where a miniature of these counts, of which "classes" is one and at most `most`, and of this size, cannot be made."""
    if min(counts.values()) < 1 or counts["classes"] > most or min(width, height) < SMALLEST_SIDE:
        raise UserError(
            f"a miniature {title} of {', '.join(f'{count} {name}' for name, count in counts.items())} and {width} x {height} pixels "
            f"cannot be: each count has to be 1 or more, classes at most {most}, each side {SMALLEST_SIDE} or more"
        )


def photograph(rng: np.random.Generator, scene: Scene, width: int, height: int) -> np.ndarray:
    """The whole square scene in the middle of a picture, uint8 (H, W, 3), whose sides are near these by chance."""
    width, height = (round(side * (1 - _SPREAD + 2 * _SPREAD * rng.random())) for side in (width, height))
    return draw(seen(scene, Camera(zoom=min(width, height) / max(width, height))), width, height)[0]
