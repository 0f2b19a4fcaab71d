"""Structured Edges: a random forest whose leaves hold edge patches (reference 127 of the thesis; the source of RDS(SE)).

P. Dollár and C. L. Zitnick, Fast Edge Detection Using Structured Forests, PAMI 2015. As there: features, patch sizes, balanced samples,
a random quarter of the features per tree, trees evaluated in alternation, overlapping predictions averaged. Not as there: each node of
the original maps its own labels to two classes; scikit-learn's trees need one target for the whole tree, so theirs are the first
principal components of the structured labels (256 pairs of label pixels: same segment or not), split by variance. No sharpening.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from scipy import ndimage, sparse
from skimage.color import rgb2luv  # type: ignore[attr-defined] # its stub forgets it
from skimage.transform import resize

from stages.ch3_edges.detection_settings import ForestSettings
from stages.ch3_edges.labels import boundaries
from stages.core.errors import UserError
from stages.core.files import replacing
from stages.core.seeds import seed_for
from stages.metrics.nms import triangle_blur

if TYPE_CHECKING:
    from sklearn.tree._tree import Tree

PATCH, LABEL, SHRINK = 32, 16, 2  # sides in pixels of what a tree sees and of what it says; features (and patches) at every 2nd pixel
GRID, CELLS, CHANNELS = PATCH // SHRINK, 5, 13
ORIENTATIONS = 4
GAIN = 2  # the mean over shifted thin edges is low everywhere: brings strengths to where the benchmark's even thresholds tell them apart
FORMAT = 1
FILE = "forest.npz"  # of a trained forest, in its folder


@dataclass(frozen=True)
class Forest:
    """All trees' nodes in one table of N; children of a leaf are the leaf itself.

    feature: (N,) index into `FEATURES`. threshold: (N,) float32. children: (N, 2), taken are [0] where value <= threshold, else [1].
    roots: (trees,). patch: (N,) row of `patches`, -1 at inner nodes. patches: (leaves, 256) uint8, mean edge map in 255ths.
    """

    settings: ForestSettings
    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    roots: np.ndarray
    patch: np.ndarray
    patches: np.ndarray


def _features() -> np.ndarray:
    """(7228, 2, 3): each feature is the difference of two values, (plane, y, x) in a patch of `planes`; the second may be a 0."""
    plane, y, x = np.indices((CHANNELS, GRID, GRID)).reshape(3, -1)
    zero = np.tile([2 * CHANNELS, 0, 0], (plane.size, 1))
    single = np.stack([np.stack([plane, y, x], axis=1), zero], axis=1)
    centre = ((np.arange(CELLS) + 0.5) * GRID / CELLS).astype(int)
    cells = np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
    pairs = cells[np.stack(np.triu_indices(len(cells), 1), axis=1)]  # (300, 2, 2)
    channel = np.broadcast_to(CHANNELS + np.arange(CHANNELS)[:, None, None, None], (CHANNELS, len(pairs), 2, 1))
    return np.concatenate([single, np.concatenate([channel, np.broadcast_to(pairs, (CHANNELS, *pairs.shape))], axis=-1).reshape(-1, 2, 3)])


FEATURES = _features()


def halve(maps: np.ndarray) -> np.ndarray:
    """(..., H, W) to half the size by the mean of 2x2."""
    return (maps[..., ::2, ::2] + maps[..., 1::2, ::2] + maps[..., ::2, 1::2] + maps[..., 1::2, 1::2]) / 4


def gradients(luv: np.ndarray) -> np.ndarray:
    """(3, H, W) to (5, H, W): normalised gradient magnitude, of the channel with the largest, and its share in each orientation."""
    gradient_y, gradient_x = np.gradient(luv, axis=(1, 2))
    squared = gradient_y**2 + gradient_x**2
    strongest = squared.argmax(axis=0)[None]
    gradient_y, gradient_x, squared = (np.take_along_axis(part, strongest, axis=0)[0] for part in (gradient_y, gradient_x, squared))
    magnitude = np.sqrt(squared)
    magnitude = magnitude / (triangle_blur(magnitude, 4) + np.float32(0.01))
    angle = np.arctan2(gradient_y, gradient_x) * np.float32(ORIENTATIONS / np.pi)
    bins = np.arange(ORIENTATIONS, dtype=np.float32)[:, None, None]
    distance = np.abs(np.mod(angle - bins + ORIENTATIONS / 2, ORIENTATIONS) - ORIENTATIONS / 2)
    return np.concatenate([magnitude[None], magnitude * np.maximum(1 - distance, 0)])


def planes(image: np.ndarray) -> np.ndarray:
    """The 13 channels of an image, padded by half a patch and at half its size, as (27, h, w) float32.

    image : (H, W, 3) uint8, or floats in 0..1. Channels: LUV, gradients at full and at half size. Planes 0 to 12 are the channels
    slightly blurred, 13 to 25 strongly blurred (for self-similarity), 26 is 0. h = ceil(H / 2) + 16; place (i, j) of the image is
    the patch [i : i + 16, j : j + 16], its centre pixel (2i, 2j).
    """
    half = PATCH // 2
    padded = np.pad(image, [(half, half + length % SHRINK) for length in image.shape[:2]] + [(0, 0)], mode="symmetric")
    luv = (rgb2luv(padded).transpose(2, 0, 1) + np.array([0, 88, 134]).reshape(3, 1, 1)).astype(np.float32) / 270
    small = halve(luv)
    channels = np.concatenate([small, halve(gradients(luv)), gradients(small)])
    return np.concatenate([triangle_blur(channels, 1), triangle_blur(channels, 4), np.zeros((1, *small.shape[1:]), np.float32)])


def values(maps: np.ndarray, places: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Features of patches: (n, f) float32. maps : of `planes`. places : (n, 2) rows and columns. features : (f,) into `FEATURES`."""
    _, height, width = maps.shape
    steps = np.array([height * width, width, 1])
    first, second = (FEATURES[features] @ steps).T
    start = (places @ steps[1:])[:, None]
    return maps.ravel()[start + first] - maps.ravel()[start + second]


def places_of(edges: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `count` places, half with an edge within a pixel of the centre and half without, whose label patch lies in the image."""
    near = ndimage.binary_dilation(edges)[::SHRINK, ::SHRINK]
    inside = np.zeros_like(near)
    low = LABEL // 2 // SHRINK
    inside[low : (edges.shape[0] - LABEL // 2) // SHRINK + 1, low : (edges.shape[1] - LABEL // 2) // SHRINK + 1] = True
    chosen = []
    for candidates in (near & inside, ~near & inside):
        found = np.argwhere(candidates)
        chosen.append(found[rng.permutation(len(found))[: count // 2]])
    return np.concatenate(chosen)


def label_patches(labels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(n, 256): the 16x16 of `labels` around each place."""
    windows = np.lib.stride_tricks.sliding_window_view(labels, (LABEL, LABEL))
    rows, columns = (places * SHRINK - LABEL // 2).T
    return windows[rows, columns].reshape(len(places), -1)


def components(same: np.ndarray, count: int) -> np.ndarray:
    """(n, pairs) of 0 and 1 to its first `count` principal components, (n, count) float32."""
    ones = same.astype(np.float32)
    mean = ones.mean(axis=0, dtype=np.float64)
    covariance = (ones.T @ ones).astype(np.float64) / len(ones) - np.outer(mean, mean)  # the products are whole numbers, so exact
    vectors = np.linalg.eigh(covariance)[1][:, : -count - 1 : -1]
    return ones @ vectors.astype(np.float32) - (mean @ vectors).astype(np.float32)


def draw(
    images: Sequence[np.ndarray],
    labels: Sequence[Sequence[np.ndarray]],
    features: np.ndarray,
    settings: ForestSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The samples of one tree, the same number from each annotator of each image.

    Returns the features (n, f) float32, for each of `settings.pairs` pairs of a label's pixels whether they are of one segment
    (n, pairs) bool, and the labels' edges (n, 256) bool.
    """
    pairs = np.stack([rng.choice(LABEL**2, 2, replace=False) for _ in range(settings.pairs)], axis=1)
    annotators = sum(map(len, labels))
    each = max(settings.samples // annotators, 2)
    seen = np.empty((each * annotators, len(features)), np.float32)  # at once, for it is most of the memory
    same, edges, filled = [], [], 0
    for image, segmentations in zip(images, labels, strict=True):
        maps = planes(image)
        for segments in segmentations:
            borders = boundaries(segments)
            places = places_of(borders, each, rng)
            patches = label_patches(segments, places)
            same.append(patches[:, pairs[0]] == patches[:, pairs[1]])
            edges.append(label_patches(borders, places))
            seen[filled : filled + len(places)] = values(maps, places, features)
            filled += len(places)
    return seen[:filled], np.concatenate(same), np.concatenate(edges)


def grow(
    images: Sequence[np.ndarray], labels: Sequence[Sequence[np.ndarray]], settings: ForestSettings, rng: np.random.Generator
) -> tuple[np.ndarray, "Tree", np.ndarray]:
    """One tree: its features, scikit-learn's tree, and the mean of the edges of each node's samples, (nodes, 256) in 0..1."""
    from sklearn.tree import DecisionTreeRegressor  # not for what only asks a forest

    features = np.sort(rng.choice(len(FEATURES), round(settings.feature_share * len(FEATURES)), replace=False))
    seen, same, edges = draw(images, labels, features, settings, rng)
    regressor = DecisionTreeRegressor(
        max_depth=settings.depth,
        min_samples_leaf=settings.min_leaf,
        max_features=min(settings.node_features, len(features)),
        random_state=int(rng.integers(2**31)),
    )
    tree = regressor.fit(seen, components(same, settings.components)).tree_
    leaf = tree.apply(seen)
    members = sparse.csr_array((np.ones(len(leaf), np.float32), (leaf, np.arange(len(leaf)))), (tree.node_count, len(leaf)))
    return features, tree, (members @ edges.astype(np.float32)) / np.maximum(members.sum(axis=1), 1)[:, None]


def train(images: Sequence[np.ndarray], labels: Sequence[Sequence[np.ndarray]], settings: ForestSettings, seed: int) -> Forest:
    """A forest from images, (H, W, 3) uint8, and each one's segmentations by its annotators, (H, W) whole numbers."""
    check(images, labels)
    trees = range(settings.trees)
    return assemble([grow(images, labels, settings, np.random.default_rng(seed_for("structured", seed, tree))) for tree in trees], settings)


def check(images: Sequence[np.ndarray], labels: Sequence[Sequence[np.ndarray]]) -> None:
    """A UserError where images and segmentations do not fit together."""
    if len(images) != len(labels) or not sum(map(len, labels)):
        raise UserError(f"{len(images)} images and segmentations of {len(labels)}: a forest needs both, at least one, for the same images")
    for number, (image, segmentations) in enumerate(zip(images, labels, strict=True)):
        for segments in segmentations:
            if segments.shape != image.shape[:2] or min(segments.shape) < LABEL:
                sizes = f"{image.shape[:2]} pixels and a segmentation of {segments.shape}"
                raise UserError(f"training image {number} has {sizes}: they must be equal and at least {LABEL} each way")


def assemble(trees: Sequence[tuple[np.ndarray, "Tree", np.ndarray]], settings: ForestSettings) -> Forest:
    """Trees as `grow` gives them as one `Forest`."""
    parts: list[tuple[Any, ...]] = []
    first = leaves = 0
    for features, tree, patches in trees:
        leaf = tree.children_left < 0
        own = np.arange(tree.node_count)
        children = np.stack([np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)], axis=1)
        threshold = tree.threshold.astype(np.float32)
        threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold)
        patch = np.where(leaf, leaves + np.cumsum(leaf) - 1, -1)
        parts.append((features[np.where(leaf, 0, tree.feature)], threshold, children + first, [first], patch, np.rint(255 * patches[leaf])))
        first += tree.node_count
        leaves += leaf.sum()
    kinds = (np.int32, np.float32, np.int32, np.int32, np.int32, np.uint8)
    return Forest(settings, *(np.concatenate(part).astype(kind) for part, kind in zip(zip(*parts, strict=True), kinds, strict=True)))


def leaves_of(forest: Forest, maps: np.ndarray) -> np.ndarray:
    """Rows of `forest.patches` for every place of `maps`, (rows, columns, trees asked) int32.

    At places where row + column is even the first `trees_per_patch` trees are asked, elsewhere the next ones.
    """
    _, height, width = maps.shape
    steps = np.array([height * width, width, 1])
    first, second = (FEATURES[forest.feature] @ steps).T.astype(np.int32)
    rows, columns = np.indices((height - GRID + 1, width - GRID + 1), np.int32)
    asked = np.arange(forest.settings.trees_per_patch)
    turn = (rows + columns)[..., None] % 2 * len(asked) + asked
    node = forest.roots[turn % len(forest.roots)].ravel()
    start = np.repeat((rows * width + columns).ravel().astype(np.int32), len(asked))
    flat = maps.ravel()
    inner = forest.patch < 0
    moving = np.flatnonzero(inner[node])
    while moving.size:
        at = node[moving]
        place = start[moving]
        beyond = flat[place + first[at]] - flat[place + second[at]] > forest.threshold[at]
        at = forest.children[at, beyond.astype(np.int8)]
        node[moving] = at
        moving = moving[inner[at]]
    return forest.patch[node].reshape(turn.shape)


def predict(forest: Forest, image: np.ndarray, scales: Sequence[float] = (1,)) -> np.ndarray:
    """Edge strengths of an image: (H, W) float32 in 0..1, not thinned.

    image : (H, W, 3) uint8. scales : what the image is enlarged by; the strengths are the mean over them (the paper's: 0.5, 1, 2).
    """
    height, width = image.shape[:2]
    total = np.zeros((height, width), np.float32)
    for scale in scales:
        size = [max(round(scale * length), LABEL) for length in (height, width)]
        if size == [height, width]:
            total += _predict_once(forest, image)
        else:
            scaled = resize(image, size, order=1, anti_aliasing=scale < 1)
            total += resize(_predict_once(forest, scaled), (height, width), order=1, anti_aliasing=scale > 1)
    return np.minimum(GAIN * total / np.float32(len(scales)), 1).astype(np.float32)


def _predict_once(forest: Forest, image: np.ndarray) -> np.ndarray:
    """Of each pixel the mean over the label patches that cover it (64, fewer at the image's edge) and the trees asked for each."""
    height, width = image.shape[:2]
    found = leaves_of(forest, planes(image))
    rows, columns, asked = found.shape
    votes = np.zeros((rows, columns, LABEL**2), np.uint16)
    for tree in range(asked):
        votes += forest.patches[found[..., tree]]
    said = votes.reshape(rows, columns, LABEL, LABEL)
    half = LABEL // SHRINK
    total = np.zeros((rows + half - 1, columns + half - 1, SHRINK, SHRINK), np.uint32)
    for y, x in np.ndindex(half, half):
        total[y : y + rows, x : x + columns] += said[:, :, SHRINK * y : SHRINK * (y + 1), SHRINK * x : SHRINK * (x + 1)]
    cover = [np.convolve(np.ones(number), np.ones(half)) for number in (rows, columns)]
    mean = (total / (255 * asked * np.outer(*cover)[..., None, None])).transpose(0, 2, 1, 3).reshape(SHRINK * total.shape[0], -1)
    return mean[LABEL // 2 :][:height, LABEL // 2 :][:, :width]


ARRAYS = tuple(field.name for field in fields(Forest))[1:]


def save(forest: Forest, path: Path) -> None:
    """Write the forest as an uncompressed .npz, whole or not at all; the same forest gives the same bytes."""
    described = {"format": np.array(FORMAT), "settings": np.array(json.dumps(asdict(forest.settings), sort_keys=True))}
    arrays: dict[str, Any] = described | {name: getattr(forest, name) for name in ARRAYS}
    with replacing(path) as aside, aside.open("wb") as file:
        np.savez(file, **arrays)


def load(path: Path, settings: ForestSettings) -> Forest:
    """Read a forest that `save` wrote; a UserError where it is none, of another format, or trained with other settings."""
    try:
        with np.load(path, allow_pickle=False) as file:
            parts = dict(file)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} cannot be read as a structured forest ({error}): train it anew") from error
    if not np.array_equal(parts.get("format", 0), FORMAT) or set(parts) != {"format", "settings", *ARRAYS}:
        raise UserError(f"{path} is no structured forest of format {FORMAT}: train it anew")
    known, wanted = json.loads(str(parts["settings"])), asdict(settings)
    if known != wanted:
        differ = sorted(key for key in {**known, **wanted} if known.get(key) != wanted.get(key))
        other = ", ".join(f"{key} {known.get(key)}, not {wanted.get(key)}" for key in differ)
        raise UserError(f"{path} was trained with other settings ({other}): train it anew")
    return Forest(settings, **{name: parts[name] for name in ARRAYS})
