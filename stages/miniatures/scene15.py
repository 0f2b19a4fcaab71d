"""A miniature of Scene-15 in its official layout: the class of a picture is what lies behind and below."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.miniatures import request
from stages.miniatures.files import save_jpeg
from stages.miniatures.photographs import alike, clutter, photograph
from stages.miniatures.world import PATTERNS, Scene, generator, sample_scene

SCENES = (
    *("bedroom", "CALsuburb", "industrial", "kitchen", "livingroom", "MITcoast", "MITforest", "MIThighway"),
    *("MITinsidecity", "MITmountain", "MITopencountry", "MITstreet", "MITtallbuilding", "PARoffice", "store"),
)

# Random streams: data sets never share a scene, and a scene does not depend on how many there are.
_STREAM = 5_010
_CLASS, _PICTURE = 0, 1


def write(folder: Path, *, classes: int, images: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/scene_categories: `images` of each class, in grey as the official ones."""
    request.check("Scene-15", {"classes": classes, "images": images}, width, height, most={"classes": len(SCENES)})
    for label, name in enumerate(SCENES[:classes]):
        style = sample_scene(generator(seed, _STREAM, _CLASS, label), 0)
        for index in range(images):
            rng = generator(seed, _STREAM, _PICTURE, label, index)
            picture = photograph(rng, _landscape(rng, label, style), width, height)
            grey = (picture.sum(axis=2) // 3).astype(np.uint8)
            save_jpeg(grey, folder / f"scene_categories/{name}/image_{index + 1:04d}.jpg")


def _landscape(rng: np.random.Generator, label: int, style: Scene) -> Scene:
    """The backdrop and the ground of a class under another light, and things that say nothing."""
    behind, below = label % len(PATTERNS), (3 * label + label // len(PATTERNS) + 2) % len(PATTERNS)
    return replace(
        sample_scene(rng, 0),  # whose light is kept
        backdrop=alike(rng, style.backdrop, behind),
        ground=alike(rng, style.ground, below),
        horizon=style.horizon + 0.2 * (rng.random() - 0.5),
        things=tuple(clutter(rng) for _ in range(int(rng.integers(2, 5)))),
        main=0,
    )
