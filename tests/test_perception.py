"""Measures of generated people: by hand, by other libraries, on what they must be blind to, and what they refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from stages.core.errors import UserError
from stages.encoders.vision import import_torchvision
from stages.metrics import perception
from stages.metrics.perception import checkerboard, distance, inception_score, mask_iou, shuffled, similarity, sleeve_share


def logits() -> torch.Tensor:
    return torch.randn(1000, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2


def pictures(count: int = 1, side: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours with noise."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(0, 400, (count, side, side, 3)), (0, 3, 3, 0)) + 128
    return (smooth + rng.normal(0, 5, smooth.shape)).clip(0, 255).astype(np.uint8)


def test_the_inception_score_of_torch_fidelity_s_fixture() -> None:
    """3.3280, which torch-fidelity and torchmetrics have of the same numbers in one split."""
    mean, deviation = inception_score(logits().softmax(1).numpy(), 1)
    assert mean == pytest.approx(3.3280, abs=5e-5) and deviation == 0


def test_the_inception_score_is_torchmetrics_s_of_one_split_and_of_each() -> None:
    import_torchvision()
    from torchmetrics.image.inception import InceptionScore

    probabilities = logits().softmax(1).numpy()
    scores = []
    for part in (slice(0, 333), slice(333, 666), slice(666, 1000)):
        twin = InceptionScore(feature=torch.nn.Identity(), splits=1)
        twin.update(logits()[part])
        scores.append(float(twin.compute()[0]))
    mean, deviation = inception_score(probabilities, 3)
    assert mean == pytest.approx(np.mean(scores), rel=1e-5)
    assert deviation == pytest.approx(np.std(scores), rel=1e-3)  # of the population; torchmetrics' is the sample's


def test_the_inception_score_by_hand() -> None:
    # p(y) is (3/4, 1/4): half of log(4/3) and half of .5 log(2/3) + .5 log 2, so that the score is (4/3)^.5 (4/3)^.25
    assert inception_score(np.array([[1, 0], [0.5, 0.5]]), 1)[0] == pytest.approx((4 / 3) ** 0.75)
    certain = np.eye(4)[[0, 0, 0, 1, 2, 3]]
    mean, deviation = inception_score(certain, 2)  # of the first three 1, of the others 3
    assert (mean, deviation) == pytest.approx((2, 1))
    assert inception_score(np.full((7, 5), 0.2), 3) == pytest.approx((1, 0))
    assert inception_score(np.eye(6), 1)[0] == pytest.approx(6)  # log of 0 is nowhere taken


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32 - 1), st.floats(0, 30))
def test_the_inception_score_is_from_1_to_the_number_of_classes(count: int, classes: int, seed: int, peaked: float) -> None:
    rng = np.random.default_rng(seed)
    raised = np.exp(peaked * rng.normal(size=(count, classes)))
    answers = raised / raised.sum(axis=1, keepdims=True)
    for splits in range(1, count + 1):
        mean, deviation = inception_score(answers, splits)
        assert 1 - 1e-9 <= mean <= classes + 1e-9 and 0 <= deviation <= classes
    shuffled = inception_score(rng.permutation(answers), 1)
    assert shuffled == pytest.approx(inception_score(answers, 1))
    assert inception_score(answers, count) == pytest.approx((1, 0))  # of one image each nothing differs


def test_splits_of_what_is_sorted_by_class_have_all_classes() -> None:
    """As it stands each split has one class, and no score; shuffled the splits' is nearly that of all."""
    assert sorted(shuffled(400).tolist()) == list(range(400)) and np.array_equal(shuffled(400), shuffled(400))
    certain = np.eye(4)[np.repeat(np.arange(4), 100)]
    assert inception_score(certain, 4)[0] == pytest.approx(1)
    assert inception_score(certain[shuffled(400)], 4)[0] == pytest.approx(4, abs=0.2)


def test_what_has_no_inception_score() -> None:
    for answers, splits, match in (
        (np.full((4, 2), 0.5), 5, "there are 4 images and 5 splits"),
        (np.full((4, 2), 0.5), 0, "there are 4 images and 0 splits"),
        (np.zeros((0, 2)), 1, "there are 0 images and 1 splits"),
        (np.full((4, 2), 0.6), 2, "are no probabilities"),
        (np.array([[-0.5, 1.5]]), 1, "are no probabilities"),
        (np.array([[np.nan, 1]]), 1, "are no probabilities"),
    ):
        with pytest.raises(UserError, match=match):
            inception_score(answers, splits)


def by_hand(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """SSIM of each colour by its formula, over all 11 x 11 windows that lie in the picture."""
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    values = []
    for colour in range(3):
        one, other = (np.lib.stride_tricks.sliding_window_view(image[..., colour].astype(float), (11, 11)) for image in (a, b))
        mean = [(image * window).sum((2, 3)) for image in (one, other)]
        variance = [(image**2 * window).sum((2, 3)) - m**2 for image, m in zip((one, other), mean, strict=True)]
        covariance = (one * other * window).sum((2, 3)) - mean[0] * mean[1]
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        values.append(
            (2 * mean[0] * mean[1] + c1) * (2 * covariance + c2) / ((mean[0] ** 2 + mean[1] ** 2 + c1) * (variance[0] + variance[1] + c2))
        )
    return float(np.mean(values))


def test_ssim_is_its_formula_s_and_torchmetrics_s_without_the_border() -> None:
    import_torchvision()
    from torchmetrics.functional.image import structural_similarity_index_measure

    a, b = pictures(), pictures()
    b = (b * 0.8 + pictures(seed=1) * 0.2).astype(np.uint8)
    value = similarity(a[0], b[0])
    assert 0.3 < value < 0.99
    assert value == pytest.approx(by_hand(a[0], b[0]), abs=1e-9)
    one, other = (torch.from_numpy(image).permute(0, 3, 1, 2).double() for image in (a, b))
    found = structural_similarity_index_measure(one, other, data_range=255.0, return_full_image=True)
    assert isinstance(found, tuple)
    # Its picture is padded by 5 pixels, which it cuts off again before the mean, so that all pixels are left: here without 5 more.
    assert value == pytest.approx(float(found[1][..., 5:-5, 5:-5].mean()), abs=1e-6)


def test_ssim_of_equal_and_of_other_pictures() -> None:
    a, b = pictures(2)
    assert similarity(a, a) == pytest.approx(1)
    assert similarity(a, b) == pytest.approx(similarity(b, a)) and similarity(a, b) < 0.9
    black, white = np.zeros((11, 11, 3), np.uint8), np.full((11, 11, 3), 255, np.uint8)
    assert similarity(black, white) == pytest.approx((0.01 * 255) ** 2 / (255**2 + (0.01 * 255) ** 2))
    for other in (a[:10], np.zeros((32, 31, 3), np.uint8)):
        with pytest.raises(UserError, match=r"pictures of \d+ x \d+ and \d+ x \d+ pixels have no SSIM"):
            similarity(other, a)
    with pytest.raises(UserError, match="pictures of 10 x 11 and 10 x 11 pixels have no SSIM"):
        similarity(black[:, :10], white[:, :10])


def by_fourier(image: NDArray[np.uint8]) -> float:
    energy = (np.abs(np.fft.fft2(image.astype(float), axes=(0, 1))) ** 2).sum(axis=2)
    height, width = energy.shape
    there = np.zeros((height, width), bool)
    there[height // 2], there[:, width // 2] = True, True
    return float(energy[there].sum() / (energy.sum() - energy[0, 0]))


def test_the_checkerboard_share_is_the_fourier_transform_s() -> None:
    images = pictures(3, 24)[:, :, :18]
    assert checkerboard(images) == pytest.approx(np.mean([by_fourier(one) for one in images]))


def test_what_nearest_neighbours_enlarge_has_no_checkerboard() -> None:
    """Nor has what a 1 x 1 convolution makes of it, which mixes no pixels; a 3 x 3 one may leave some."""
    small = torch.from_numpy(pictures(2, 8).transpose(0, 3, 1, 2).copy()).float()
    large = F.interpolate(small, scale_factor=2, mode="nearest")
    mixed = F.conv2d(large, torch.rand(3, 3, 1, 1, generator=torch.Generator().manual_seed(0)) / 3)
    for maps in (large, mixed):
        assert checkerboard(maps.permute(0, 2, 3, 1).byte().numpy()) == 0


def test_what_a_transposed_convolution_makes_of_a_constant_is_checkerboard() -> None:
    """Kernel 3 and stride 2: a pixel gets one, two or four of its weights, with the period 2 in both directions."""
    maps = F.conv_transpose2d(torch.full((1, 1, 8, 8), 20.0), torch.ones(1, 1, 3, 3), stride=2)[:, :, 2:-3, 2:-3]
    assert maps[0, 0, :2, :2].tolist() == [[80, 40], [40, 20]] and maps.shape[2:] == (12, 12)
    images = maps.permute(0, 2, 3, 1).expand(1, 12, 12, 3).byte().numpy()
    assert checkerboard(images) == pytest.approx(1)


def test_checkerboards_by_hand() -> None:
    flat = np.full((1, 4, 6, 3), 90, np.uint8)
    assert checkerboard(flat) == 0
    columns = flat.copy()
    columns[:, :, ::2] += 10
    squares = flat.copy()
    squares[:, ::2, ::2] += 10
    squares[:, 1::2, 1::2] += 10
    halves = flat.copy()
    halves[:, :2] += 10  # two rows and two others: of period 4
    assert [checkerboard(one) for one in (columns, squares, halves)] == pytest.approx([1, 1, 0])
    both = flat.copy().astype(int)
    both[:, :2] += 10
    both[:, :, ::2] += 20  # four times the energy
    assert checkerboard(both.astype(np.uint8)) == pytest.approx(0.8)
    assert checkerboard(np.concatenate([columns, halves, flat])) == pytest.approx(1 / 3)
    with pytest.raises(UserError, match="pictures of 5 x 4 pixels have no period of 2 pixels"):
        checkerboard(flat[:, :, :5])


def test_masks_sleeves_and_distances_by_hand() -> None:
    masks, truth = np.zeros((2, 3, 2, 2), bool)
    masks[0], truth[0, 0] = True, True  # a half
    masks[1, 0, 0], truth[1, 1, 1] = True, True  # nothing; the third pair is empty
    assert mask_iou(masks, truth) == mask_iou(truth, masks) == pytest.approx((0.5 + 0 + 1) / 3)
    parts = np.array([[[4, 4], [4, 2]], [[2, 1], [5, 0]], [[0, 0], [0, 3]]], np.uint8)
    assert sleeve_share(parts, 4, 2).tolist() == [0.75, 0, 0]
    images, other = np.zeros((2, 3, 2, 2, 3), np.uint8)
    images[0, 0, 0] = [255, 0, 0]  # a third of 2
    other[1] = 51  # .4
    where = np.zeros((3, 2, 2), bool)
    where[0, 0], where[1, 1, 0] = True, True
    assert distance(images, other, where) == distance(other, images, where) == pytest.approx((2 / 3 / 2 + 0.4) / 2)
    assert np.isnan(distance(images, other, np.zeros_like(where)))


def test_the_window_is_the_authors() -> None:
    assert (perception.SIGMA, 2 * int(3.5 * perception.SIGMA + 0.5) + 1) == (1.5, perception.WINDOW)
