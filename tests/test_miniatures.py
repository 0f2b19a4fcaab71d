"""The generated world (hand-computed pictures, outlines and patterns) and its CIFAR files (layout, balance, same bytes, hardness)."""

import hashlib
import os
import pickle
import pickletools
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from math import pi
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from stages.core.errors import UserError
from stages.miniatures import cifar, shapes, world
from stages.miniatures.cifar10 import write as write_cifar10
from stages.miniatures.cifar100 import write as write_cifar100
from stages.miniatures.world import PATTERNS, SHAPES, Light, Scene, Surface, Thing, class_map, generator, render, sample_scene

RED, BLUE, GREY = (0.8, 0.2, 0.0), (0.0, 0.2, 0.8), (0.4, 0.4, 0.4)
PLAIN = PATTERNS.index("plain")


def plain(colour: world.Colour) -> Surface:
    return Surface(PLAIN, (colour, colour), period=1)


def square(side: float, **settings: object) -> Thing:
    """A grey square of that side (in picture widths), in the middle; the outline's own side is 1.56 radii."""
    return replace(Thing(SHAPES.index("square"), plain(GREY), (0.5, 0.5), radius=side / 1.56), **settings)


def scene(*things: Thing, horizon: float = 0.5, light: Light | None = None) -> Scene:
    return Scene(plain(RED), plain(BLUE), horizon, 0.0, things, 0, light or Light())


# The world


def test_a_picture_by_hand() -> None:
    picture, regions = render(scene(square(0.5)), 8)
    expected = np.zeros((8, 8), int)
    expected[4:] = 1
    expected[2:6, 2:6] = 2
    assert np.array_equal(regions, expected)
    assert np.array_equal(picture, np.array([(204, 51, 0), (0, 51, 204), (102, 102, 102)])[expected])


def test_a_pixel_is_the_mean_of_what_it_covers() -> None:
    picture, _ = render(scene(horizon=(4 + 1 / 3) / 8), 8)
    assert picture[3, 0].tolist() == [204, 51, 0]
    assert picture[4, 0].tolist() == [204 / 3, 51, 204 * 2 / 3]
    assert picture[5, 0].tolist() == [0, 51, 204]


def test_light() -> None:
    def lit(**settings: object) -> np.ndarray:
        return render(scene(horizon=2, light=Light(**settings)), 4)[0]

    assert lit(gain=0.5)[0, 0].tolist() == [102, 26, 0]
    assert lit(gain=2)[0, 0].tolist() == [255, 102, 0]
    assert lit(cast=(0.5, 1, 1))[0, 0].tolist() == [102, 51, 0]
    # The pixels' centres lie at -3/4, -1/4, 1/4 and 3/4 of the way from the middle to an edge.
    assert lit(slope=(0.4, 0))[2, :, 0].tolist() == [round(204 * 0.7), round(204 * 0.9), round(204 * 1.1), 255]
    assert lit(slope=(0, -0.4))[:, 2, 0].tolist() == [255, round(204 * 1.1), round(204 * 0.9), round(204 * 0.7)]


def test_noise_is_centred_and_bounded() -> None:
    plain_grey = Scene(plain((0.5, 0.5, 0.5)), plain(BLUE), 2, 0, (), 0, Light(noise=0.1, noise_seed=3))
    off = render(plain_grey, 64)[0] - 127.5
    assert 0.95 * 25.5 < np.abs(off).max() <= 26.1
    assert abs(off.mean()) < 3 * 25.5 / 6**0.5 / off.size**0.5 + 0.1  # a triangular deviate of half width h has deviation h / sqrt(6)


def test_shadows_fall_away_from_the_light() -> None:
    light = Light(slope=(1e-9, -1e-9), shade=0.5)  # brighter to the right and up: shadows fall to the left and down
    picture, _ = render(scene(square(0.5), horizon=2, light=light), 24)
    reach = round(24 * 0.25 * 0.5 / 1.56)
    assert picture[17 + reach, 6 - reach].tolist() == [102, 26, 0]
    assert picture[18 + reach, 5 - reach].tolist() == [204, 51, 0]
    assert picture[18, 17].tolist() == picture[5, 17].tolist() == [204, 51, 0]


def test_later_things_hide_earlier_ones_and_the_label_map_names_their_shapes() -> None:
    disc = replace(square(0.2), shape=SHAPES.index("disc"))
    drawn = scene(square(0.5), disc)
    _, regions = render(drawn, 32)
    labels = class_map(drawn, regions)
    assert regions[16, 16] == world.FIRST_THING + 1
    assert regions[9, 9] == world.FIRST_THING
    assert (labels[16, 16], labels[9, 9], labels[0, 0], labels[31, 0]) == (1 + SHAPES.index("disc"), 1 + SHAPES.index("square"), 0, 0)


# The square root of a shape's area scales with its radius; these are of radius 1.
AREAS = {
    "arrow": 0.95 * 0.85 * 0.95 + 0.6 * 0.95,  # a triangle of half width .85 x .95, and the shaft
    "cross": 2 * 0.56 * 1.84 - 0.56**2,
    "disc": 0.72 * pi,
    "hourglass": 4 * (0.12 * 0.9 + 0.75 * 0.9**2 / 2),
    "ring": (0.9 - 0.27) * pi,
    "square": 1.56**2,
    "star": 1.12257 * (0.36 / 0.30902) ** 2,  # a pentagram's area, by the radius of its points
    "triangle": 0.55 * 1.68**2,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines(shape: str) -> None:
    axis = np.linspace(-2, 2, 1001, dtype=np.float32)
    inside = shapes.OUTLINES[shape](axis[None, :], axis[:, None])
    assert np.hypot(axis[None, :], axis[:, None])[inside].max() < world._REACH  # else `render` would cut it off
    assert 1.2 < inside.mean() * 16.016 < 2.7  # no shape is told by its size
    if shape in AREAS:
        assert inside.mean() * 4.004**2 == pytest.approx(AREAS[shape], rel=0.01)


SHARES = {
    "bricked": 1 - 0.7 * 0.85,
    "checked": 0.5,
    "latticed": 1 - 0.68**2,
    "striped": 0.5,
    "zigzag": 0.5,
    "dotted": 0.11 * pi,
    "mottled": 0.5,
    "plain": 0.0,
    "ringed": 0.5,
    "shaded": 0.5,
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_shares_of_the_second_colour(pattern: str) -> None:
    s, t = generator(0, 1).random((2, 200_000), dtype=np.float32) * 60 - 30
    share = shapes.SHARES[pattern](s, t)
    assert share.shape == s.shape
    assert 0 <= share.min() <= share.max() <= 1
    assert share.mean() == pytest.approx(SHARES[pattern], abs=0.006)  # at most .0011 of deviation by sampling, .0022 by mottled's cells


@pytest.mark.parametrize("index", range(6))
def test_a_scene_is_the_same_at_every_size(index: int) -> None:
    drawn = sample_scene(generator(0, index), index)
    drawn = replace(drawn, light=replace(drawn.light, noise=0.0))
    small, small_regions = render(drawn, 32)
    large, large_regions = render(drawn, 96)
    assert np.array_equal(large_regions[1::3, 1::3], small_regions)
    shrunk = large.reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 3


def test_sampled_scenes() -> None:
    scenes = [sample_scene(generator(5, index), index % 10) for index in range(400)]
    for index, drawn in enumerate(scenes):
        assert drawn.shape == index % 10
        assert all(thing.shape != drawn.shape for place, thing in enumerate(drawn.things) if place != drawn.main)
    visible = [(class_map(drawn, render(drawn, 32)[1]) == 1 + drawn.shape).mean() for drawn in scenes]
    assert min(visible) > 0.05
    assert 0.15 < np.mean(visible) < 0.35
    # Typical in nine of ten cases and in a tenth of the others: .91, whose binomial deviation over 400 scenes is .014.
    assert np.mean([drawn.pattern == drawn.shape for drawn in scenes]) == pytest.approx(0.91, abs=0.045)
    assert sample_scene(generator(5, 0), 3, 7).pattern == 7


PICTURES = """
import numpy, sys, hashlib
sys.path.insert(0, sys.argv[1])
from stages.miniatures import world
digest = hashlib.sha256()
for index in range(40):
    for array in world.render(world.sample_scene(world.generator(1, index), index % 10), 32):
        digest.update(array)
print(digest.hexdigest())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="numpy's switch for instruction sets is tried on Unix")
def test_same_bytes_whatever_instruction_sets_numpy_uses() -> None:
    from numpy._core._multiarray_umath import __cpu_dispatch__

    def digest(disabled: str) -> str:
        # numpy is imported before our package, which would pin what we want to vary.
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled}
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PICTURES, str(REPOSITORY)], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert digest(" ".join(__cpu_dispatch__)) == digest("")


# CIFAR files

# The layout as CIFAR's page describes it: keys in the files' order, and what a reader with encoding="bytes" gets.
CIFAR10_BATCH = [(b"batch_label", bytes), (b"labels", list), (b"data", np.ndarray), (b"filenames", list)]
CIFAR10_META = [(b"num_cases_per_batch", int), (b"label_names", list), (b"num_vis", int)]
CIFAR100_BATCH = {b"filenames": list, b"batch_label": bytes, b"fine_labels": list, b"coarse_labels": list, b"data": np.ndarray}
CIFAR100_META = {b"fine_label_names": list, b"coarse_label_names": list}
BATCHES10 = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def load(file: Path) -> dict:
    return pickle.loads(file.read_bytes(), encoding="bytes")


@pytest.fixture(scope="module")
def minis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("minis")
    write_cifar10(folder, train=100, test=30, seed=0)
    write_cifar100(folder, train=200, test=100, seed=1)
    return folder


def assert_is_cifar10(base: Path, each: int, test: int) -> None:
    assert {file.name for file in base.iterdir()} >= {*BATCHES10, "batches.meta"}
    meta = load(base / "batches.meta")
    assert [(key, type(value)) for key, value in meta.items()] == CIFAR10_META
    assert (meta[b"num_cases_per_batch"], meta[b"num_vis"]) == (each, 3072)
    assert [type(name) for name in meta[b"label_names"]] == 10 * [bytes]
    for number, name in enumerate(BATCHES10, 1):
        batch, count = load(base / name), test if name == "test_batch" else each
        assert [(key, type(value)) for key, value in batch.items()] == CIFAR10_BATCH
        assert (batch[b"data"].shape, batch[b"data"].dtype, batch[b"data"].flags.c_contiguous) == ((count, 3072), np.uint8, True)
        assert Counter(map(type, batch[b"labels"])) == {int: count}
        assert Counter(map(type, batch[b"filenames"])) == {bytes: count}
        assert batch[b"batch_label"] == (b"testing batch 1 of 1" if number == 6 else b"training batch %d of 5" % number)


def globals_and_protocol(file: Path) -> list[tuple[str, object]]:
    return [(op.name, arg) for op, arg, _ in pickletools.genops(file.read_bytes()) if op.name in ("PROTO", "GLOBAL")]


def test_cifar10_layout(minis: Path) -> None:
    assert_is_cifar10(minis / "cifar-10-batches-py", each=20, test=30)


def test_cifar10_layout_is_the_official_one(minis: Path) -> None:
    mirror = os.environ.get("THESIS_MIRROR")
    if not mirror or not (Path(mirror) / "cifar10").is_dir():
        pytest.skip("THESIS_MIRROR names no mirror with cifar10")
    official, ours = Path(mirror) / "cifar10/cifar-10-batches-py", minis / "cifar-10-batches-py"
    assert_is_cifar10(official, each=10000, test=10000)
    for name in ("test_batch", "batches.meta"):
        assert globals_and_protocol(ours / name) == globals_and_protocol(official / name)


def test_cifar100_layout(minis: Path) -> None:
    base = minis / "cifar-100-python"
    for name, count in (("train", 200), ("test", 100)):
        batch = load(base / name)
        assert {key: type(value) for key, value in batch.items()} == CIFAR100_BATCH
        assert (batch[b"data"].shape, batch[b"data"].dtype) == ((count, 3072), np.uint8)
        assert len(batch[b"filenames"]) == len(batch[b"fine_labels"]) == len(batch[b"coarse_labels"]) == count
    meta = load(base / "meta")
    assert {key: type(value) for key, value in meta.items()} == CIFAR100_META
    assert (len(set(meta[b"fine_label_names"])), len(set(meta[b"coarse_label_names"]))) == (100, 20)


def test_classes_are_balanced_and_mixed(minis: Path) -> None:
    base = minis / "cifar-10-batches-py"
    train = [label for name in BATCHES10[:5] for label in load(base / name)[b"labels"]]
    assert Counter(train) == dict.fromkeys(range(10), 10)
    assert Counter(load(base / "test_batch")[b"labels"]) == dict.fromkeys(range(10), 3)
    assert len(set(train[:20])) > 5
    assert Counter(load(minis / "cifar-100-python/train")[b"fine_labels"]) == dict.fromkeys(range(100), 2)


def test_coarse_classes_hold_five_fine_ones_each(minis: Path) -> None:
    train = load(minis / "cifar-100-python/train")
    pairs = set(zip(train[b"fine_labels"], train[b"coarse_labels"], strict=True))
    assert len(pairs) == 100
    assert Counter(coarse for _, coarse in pairs) == dict.fromkeys(range(20), 5)


def test_names_and_labels_agree(minis: Path) -> None:
    ten, hundred = load(minis / "cifar-10-batches-py/test_batch"), load(minis / "cifar-100-python/test")
    shapes, fine = load(minis / "cifar-10-batches-py/batches.meta")[b"label_names"], load(minis / "cifar-100-python/meta")
    for label, name in zip(ten[b"labels"], ten[b"filenames"], strict=True):
        assert name.split(b"_")[1] == shapes[label]
    for label, coarse, name in zip(hundred[b"fine_labels"], hundred[b"coarse_labels"], hundred[b"filenames"], strict=True):
        assert name.startswith(fine[b"fine_label_names"][label] + b"_s_")
        assert fine[b"coarse_label_names"][coarse].split(b"_")[1] == name.split(b"_")[1]


def test_pictures_are_stored_red_green_blue(minis: Path) -> None:
    batch = load(minis / "cifar-100-python/test")
    label = batch[b"fine_labels"][4]
    picture, _ = render(sample_scene(generator(1, 100, cifar.TEST, 4), label // 10, label % 10), 32)
    red, green, blue = batch[b"data"][4].reshape(3, 32, 32)
    assert np.array_equal(np.stack([red, green, blue], axis=2), picture)


def test_no_picture_is_there_twice(minis: Path) -> None:
    for base, names in (("cifar-10-batches-py", BATCHES10), ("cifar-100-python", ["train", "test"])):
        pictures = [row.tobytes() for name in names for row in load(minis / base / name)[b"data"]]
        assert len(set(pictures)) == len(pictures)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*")) if file.is_file()
    }


def test_same_seed_same_bytes(minis: Path, tmp_path: Path) -> None:
    np.random.seed(5)  # noqa: NPY002  global state must not matter
    write_cifar10(tmp_path, train=100, test=30, seed=0)
    write_cifar100(tmp_path, train=200, test=100, seed=1)
    assert digests(tmp_path) == digests(minis)
    # Recorded: what dvc.lock holds depends on it, so a change of the world or of numpy's generators must not go unseen.
    assert digests(minis)["cifar-10-batches-py/test_batch"][:16] == "d51a625747219f58"
    assert digests(minis)["cifar-100-python/test"][:16] == "9b00da08f8888f00"


def test_other_seed_other_pictures(minis: Path, tmp_path: Path) -> None:
    write_cifar10(tmp_path, train=100, test=30, seed=2)
    ours, other = (load(folder / "cifar-10-batches-py/test_batch") for folder in (minis, tmp_path))
    assert not {row.tobytes() for row in ours[b"data"]} & {row.tobytes() for row in other[b"data"]}


@pytest.mark.parametrize(
    "counts", [{"train": 0, "test": 10}, {"train": 10, "test": 0}, {"train": -5, "test": 10}, {"train": 12, "test": 10}]
)
def test_impossible_counts(counts: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a miniature CIFAR-10 of .* cannot be: .* multiples of 10"):
        write_cifar10(tmp_path, **counts, seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"a": [1, -1, 70000], "b": {}}, {b"a": [1, -1, 70000], b"b": {}}),
        ([], []),
        ("x" * 255, b"x" * 255),
    ],
)
def test_pickles_of_plain_values(value: object, read: object) -> None:
    assert pickle.loads(cifar.python2_pickle(value), encoding="bytes") == read


def test_pickles_of_matrices() -> None:
    matrix = np.arange(7 * 300, dtype=np.uint64).astype(np.uint8).reshape(7, 300)[:, ::2]
    copy = pickle.loads(cifar.python2_pickle(matrix), encoding="bytes")
    assert copy.dtype == np.uint8
    assert np.array_equal(copy, matrix)
    with pytest.raises(TypeError, match="cannot pickle ndarray"):
        cifar.python2_pickle(matrix.astype(float))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")  # stopping early only helps it here
def test_cnn_a_beats_a_linear_classifier_by_far_and_is_not_perfect(tmp_path: Path) -> None:
    """CNN-A of Table 2.1 with a quarter of its channels and a dropout of .2, for 500 short steps; by seed, its error is .19 to .37."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from torch import nn

    def read(*names: str) -> tuple[torch.Tensor, torch.Tensor]:
        batches = [load(tmp_path / "cifar-10-batches-py" / name) for name in names]
        pixels = torch.from_numpy(np.concatenate([batch[b"data"] for batch in batches])).float()
        normal = (pixels - pixels.mean(1, keepdim=True)) / pixels.std(1, keepdim=True)
        return normal, torch.tensor([label for batch in batches for label in batch[b"labels"]])

    write_cifar10(tmp_path, train=2000, test=500, seed=0)
    (pixels, labels), (test_pixels, test_labels) = read(*BATCHES10[:5]), read("test_batch")
    linear = LogisticRegression(C=0.001, max_iter=60).fit(pixels, labels)
    linear_error = 1 - linear.score(test_pixels, test_labels)

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Unflatten(1, (3, 32, 32)),
        *(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Dropout(0.2)),
        *(nn.Conv2d(16, 16, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True), nn.Dropout(0.2)),
        *(nn.Conv2d(16, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 48, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(48, 10)),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=0.1)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for step in range(500):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 if step < 400 else 0.01
        rows = torch.randint(len(pixels), (50,))
        loss = nn.functional.cross_entropy(network(pixels[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        cnn_error = (network(test_pixels).argmax(1) != test_labels).double().mean().item()
    assert 0.02 < cnn_error < 0.3
    assert linear_error - cnn_error > 0.2
