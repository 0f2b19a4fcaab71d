"""The miniatures of Chapter 3: their readers, boundaries by hand, how far annotators agree, and what the benchmark says of them."""

import hashlib
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from stages.ch3_edges.model import from_vgg16
from stages.core import runtime
from stages.core.errors import UserError
from stages.datasets import bsds500 as bsds_reader
from stages.datasets import nyud_v2 as nyud_reader
from stages.datasets import pascal_context as pascal_reader
from stages.encoders.vgg16 import WEIGHTS, normalise
from stages.metrics.boundary import evaluate, even_thresholds, summarize
from stages.miniatures import bsds500, nyud_v2, pascal_context, vgg16
from stages.miniatures.bsds500 import boundaries, draw, numbered, sample_view, shaken
from stages.miniatures.world import SHAPES, generator

SIZE = {"width": 160, "height": 120}
COUNTS = {"train": 6, "val": 1, "test": 4}
WIDTHS = [4, 6, 8, 8, 8]


def write(folder: Path, seed: int = 0) -> Path:
    bsds500.write_bsds500(folder / "bsds500", **COUNTS, **SIZE, seed=seed)
    pascal_context.write_pascal_context(folder / "pascal_context", images=5, **SIZE, seed=seed)
    nyud_v2.write_nyud_v2(folder / "nyud_v2", train=2, val=1, test=4, **SIZE, seed=seed)
    vgg16.write_vgg16(folder / "vgg16", widths=WIDTHS, seed=seed)
    return folder


@pytest.fixture(scope="module")
def minis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("minis"))


def bsds_regions(split: str, index: int) -> np.ndarray:
    return draw(sample_view(generator(0, bsds500._SPLITS[split], index, bsds500._DRAWN), **SIZE), **SIZE)[1]


# Lines and maps by hand


def test_boundaries_are_on_one_side() -> None:
    regions = np.array([[1, 1, 1, 2, 2]] * 2 + [[3] * 5] * 2)
    expected = [[0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0] * 5, [0] * 5]
    assert bsds500._meetings(regions).tolist() == np.array(expected, bool).tolist()
    assert boundaries(regions)[1].all()
    assert not boundaries(regions)[2:].any()
    assert not boundaries(np.ones((4, 5), int)).any()


def test_boundaries_of_slopes_are_one_pixel_wide() -> None:
    y, x = np.indices((8, 8))
    assert np.array_equal(boundaries(x + y > 7), x + y == 7)
    assert boundaries(x > y)[1:-2].sum(axis=1).tolist() == [1] * 5


def test_regions_are_numbered_by_their_connected_parts() -> None:
    regions = np.array([[0, 2, 0], [0, 2, 0], [2, 0, 0]])
    assert numbered(regions).tolist() == [[1, 2, 3], [1, 2, 3], [4, 3, 3]]


def test_a_hand_is_off_by_one_pixel_on_its_share_of_the_cells() -> None:
    place = np.arange(400 * 400).reshape(400, 400)
    off = shaken(generator(1), place, 0.5)[1:-1, 1:-1] - place[1:-1, 1:-1]
    assert set(np.unique(off)) == {400 * down + right for down in (-1, 0, 1) for right in (-1, 0, 1)}
    assert np.mean(off != 0) == pytest.approx(0.5 * 8 / 9, abs=0.1)  # of 400 cells: a deviation of .025


def test_things_that_are_left_out_become_what_is_around_them() -> None:
    regions = np.zeros((60, 60), np.uint8)
    regions[:, 30:], regions[10:14, 10:14], regions[40:44, 40:44] = 2, 3, 4
    seen = {tuple(np.unique(bsds500._simplified(generator(seed), regions))) for seed in range(20)}
    assert seen == {(0, 2), (0, 2, 3), (0, 2, 4), (0, 2, 3, 4)}  # the large one stays
    assert all(np.isin(bsds500._simplified(generator(seed), regions)[40:44, 40:44], (2, 4)).all() for seed in range(20))


# Layouts


@pytest.mark.parametrize(("split", "count"), COUNTS.items())
def test_bsds500(minis: Path, split: str, count: int) -> None:
    folder = minis / "bsds500"
    examples = bsds_reader.list_split(folder, split)
    assert len(examples) == count
    for example in examples:
        assert example.name.isdecimal()
        assert bsds_reader.read_image(example.image).shape == (120, 160, 3)
        annotations = bsds_reader.read_ground_truth(example.ground_truth)
        assert 4 <= len(annotations) <= 6
        for each in annotations:
            assert (each.segmentation.dtype, each.segmentation.shape, each.segmentation.min()) == (np.uint16, (120, 160), 1)
            assert np.array_equal(each.boundaries, boundaries(each.segmentation))
        contours = bsds_reader.read_contours(folder, split, example.name)
        assert contours.shape == (120, 160)
        assert 0 == contours.min() < contours.max() <= 1
        assert example.ground_truth.read_bytes()[:116].rstrip() == b"MATLAB 5.0 MAT-file"  # no date


def test_contours_are_stored_at_twice_the_size(tmp_path: Path) -> None:
    contours = np.array([[0, 0.5, 1], [0.25, 0, 0.75]])
    bsds500.save_mat({"ucm2": bsds500.doubled(contours)}, tmp_path / "a.mat")
    assert bsds_reader.load_mat(tmp_path / "a.mat", "ucm2").shape == (5, 7)
    assert np.array_equal(bsds_reader.read_ucm(tmp_path / "a.mat"), contours)


def test_pascal_context(minis: Path) -> None:
    folder = minis / "pascal_context"
    examples = pascal_reader.list_images(folder)
    names = dict(line.split(": ") for line in (folder / "labels.txt").read_text().splitlines())
    assert len(examples) == 5
    assert list(names) == [str(number) for number in range(1, 13)]
    merged = 0
    for index, example in enumerate(examples):
        labels = pascal_reader.read_label_map(example.ground_truth)
        assert bsds_reader.read_image(example.image).shape[:2] == labels.shape == (120, 160)
        scene = sample_view(generator(0, pascal_context._STREAM, index), **SIZE)
        regions = draw(scene, **SIZE)[1]
        for region in np.unique(regions):
            kind = ("backdrop", "ground")[region] if region < 2 else SHAPES[scene.things[region - 2].shape]
            assert {names[str(label)] for label in labels[regions == region]} == {kind}
        merged += np.sum(bsds500._meetings(regions) & ~bsds500._meetings(labels))
    assert merged > 0  # things of one class that touch have no border


def test_nyud_v2(minis: Path) -> None:
    examples = [nyud_reader.list_split(minis / "nyud_v2", split) for split in ("train", "val", "test")]
    assert [len(part) for part in examples] == [2, 1, 4]
    assert [example.name for part in examples for example in part] == [f"img_{number}" for number in range(5001, 5008)]
    dark = [bsds_reader.read_image(example.image).mean() for example in examples[2]]
    light = [bsds_reader.read_image(example.image).mean() for example in bsds_reader.list_split(minis / "bsds500", "test")]
    assert np.mean(dark) < 0.8 * np.mean(light)
    for index, example in enumerate(examples[2]):
        (drawn,) = bsds_reader.read_boundaries(example.ground_truth)
        scene = nyud_v2._furnished(generator(0, nyud_v2._SPLITS["test"], index, nyud_v2._DRAWN), **SIZE)
        away = distance_transform_edt(~bsds500._meetings(draw(scene, **SIZE)[1]))[drawn]
        assert 0.3 < np.mean(away > 0) < 1
        assert np.quantile(away, 0.95) < 3  # two pixels down and to the right


def test_no_picture_is_there_twice(minis: Path) -> None:
    files = [file for file in minis.rglob("*") if file.suffix in (".jpg", ".png")]
    assert len(files) == 11 + 5 + 7
    assert len({bsds_reader.read_image(file).tobytes() for file in files}) == len(files)


def test_pictures_may_be_upright(tmp_path: Path) -> None:
    bsds500.write_bsds500(tmp_path, train=1, val=1, test=1, width=40, height=64, seed=0)
    (example,) = bsds_reader.list_split(tmp_path, "test")
    assert bsds_reader.read_image(example.image).shape[:2] == bsds_reader.read_boundaries(example.ground_truth).shape[1:] == (64, 40)


# Agreement and difficulty


def test_annotators_disagree_but_most_of_a_true_boundary_is_marked_by_three(minis: Path) -> None:
    kept = []
    for index, example in enumerate(bsds_reader.list_split(minis / "bsds500", "train")):
        marked, true = bsds_reader.read_boundaries(example.ground_truth), boundaries(bsds_regions("train", index))
        assert len({each.tobytes() for each in marked}) == len(marked)
        kept.append(np.mean(marked.sum(axis=0)[true] >= 3))
    assert 0.5 < np.mean(kept) < 0.95


def test_the_detector_is_between_chance_and_the_annotators(minis: Path) -> None:
    folder, thresholds = minis / "bsds500", even_thresholds(19)
    counts: dict[str, list[np.ndarray]] = {"annotators": [], "detector": [], "chance": []}
    for index, example in enumerate(bsds_reader.list_split(folder, "test")):
        truths = bsds_reader.read_boundaries(example.ground_truth)
        maps = {
            "annotators": truths.any(axis=0).astype(float),
            "detector": bsds_reader.read_contours(folder, "test", example.name),
            "chance": generator(0, index).random(truths.shape[1:]),
        }
        for name, values in maps.items():
            counts[name].append(evaluate(values, truths, thresholds))
    ods = {name: summarize(thresholds, np.stack(rows))["ods"]["f"] for name, rows in counts.items()}
    assert ods["annotators"] > 0.9
    assert ods["chance"] + 0.2 < ods["detector"] < ods["annotators"] - 0.1


# Weights


def test_vgg16_is_a_start_for_the_edge_network(minis: Path) -> None:
    features = runtime.load(minis / "vgg16/vgg16_features.pth")
    assert len(features) == 26
    for name, values in features.items():
        assert values.dtype == torch.float32
        if name.endswith("bias"):
            assert not values.any()
        else:
            # Uniform in +-limit has the deviation limit / sqrt(3).
            deviation = (2 / prod(values.shape[1:])) ** 0.5 / (64 if name == "features.0.weight" else 1)
            assert values.abs().max() <= 3**0.5 * deviation
            assert values.std().item() == pytest.approx(deviation, rel=0.15)
    model = from_vgg16(features)
    assert [block[-2].out_channels for block in model.blocks] == WIDTHS
    picture = bsds_reader.read_image(bsds_reader.list_split(minis / "bsds500", "val")[0].image)
    with torch.no_grad():
        maps = normalise(torch.from_numpy(picture.transpose(2, 0, 1).copy())[None], WEIGHTS)
        for block in model.blocks:
            maps = block(maps)
            assert 0.05 < maps.pow(2).mean().sqrt() < 20  # neither fades nor explodes


# The same bytes, and what cannot be


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}


def test_same_seed_same_bytes(minis: Path, tmp_path: Path) -> None:
    np.random.seed(5)  # noqa: NPY002  global state must not matter
    assert digests(write(tmp_path)) == digests(minis)
    # Recorded: what dvc.lock holds depends on it, so a change of the world or of a library must not go unseen.
    assert digests(minis)["bsds500/BSR/BSDS500/data/groundTruth/test/300001.mat"] == "bd9eb2017ba9e67b"
    assert digests(minis)["bsds500/BSR/BSDS500/ucm2/test/300001.mat"] == "7c5d615af9b6de85"
    assert digests(minis)["nyud_v2/data/colorImage/img_5004.png"] == "80694c8b9ba56aa1"


def test_a_scene_does_not_depend_on_how_many_there_are(minis: Path, tmp_path: Path) -> None:
    bsds500.write_bsds500(tmp_path / "bsds500", train=1, val=2, test=1, **SIZE, seed=0)
    few, many = digests(tmp_path), digests(minis)
    assert {name for name in few if few[name] != many.get(name)} == {name for name in few if name.endswith(("200002.jpg", "200002.mat"))}


def test_other_seed_other_files(minis: Path, tmp_path: Path) -> None:
    ours, other = digests(minis), digests(write(tmp_path, seed=1))
    same = {name for name in ours if ours[name] == other[name]}
    assert same == {"pascal_context/labels.txt", "nyud_v2/data/benchmarkData/metadata/nyusplits.mat"}


@pytest.mark.parametrize(
    "wrong", [{"train": 0}, {"val": -1}, {"test": 0}, {"width": 31}, {"height": 0}], ids=lambda wrong: next(iter(wrong))
)
def test_impossible_counts_and_sizes(wrong: dict[str, int], tmp_path: Path) -> None:
    settings = {"train": 1, "val": 1, "test": 1, **SIZE, **wrong}
    for title, writer in (("BSDS500", bsds500.write_bsds500), ("NYUD", nyud_v2.write_nyud_v2)):
        with pytest.raises(UserError, match=rf"a miniature {title} of .* cannot be: .* 1 or more, each side 32 or more"):
            writer(tmp_path, **settings, seed=0)
    with pytest.raises(UserError, match="a miniature PASCAL Context of 0 images"):
        pascal_context.write_pascal_context(tmp_path, images=0, **SIZE, seed=0)
    for widths in ([4] * 4, [4, 4, 4, 4, 0], []):
        with pytest.raises(UserError, match=r"a miniature VGG-16 of widths .* has 5 blocks of 1 or more channels"):
            vgg16.write_vgg16(tmp_path, widths=widths, seed=0)
    assert not list(tmp_path.iterdir())
