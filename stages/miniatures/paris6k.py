"""A miniature of Paris in its official layout: views of generated places, of which the largest things are the landmark."""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.miniatures import request
from stages.miniatures.files import save_jpeg, write_text
from stages.miniatures.places import PLACE, SHIFT, SIBLINGS, VIEW, family, placed, sample_camera_view, sample_place
from stages.miniatures.views import draw
from stages.miniatures.world import FIRST_THING, Scene, generator

LANDMARKS = (
    *("defense", "eiffel", "invalides", "louvre", "moulinrouge", "museedorsay"),
    *("notredame", "pantheon", "pompidou", "sacrecoeur", "triomphe"),
)

_STREAM, _DISTRACTORS = 4_010, 4_011  # of random numbers: data sets never share a place

# A landmark is the largest things of its place; views of it are good and ok from these visible shares.
_LANDMARK = 3
_GOOD, _OK = 0.6, 0.25
_KINDS = ("good", "ok", "good", "ok", "junk")
_COARSER = 4  # than the picture, the map that the share is counted on
_REACH = {"good": SHIFT, "ok": 0.5, "junk": 0.7}  # how far the camera may move, as SHIFT


def write(folder: Path, *, landmarks: int, images: int, queries: int, distractors: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/paris and `folder`/ground_truth: `images` of each landmark, the first `queries` of them the queries.

    `distractors` views are of other places, of the landmarks' families.
    """
    counts = {"landmarks": landmarks, "images": images, "queries": queries, "distractors": distractors}
    request.check("Paris", counts, width, height)
    if landmarks > len(LANDMARKS) or queries > images:
        raise UserError(
            f"a miniature Paris of {landmarks} landmarks, with {queries} queries among {images} images of each, cannot be: "
            f"there are {len(LANDMARKS)} landmarks, and a query is one of a landmark's images"
        )
    for index in range(landmarks):
        _write_landmark(folder, index, images, queries, (width, height), seed)
    for index in range(distractors):
        # Families are counted in places, so the places after the landmarks' would be of other families: these are beside them.
        kin = family(seed, _STREAM, index % landmarks // SIBLINGS, width, height)
        place = placed(generator(seed, _DISTRACTORS, PLACE, index), kin, width, height)
        view = sample_camera_view(generator(seed, _DISTRACTORS, VIEW, index), place, width, height)
        save_jpeg(draw(view, width, height)[0], folder / f"paris/general/paris_general_{index:06d}.jpg")


def _write_landmark(folder: Path, index: int, images: int, queries: int, size: tuple[int, int], seed: int) -> None:
    landmark = LANDMARKS[index]
    place = sample_place(seed, _STREAM, index, *size)
    listed: dict[str, list[str]] = {"good": [], "ok": [], "junk": []}
    asked = []
    for number in range(images):
        name = f"paris_{landmark}_{number:06d}"
        kind = "good" if number < queries else _KINDS[(number - queries) % len(_KINDS)]
        picture, regions = draw(_sample_landmark_view(generator(seed, _STREAM, VIEW, index, number), place, kind, size), *size)
        save_jpeg(picture, folder / f"paris/{landmark}/{name}.jpg")
        listed[kind].append(name)
        if number < queries:
            asked.append(f"{name} {' '.join(map(str, _box(_landmark_pixels(regions))))}\n")
    for number, line in enumerate(asked, 1):
        write_text(line, folder / f"ground_truth/{landmark}_{number}_query.txt")
        for kind, names in listed.items():  # a landmark's queries have the same answers
            write_text("".join(f"{name}\n" for name in names), folder / f"ground_truth/{landmark}_{number}_{kind}.txt")


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
