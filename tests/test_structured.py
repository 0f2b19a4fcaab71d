"""The structured forest: its parts against slow twins and hand-made cases, the whole on images with one obvious edge."""

from dataclasses import replace

import numpy as np
import pytest

from stages.ch3_edges import structured
from stages.ch3_edges.detection_settings import ForestSettings
from stages.ch3_edges.structured import FEATURES, boundaries, load, places_of, planes, predict, save, train, values
from stages.core.errors import UserError

SMALL = ForestSettings(
    trees=3, samples=1200, feature_share=0.1, node_features=20, depth=8, min_leaf=4, pairs=40, components=3, trees_per_patch=2
)


def scene(seed: int, height: int = 70, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A noisy disc on a noisy ground, and its segments."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = (y - rng.uniform(25, 45)) ** 2 + (x - rng.uniform(30, 60)) ** 2 < rng.uniform(14, 20) ** 2
    colours = rng.permutation([40, 200])
    image = np.where(inside, *colours)[..., None] + rng.normal(0, 12, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8), inside.astype(np.uint16) + 1


@pytest.fixture(scope="module")
def forest():
    images, labels = zip(*map(scene, range(4)), strict=True)
    return train(images, [[segments, segments] for segments in labels], SMALL, seed=0)


def test_features_are_the_papers_7228():
    assert len(FEATURES) == 3328 + 3900
    assert len(np.unique(FEATURES.reshape(-1, 6), axis=0)) == 7228
    single, pairs = FEATURES[:3328], FEATURES[3328:]
    assert (single[:, 1] == [26, 0, 0]).all()
    assert (single[:, 0, 0] < 13).all()
    assert (pairs[:, :, 0] >= 13).all()
    assert (pairs[:, 0, 0] == pairs[:, 1, 0]).all()
    assert set(pairs[:, :, 1:].ravel()) == {1, 4, 8, 11, 14}  # centres of fifths of 16


def test_planes_shapes_and_a_plain_image():
    maps = planes(np.full((41, 60, 3), 128, np.uint8))
    assert maps.shape == (27, 21 + 16, 30 + 16)
    assert maps.dtype == np.float32
    assert maps[3:13] == pytest.approx(0, abs=1e-6)  # no gradients
    assert maps[:3].std(axis=(1, 2)) == pytest.approx(0, abs=1e-6)
    assert maps[0, 0, 0] == pytest.approx(53.585 / 270, abs=1e-4)  # CIE L* of sRGB grey 128


def test_gradients_of_a_vertical_step_are_in_the_first_orientation():
    luv = np.zeros((3, 20, 20), np.float32)
    luv[1, :, 10:] = 1
    magnitude, *shares = structured.gradients(luv)
    assert magnitude[10, 9:11] == pytest.approx(0.5 / (0.5 * 9 / 25 + 0.01))  # the blur of radius 4 has taps 5 and 4 of 25 there
    assert shares[0] == pytest.approx(magnitude)
    assert np.abs(shares[1:]).max() < 1e-6


def test_gradients_of_a_diagonal_ramp_are_shared_by_no_other_bin():
    y, x = np.mgrid[:20, :20].astype(np.float32)
    magnitude, *shares = structured.gradients(np.stack([x + y, 0 * x, 0 * x]))
    assert shares[1] == pytest.approx(magnitude, rel=1e-5)
    steep = structured.gradients(np.stack([x + np.tan(np.pi / 8) * y, 0 * x, 0 * x]))
    assert steep[1] == pytest.approx(steep[0] / 2, rel=1e-4)  # half way between two bins
    assert steep[2] == pytest.approx(steep[0] / 2, rel=1e-4)


def test_values_equal_a_slow_twin():
    maps = np.random.default_rng(0).random((27, 20, 23)).astype(np.float32)
    maps[26] = 0
    places, chosen = np.array([[0, 0], [3, 7], [4, 7]]), np.array([0, 255, 256, 3327, 3328, 7227])
    found = values(maps, places, chosen)
    for n, (row, column) in enumerate(places):
        for f, ((plane, y, x), (other, v, u)) in enumerate(FEATURES[chosen]):
            assert found[n, f] == maps[plane, row + y, column + x] - maps[other, row + v, column + u]


def test_a_place_is_a_patch_centred_on_every_second_pixel():
    """A lone bright pixel at (2i, 2j) is in the middle of place (i, j)'s patch."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[30, 40] = 255
    light = planes(image)[0]
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert (row - 30 // 2, column - 40 // 2) == (8, 8)


def test_boundaries_by_hand():
    segments = np.array([[1, 1, 2], [1, 1, 2], [3, 3, 3]])
    assert boundaries(segments).astype(int).tolist() == [[0, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert not boundaries(np.ones((4, 4))).any()


def test_places_lie_inside_half_of_them_on_edges():
    segments = np.ones((48, 64), int)
    segments[:, 30:] = 2
    places = places_of(boundaries(segments), 40, np.random.default_rng(0))
    assert len(np.unique(places, axis=0)) == len(places) == 40
    near = np.abs(2 * places[:, 1] - 29) <= 1
    assert near[:20].all()
    assert not near[20:].any()
    assert places.min(axis=0).tolist() >= [4, 4]
    assert (2 * places + 8 <= [48, 64]).all()
    patches = structured.label_patches(segments, places).reshape(-1, 16, 16)
    for (row, column), patch in zip(places, patches, strict=True):
        assert np.array_equal(patch, segments[2 * row - 8 : 2 * row + 8, 2 * column - 8 : 2 * column + 8])


def test_components_are_those_of_an_svd():
    same = np.random.default_rng(0).random((200, 30)) < np.linspace(0.1, 0.9, 30)
    centred = same - same.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :4] * singular[:4]
    assert np.abs(structured.components(same, 4)) == pytest.approx(np.abs(expected), abs=1e-4)


def test_leaves_are_scikit_learns():
    """Walking the joined table reaches the leaves that scikit-learn's own `apply` reaches, tree by tree, in alternation."""
    images, labels = zip(*map(scene, range(2)), strict=True)
    grown = [structured.grow(images, [[part] for part in labels], SMALL, np.random.default_rng(tree)) for tree in range(3)]
    joined = structured.assemble(grown, SMALL)
    maps = planes(scene(9)[0])
    found = structured.leaves_of(joined, maps)
    assert found.shape == (maps.shape[1] - 15, maps.shape[2] - 15, 2)
    places = np.argwhere(np.ones(found.shape[:2], bool))
    first = np.cumsum([0] + [(tree.children_left < 0).sum() for _, tree, _ in grown])
    for number, (features, tree, _) in enumerate(grown):
        leaf_number = np.cumsum(tree.children_left < 0) - 1 + first[number]
        expected = leaf_number[tree.apply(values(maps, places, features))].reshape(found.shape[:2])
        even = np.add(*np.indices(expected.shape)) % 2 == 0
        asked = {0: [(even, 0), (~even, 1)], 1: [(even, 1)], 2: [(~even, 0)]}[number]  # even places ask 0 and 1, odd ones 2 and 0
        for where, turn in asked:
            assert np.array_equal(found[..., turn][where], expected[where])


def test_leaf_patches_are_means_of_their_samples(forest):
    assert forest.patches.shape == ((forest.patch >= 0).sum(), 256)
    assert sorted(forest.patch[forest.patch >= 0]) == list(range(len(forest.patches)))
    leaf = forest.patch >= 0
    assert (forest.children[leaf] == np.flatnonzero(leaf)[:, None]).all()
    assert forest.patches.max() > 150


def test_prediction_averages_overlapping_patches_by_hand(forest):
    """With the same patch in every leaf a pixel's strength is the mean of the patch's values there."""
    patch = np.random.default_rng(0).integers(0, 120, (16, 16)).astype(np.uint8)
    same = replace(forest, patches=np.tile(patch.ravel(), (len(forest.patches), 1)))
    found = predict(same, scene(5, 40, 51)[0])
    assert found.shape == (40, 51)
    for y, x in ((0, 0), (11, 20), (20, 33), (39, 50)):
        # Places 2i, 2j of the image reach from 8 pixels before to 7 behind.
        rows, columns = (
            [at - 2 * i + 8 for i in range((length + 1) // 2 + 1) if 0 <= at - 2 * i + 8 < 16] for at, length in ((y, 40), (x, 51))
        )
        assert found[y, x] == pytest.approx(structured.GAIN * patch[np.ix_(rows, columns)].mean() / 255)


def test_prediction_finds_the_edge_of_an_unseen_disc(forest):
    image, segments = scene(50)
    edges = predict(forest, image)
    assert edges.shape == segments.shape
    assert edges.dtype == np.float32
    assert 0 <= edges.min() < edges.max() <= 1
    true = boundaries(segments)
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~true)
    assert edges[true].mean() > 4 * edges[distance > 6].mean()
    strongest = edges >= np.sort(edges.ravel())[-true.sum()]
    assert distance[strongest].max() <= 3


def test_scales_are_averaged(forest):
    image = scene(51, 64, 80)[0]
    both = predict(forest, image, scales=(1, 2))
    assert both == pytest.approx((predict(forest, image) + predict(forest, image, scales=(2,))) / 2, abs=1e-6)
    assert predict(forest, image, scales=(0.5,)).shape == (64, 80)


def test_same_seed_same_bytes(forest, tmp_path):
    images, labels = zip(*map(scene, range(4)), strict=True)
    save(forest, tmp_path / "a.npz")
    save(train(images, [[part, part] for part in labels], SMALL, seed=0), tmp_path / "b.npz")
    save(train(images, [[part, part] for part in labels], SMALL, seed=1), tmp_path / "c.npz")
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "b.npz", "c.npz"]


def test_loaded_forest_predicts_the_same(forest, tmp_path):
    save(forest, tmp_path / "forest.npz")
    image = scene(52)[0]
    assert np.array_equal(predict(load(tmp_path / "forest.npz", SMALL), image), predict(forest, image))


def test_load_refuses_other_settings_formats_and_files(forest, tmp_path, monkeypatch):
    path = tmp_path / "forest.npz"
    save(forest, path)
    with pytest.raises(UserError, match=r"forest.npz was trained with other settings \(depth 8, not 9\): train it anew"):
        load(path, replace(SMALL, depth=9))
    monkeypatch.setattr(structured, "FORMAT", structured.FORMAT + 1)
    with pytest.raises(UserError, match=r"forest.npz is no structured forest of format 2"):
        load(path, SMALL)
    for content in (b"", b"nothing of the kind", path.read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"forest.npz cannot be read as a structured forest"):
            load(path, SMALL)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(UserError, match=r"is no structured forest"):
        load(path, SMALL)
    with pytest.raises(UserError, match=r"missing.npz cannot be read"):
        load(tmp_path / "missing.npz", SMALL)


def test_training_refuses_what_does_not_fit():
    image, segments = scene(0)
    with pytest.raises(UserError, match=r"2 images and segmentations of 1"):
        train([image, image], [[segments]], SMALL, seed=0)
    with pytest.raises(UserError, match=r"training image 1 has \(70, 90\) pixels and a segmentation of \(69, 90\)"):
        train([image, image], [[segments], [segments[:-1]]], SMALL, seed=0)
    with pytest.raises(UserError, match=r"at least 16 each way"):
        train([image[:15]], [[segments[:15]]], SMALL, seed=0)


def test_an_image_of_one_segment_gives_negatives_only():
    image, segments = scene(0)
    plain = train([image], [[np.ones_like(segments)]], replace(SMALL, trees=1, samples=200), seed=0)
    assert not predict(plain, image).any()
