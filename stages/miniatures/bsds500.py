"""A miniature of BSDS500 in its official layout: pictures, what several annotators drew on them, and the contours of a simple detector.

What the miniatures of the other edge data sets share with it is here too: views (pictures that are not square, with things of all
sizes), the drawing of boundaries, and Matlab files.
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.world import (
    BACKDROP,
    FIRST_THING,
    GROUND,
    PATTERNS,
    SHAPES,
    Colour,
    Scene,
    Surface,
    Thing,
    generator,
    render,
    sample_scene,
)

SMALLEST_SIDE = 32  # of a picture: below, small things have no inside

# Random streams: splits never share a scene (the other edge data sets have streams of their own), and a scene does not depend on how
# many there are.
_SPLITS = {"train": 3_000, "val": 3_001, "test": 3_002}
_DRAWN, _ANNOTATED = 0, 1

_GREY = (0.5, 0.5, 0.5)

# Annotators. Small things are those of less than this share of the picture; cells are the patches of the picture, this many pixels
# wide, on which an annotator's hand is off or not.
_SMALL = 0.04
_LEFT_OUT = 0.35
_CELL = 20
_OFF = 0.3


def write_bsds500(folder: Path, *, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/BSR/BSDS500: images and annotations in data/, and in ucm2/ contours in the form and place of gPb-owt-ucm's.

    Counts are of images, sides are in pixels.
    """
    counts = {"train": train, "val": val, "test": test}
    check_request("BSDS500", list(counts.values()), width, height)
    base = folder / "BSR/BSDS500"
    for number, (split, count) in enumerate(counts.items(), 1):
        for index in range(count):
            name = f"{number}{index + 1:05d}"
            picture, regions = draw(sample_view(generator(seed, _SPLITS[split], index, _DRAWN), width, height), width, height)
            save_jpeg(picture, base / f"data/images/{split}/{name}.jpg")
            seen = annotate(generator(seed, _SPLITS[split], index, _ANNOTATED), regions)
            save_ground_truth(seen, base / f"data/groundTruth/{split}/{name}.mat")
            save_mat({"ucm2": doubled(saliency(picture))}, base / f"ucm2/{split}/{name}.mat")


def check_request(title: str, counts: list[int], width: int, height: int) -> None:
    """A UserError where a miniature of so many images, of that size, cannot be made."""
    if min(counts) < 1 or min(width, height) < SMALLEST_SIDE:
        raise UserError(
            f"a miniature {title} of {' + '.join(map(str, counts))} images of {width} x {height} pixels cannot be: "
            f"each count has to be 1 or more, each side {SMALLEST_SIDE} or more"
        )


# ------------------------------------------------------------------------------------------------------------------ views


def sample_view(rng: np.random.Generator, width: int, height: int) -> Scene:
    """A scene for a picture of these proportions: five to nine things of all sizes, smaller ones in front."""
    scene = sample_scene(rng, 0)
    things = [_sample_thing(rng, width, height) for _ in range(int(rng.integers(5, 10)))]
    things.sort(key=lambda thing: -thing.radius)
    return replace(
        scene,
        backdrop=_roughened(rng, scene.backdrop),
        ground=_roughened(rng, scene.ground),
        horizon=0.5 + (rng.random() - 0.5) * 0.6 * height / max(width, height),
        things=tuple(things),
        main=0,
    )


def draw(scene: Scene, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The middle of the square scene: its picture, uint8 (height, width, 3), and its region map, uint8 (height, width)."""
    side = max(width, height)
    top, left = (side - height) // 2, (side - width) // 2
    picture, regions = render(scene, side)
    middle = slice(top, top + height), slice(left, left + width)
    return picture[middle], regions[middle]


def _sample_thing(rng: np.random.Generator, width: int, height: int) -> Thing:
    """A thing somewhere in the visible part. Its pattern is finer than that of a scene's main thing, its colours are greyer."""
    shape = int(rng.integers(len(SHAPES)))
    like = sample_scene(rng, shape, int(rng.integers(len(PATTERNS))))
    first, second = like.things[like.main].surface.colours
    first = mixed(first, _GREY, 0.7 * rng.random())
    surface = replace(
        like.things[like.main].surface,
        colours=(first, mixed(first, second, 0.2 + 0.6 * rng.random())),
        period=0.05 + 0.08 * rng.random(),
    )
    size, side = rng.random(), max(width, height)
    return Thing(
        shape=shape,
        surface=surface,
        centre=(0.5 + (rng.random() - 0.5) * width / side, 0.5 + (rng.random() - 0.5) * height / side),
        radius=0.05 + 0.3 * size * size,
        angle=360 * rng.random(),
        stretch=0.8 + 0.5 * rng.random(),
    )


def _roughened(rng: np.random.Generator, surface: Surface) -> Surface:
    """The surface of a backdrop or ground with a finer pattern of more contrast."""
    first, second = surface.colours
    return replace(surface, colours=(first, mixed(first, second, 1 + 3 * rng.random())), period=0.05 + 0.1 * rng.random())


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """The colour at this share of the way from the first to the second, or beyond."""
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue


# ------------------------------------------------------------------------------------------------------------- annotators


def annotate(rng: np.random.Generator, regions: np.ndarray) -> list[np.ndarray]:
    """What four to six annotators see of a region map: segmentations, uint16 (H, W), numbered from 1.

    Each may leave out small things and the horizon, and is off by a pixel here and there.
    """
    return [numbered(shaken(rng, _simplified(rng, regions), _OFF)) for _ in range(int(rng.integers(4, 7)))]


def shaken(rng: np.random.Generator, regions: np.ndarray, share: float) -> np.ndarray:
    """A region map (H, W) as an unsteady hand draws it: a `share` of its cells shows what is a pixel away, in any direction."""
    cells = tuple(-(-length // _CELL) for length in regions.shape)
    off = rng.random(cells) < share
    down, right = (np.where(off, rng.integers(-1, 2, cells), 0) for _ in range(2))
    rows, columns = np.indices(regions.shape) // _CELL
    return moved(regions, down[rows, columns], right[rows, columns])


def moved(regions: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The map (H, W) that has at each place what is so many pixels below and to the right; `down` and `right` broadcast to its shape."""
    rows, columns = np.indices(regions.shape)
    height, width = regions.shape
    return regions[np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)]


def numbered(regions: np.ndarray) -> np.ndarray:
    """The connected parts of a region map, uint16 (H, W), from 1."""
    from skimage.measure import label

    return label(regions, background=-1, connectivity=1).astype(np.uint16)


def boundaries(segmentation: np.ndarray) -> np.ndarray:
    """Lines one pixel wide between the regions of a map, bool (H, W), on the pixels to the left of and above where they meet."""
    from skimage.morphology import thin

    return thin(_meetings(segmentation))


def _meetings(regions: np.ndarray) -> np.ndarray:
    """Pixels whose neighbour to the right or below is of another region, bool (H, W)."""
    lines = np.zeros(regions.shape, bool)
    lines[:, :-1] = regions[:, :-1] != regions[:, 1:]
    lines[:-1] |= regions[:-1] != regions[1:]
    return lines


def _simplified(rng: np.random.Generator, regions: np.ndarray) -> np.ndarray:
    """The map without some small things, which become part of what is nearest, and perhaps without a horizon."""
    from scipy.ndimage import distance_transform_edt

    sizes = np.bincount(regions.ravel(), minlength=FIRST_THING)
    left_out = rng.random(len(sizes)) < _LEFT_OUT
    small = sizes < _SMALL * regions.size
    small[:FIRST_THING] = False
    nearest = distance_transform_edt((left_out & small)[regions], return_distances=False, return_indices=True)
    seen = regions[tuple(nearest)]
    return np.where(seen == GROUND, BACKDROP, seen) if left_out[GROUND] else seen


# --------------------------------------------------------------------------------------------------------------- detector

_DEPTH = 12  # of minima that are flooded from; shallower ones are noise
_LEVELS = range(12, 252, 12)


def saliency(picture: np.ndarray) -> np.ndarray:
    """A simple detector's contours, float32 (H, W), 0 to 1, where gPb-owt-ucm would be: a watershed's lines, weighed by a hierarchy.

    The gradient of the smoothed picture, uint8 (H, W, 3), is flooded; at rising levels neighbours are merged between which it is below
    the level in the mean. A pixel's value is the share of levels that leave it on a line.
    """
    from skimage.measure import label
    from skimage.morphology import h_minima
    from skimage.segmentation import watershed

    gradient = _gradient(picture)
    regions = watershed(gradient, label(h_minima(gradient, _DEPTH)))
    left = np.zeros(gradient.shape, np.int64)
    for level in _LEVELS:
        regions = _merged(regions, gradient, level)
        left += _meetings(regions)
    return (left / len(_LEVELS)).astype(np.float32)


def _merged(regions: np.ndarray, gradient: np.ndarray, level: int) -> np.ndarray:
    """Regions (H, W), those that a mean gradient below `level` parts made one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    beside = [np.stack([regions[:, :-1], regions[:, 1:]]), np.stack([regions[:-1], regions[1:]])]
    steps = [np.maximum(gradient[:, :-1], gradient[:, 1:]), np.maximum(gradient[:-1], gradient[1:])]
    apart = [pair[0] != pair[1] for pair in beside]
    pairs = np.concatenate([pair[:, where] for pair, where in zip(beside, apart, strict=True)], axis=1)
    count = int(regions.max()) + 1
    keys, places = np.unique(pairs.min(axis=0).astype(np.int64) * count + pairs.max(axis=0), return_inverse=True)
    total = np.bincount(places, weights=np.concatenate([step[where] for step, where in zip(steps, apart, strict=True)]))
    weak = keys[total < level * np.bincount(places)]
    graph = coo_array((np.ones(len(weak)), (weak // count, weak % count)), shape=(count, count))
    return connected_components(graph, directed=False)[1][regions]


def _gradient(picture: np.ndarray) -> np.ndarray:
    """The steepest channel's gradient after binomial smoothing, uint8 (H, W). In whole numbers until a square root, so exact."""
    from scipy.ndimage import correlate1d

    taps = np.array([1, 4, 6, 4, 1])
    smooth = correlate1d(correlate1d(picture.astype(np.int64), taps, axis=0, mode="nearest"), taps, axis=1, mode="nearest")
    y, x = (correlate1d(smooth, [-1, 0, 1], axis=axis, mode="nearest") for axis in (0, 1))
    steepest = np.sqrt((y * y + x * x).max(axis=2)) / taps.sum() ** 2
    return np.minimum(np.floor(3 * steepest), 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------------ files


def save_jpeg(picture: np.ndarray, file: Path) -> None:
    """A picture, uint8 (H, W, 3), as JPEG of high quality."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(jpeg(picture))


def jpeg(picture: np.ndarray) -> bytes:
    """What `save_jpeg` writes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def save_ground_truth(segmentations: list[np.ndarray], file: Path) -> None:
    """BSDS's form: `groundTruth`, a cell of one struct for each annotator with Segmentation and the Boundaries between its regions."""
    cell = np.empty((1, len(segmentations)), dtype=object)
    for index, segmentation in enumerate(segmentations):
        cell[0, index] = {"Segmentation": segmentation, "Boundaries": boundaries(segmentation).astype(np.uint8)}
    save_mat({"groundTruth": cell}, file)


def save_mat(variables: dict[str, Any], file: Path) -> None:
    """A Matlab file (version 5) whose bytes depend on its content alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(mat(variables))


def mat(variables: dict[str, Any]) -> bytes:
    """What `save_mat` writes."""
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, variables)  # not compressed: what zlib makes differs from one build to another
    # The first 116 bytes are a text, where Matlab and scipy say when and on which platform.
    return b"MATLAB 5.0 MAT-file".ljust(116) + buffer.getvalue()[116:]


def doubled(contours: np.ndarray) -> np.ndarray:
    """Contours (H, W) in the form of a `ucm2`, (2H + 1, 2W + 1): pixel (y, x) is at (2y + 2, 2x + 2), and fills the three before."""
    return np.pad(contours.repeat(2, axis=0).repeat(2, axis=1), ((1, 0), (1, 0)))
