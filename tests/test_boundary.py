"""The boundary benchmark: the matcher against a dense assignment solver, scores against hand-worked numbers, and gPb's published ones."""

import csv
import json
import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PATIENCE, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment

from stages.core.errors import UserError
from stages.metrics import boundary, correspondence
from stages.metrics.boundary import evaluate, evaluate_folders, even_thresholds, summarize
from stages.metrics.edge_maps import read_map

RADIUS = 0.0075 * math.hypot(300, 400)  # 3.75 pixels


def blank() -> np.ndarray:
    return np.zeros((300, 400))


def line(column: int, value: float = 1.0) -> np.ndarray:
    """A vertical line."""
    values = blank()
    values[50:250, column] = value
    return values


# The matcher


def dense_assignment(predicted: np.ndarray, truth: np.ndarray, radius: float, outlier_cost: int) -> tuple[float, int]:
    """Least cost, and number of matches, with a dummy for every pixel on both sides: every arc written down."""
    a, b = np.argwhere(predicted), np.argwhere(truth)
    distance = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).reshape(len(a), len(b))
    never = 1e9
    cost = np.full((len(a) + len(b),) * 2, never)
    cost[: len(a), : len(b)] = np.where(distance <= radius, np.rint(100 * distance), never)
    cost[np.arange(len(a)), len(b) + np.arange(len(a))] = outlier_cost / 2
    cost[len(a) + np.arange(len(b)), np.arange(len(b))] = outlier_cost / 2
    cost[len(a) :, len(b) :] = 0
    rows, columns = linear_sum_assignment(cost)
    return cost[rows, columns].sum(), int(((rows < len(a)) & (columns < len(b))).sum())


def match(maps: np.ndarray, truth: np.ndarray, radius: float, outlier_cost: int, salt: int = 0) -> tuple[np.ndarray, np.ndarray]:
    matched = np.zeros_like(maps)
    return correspondence.match_series(maps, truth, radius, outlier_cost, salt, matched), matched


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 1.5, 2.3, 4.337]), st.sampled_from([300, 700, 43373]))
def test_matches_are_the_optimum(seed: int, radius: float, outlier_cost: int) -> None:
    """Also where the outlier cost is so low that it pays to leave pixels unmatched."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 13, 2)
    truth = rng.random((height, width)) < rng.random() * 0.7
    maps = rng.random((6, height, width)) < rng.random((6, 1, 1)) * 0.7
    counts, matched = match(maps, truth, radius, outlier_cost)
    for map_, count, pixels in zip(maps, counts, matched, strict=True):
        cost, number = dense_assignment(map_, truth, radius, outlier_cost)
        assert pixels.sum() == count and not (pixels & ~map_).any()
        if outlier_cost > 1000:
            assert count == number
        # Were all other predicted pixels not there, the least cost would be the same, plus that of leaving them unmatched.
        alone, _ = dense_assignment(pixels, truth, radius, outlier_cost)
        assert alone + (map_.sum() - count) * outlier_cost / 2 == cost
        # Nor does it matter which maps came before.
        assert np.array_equal(match(map_[None], truth, radius, outlier_cost)[1][0], pixels)


def test_matches_are_the_optimum_on_long_lines() -> None:
    """Chains of many pixels that must all move, which small maps do not have."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        truth = np.zeros((12, 150), bool)
        truth[5, : rng.integers(100, 150)] = True
        truth[rng.integers(0, 12, 20), rng.integers(0, 150, 20)] = True
        maps = np.stack([np.roll(truth, shift, axis=(0, 1)) | (rng.random(truth.shape) < 0.02) for shift in ((0, 3), (1, -2), (4, 0))])
        counts, matched = match(maps, truth, 4.337, 43373)
        for map_, count, pixels in zip(maps, counts, matched, strict=True):
            cost, number = dense_assignment(map_, truth, 4.337, 43373)
            alone, _ = dense_assignment(pixels, truth, 4.337, 43373)
            assert count == number
            assert alone + (map_.sum() - count) * 43373 / 2 == cost


def test_the_nearer_of_two_predictions_is_matched() -> None:
    truth, maps = np.zeros((9, 9), bool), np.zeros((1, 9, 9), bool)
    truth[4, 4] = maps[0, 4, 2] = maps[0, 5, 4] = True
    counts, matched = match(maps, truth, 3, 30000)
    assert counts.tolist() == [1]
    assert np.argwhere(matched[0]).tolist() == [[5, 4]]


def test_the_radius_is_inclusive_and_round() -> None:
    truth, maps = np.zeros((11, 11), bool), np.zeros((1, 11, 11), bool)
    truth[5, 5] = maps[0, 5, 8] = True
    assert match(maps, truth, 3, 30000)[0] == [1]
    assert match(maps, truth, 2.99, 30000)[0] == [0]
    maps[:] = False
    maps[0, 7, 8] = True  # 3.61 away, within a square of 3
    assert match(maps, truth, 3, 30000)[0] == [0]


def test_thinning_is_scikit_images() -> None:
    from skimage.morphology import thin

    rng = np.random.default_rng(0)
    for smooth in 30 * [0, 0.5, 1, 2, 4]:
        values = rng.random(rng.integers(1, 60, 2))
        mask = gaussian_filter(values, smooth) > rng.uniform(0.3, 0.7)
        assert np.array_equal(correspondence.thin(mask), thin(mask))


# Counts


def scores_at_half(prediction: np.ndarray, *truths: np.ndarray, **options: float) -> list[int]:
    return evaluate(prediction, np.stack(truths) > 0, np.array([0.5]), **options)[0].tolist()


def test_identical_maps_score_one() -> None:
    truth = line(100) + line(300)
    counts = evaluate(truth, truth[None] > 0, even_thresholds(99))
    assert counts.tolist() == 99 * [[400, 400, 400, 400]]
    found = summarize(even_thresholds(99), counts[None])
    assert (found["ods"]["f"], found["ods"]["recall"], found["ods"]["precision"], found["ois"]["f"]) == (1, 1, 1, 1)


def test_shifts_within_and_beyond_the_tolerance() -> None:
    assert scores_at_half(line(100), line(103)) == [200, 200, 200, 200]
    assert scores_at_half(line(100), line(104)) == [0, 200, 0, 200]
    assert scores_at_half(line(100), line(104), max_dist=0.011) == [200, 200, 200, 200]


def test_two_predictions_for_one_true_pixel() -> None:
    prediction, truth = blank(), blank()
    truth[10, 10] = prediction[10, 8] = prediction[10, 12] = 1
    assert scores_at_half(prediction, truth) == [1, 1, 1, 2]


def test_recall_is_summed_and_precision_united_over_annotators() -> None:
    prediction = line(100) + line(200) + line(300)
    assert scores_at_half(prediction, line(100), line(101) + line(200), line(399)) == [600, 800, 400, 600]


def test_a_thick_line_is_thinned_unless_told_otherwise() -> None:
    thick = line(99) + line(100) + line(101)
    _, _, count_p, sum_p = scores_at_half(thick, line(100))
    assert 198 <= count_p == sum_p <= 200
    assert scores_at_half(thick, line(100), thin=False) == [200, 200, 200, 600]


def test_thresholds_are_inclusive_and_every_row_is_that_of_its_own_threshold() -> None:
    levels = [13, 51, 51 + 102, 254]  # 51 / 255 is the threshold 0.2, 153 / 255 is 0.6
    prediction = sum(line(column, level / 255) for column, level in zip((50, 150, 250, 350), levels, strict=True))
    thresholds = even_thresholds(99)
    counts = evaluate(prediction, line(150)[None] > 0, thresholds)
    for row, threshold in zip(counts, thresholds, strict=True):
        hundredths = round(100 * threshold)
        assert row[3] == 200 * sum(100 * level >= 255 * hundredths for level in levels)
        assert row[[0, 2]].tolist() == 2 * [200 if hundredths <= 20 else 0]
        assert row.tolist() == evaluate(prediction, line(150)[None] > 0, np.array([threshold]))[0].tolist()


def test_thresholds_are_matlabs() -> None:
    # Where NumPy's linspace, which divides before it multiplies, gives the same digits; at 20 it does not (and 170 / 255 decides).
    for number in (1, 2, 3, 5, 9, 33):
        assert np.array_equal(even_thresholds(number), np.linspace(1 / (number + 1), 1 - 1 / (number + 1), number))
    assert even_thresholds(20)[13] < 170 / 255 < np.linspace(1 / 21, 1 - 1 / 21, 20)[13]
    assert even_thresholds(5).tolist() == [1 / 6, 0.33333333333333337, 0.5, 2 / 3, 0.8333333333333334]
    # 85 of 255 is 2/6, and stays below it, as in the original; 170 of 255 is 4/6, and does not.
    prediction = line(50, 85 / 255) + line(150, 170 / 255)
    assert evaluate(prediction, line(150)[None] > 0, even_thresholds(5))[:, 3].tolist() == [400, 200, 200, 200, 0]


@pytest.mark.parametrize("number", [99, 33])
@pytest.mark.parametrize("largest", [255, 65535])
def test_the_last_digit_of_a_threshold_decides_of_no_value_of_a_map(number: int, largest: int) -> None:
    whole = np.arange(largest + 1)
    for place, threshold in enumerate(even_thresholds(number), 1):
        assert np.array_equal(whole / largest >= threshold, whole * (number + 1) >= place * largest)


def test_thresholds_are_called_by_their_fractions() -> None:
    found = summarize(even_thresholds(99), np.ones((1, 99, 4), np.int64))
    assert [point["threshold"] for point in found["curve"]] == [hundredths / 100 for hundredths in range(1, 100)]


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_constant_map_scores_zero(value: float) -> None:
    counts = evaluate(np.full((300, 400), value), line(100)[None] > 0, even_thresholds(9))
    assert counts.tolist() == 9 * [[0, 200, 0, 0]]
    found = summarize(even_thresholds(9), counts[None])
    assert (found["ods"]["f"], found["ois"]["f"], found["ap"], found["r50"]) == (0, 0, 0, 0)
    assert "NaN" not in json.dumps(found)


def test_predictions_below_every_threshold_score_zero() -> None:
    assert evaluate(line(100, 0.05), line(100)[None] > 0, even_thresholds(9)).tolist() == 9 * [[0, 200, 0, 0]]


# Scores


def test_scores_by_hand() -> None:
    thresholds = np.array([0.25, 0.5, 0.75])
    counts = np.array([[[8, 10, 8, 16], [6, 10, 6, 8], [2, 10, 2, 2]], [[9, 10, 8, 24], [4, 10, 4, 12], [2, 10, 2, 2]]])
    found = summarize(thresholds, counts)
    recall, precision = [17 / 20, 10 / 20, 4 / 20], [16 / 40, 10 / 20, 4 / 4]
    assert [point["recall"] for point in found["curve"]] == recall
    assert [point["precision"] for point in found["curve"]] == precision
    assert [point["threshold"] for point in found["curve"]] == [0.25, 0.5, 0.75]
    assert [point["f"] for point in found["curve"]] == pytest.approx([2 * 17 * 16 / (17 * 40 + 16 * 20), 0.5, 1 / 3])
    # ODS: every point of the line from one threshold to the next, in 99 steps.
    points = []
    for a, b in ((0, 1), (1, 2)):
        for step in range(100):
            t = step / 99
            r, p = (v[a] + t * (v[b] - v[a]) for v in (recall, precision))
            points.append((2 * r * p / (r + p), thresholds[a] + t * 0.25, r, p))
    f, threshold, r, p = max(points)
    assert found["ods"] == pytest.approx({"f": f, "threshold": threshold, "recall": r, "precision": p})
    assert f > 0.5441  # better than at any of the three thresholds
    # OIS: the first image is best at its second threshold (2/3, against .62 and 1/3), the other at its first (.47, against .36 and 1/3).
    assert found["ois"] == pytest.approx({"recall": 15 / 20, "precision": 14 / 32, "f": 2 * 0.75 * 0.4375 / 1.1875})
    # AP: precision falls linearly from 1 at recall .2 to .5 at .5, and to .4 at .85; elsewhere 0. Recall .50 is one of them, once.
    falling = sum(1 - 0.5 * k / 30 for k in range(31)) + sum(0.5 - 0.1 * k / 35 for k in range(1, 36))
    assert found["ap"] == pytest.approx(falling / 100)
    assert found["r50"] == pytest.approx(0.5)
    assert found["images"] == 2


def test_recall_at_half_precision_lies_between_thresholds_or_at_the_ends() -> None:
    def r50(*rows: list[int]) -> float:
        return summarize(even_thresholds(len(rows)), np.array([rows]))["r50"]

    assert r50([8, 10, 4, 10], [4, 10, 6, 10]) == pytest.approx(0.6)
    assert r50([8, 10, 7, 10], [4, 10, 9, 10]) == pytest.approx(0.8)  # never as low as .5: at the lowest precision
    assert r50([8, 10, 1, 10], [4, 10, 2, 10]) == 0  # never as high
    assert r50([8, 10, 5, 10]) == pytest.approx(0.8)


def test_one_threshold_and_repeated_recalls() -> None:
    found = summarize(np.array([0.5]), np.array([[[5, 10, 5, 10]]]))
    assert found["ods"] == {"threshold": 0.5, "recall": 0.5, "precision": 0.5, "f": 0.5}
    assert found["ap"] == 0  # a point has no area
    # Of thresholds with the same recall the lowest counts.
    found = summarize(even_thresholds(3), np.array([[[10, 10, 5, 10], [10, 10, 9, 10], [0, 10, 1, 1]]]))
    assert found["ap"] == pytest.approx(sum(1 - 0.5 * k / 100 for k in range(101)) / 100)


# Files


def write_truth(file: Path, *boundaries: np.ndarray, key: str = "groundTruth") -> None:
    cell = np.empty((1, len(boundaries)), dtype=object)
    for index, values in enumerate(boundaries):
        cell[0, index] = {"Segmentation": np.ones(values.shape, np.uint16), "Boundaries": (values > 0).astype(np.uint8)}
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {key: cell})


def write_png(file: Path, values: np.ndarray, bits: int = 8) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(values * (2**bits - 1)).astype(f"uint{bits}")).save(file)


def noise(seed: int) -> np.ndarray:
    """A map of 8 bits with thin and thick structures."""
    values = gaussian_filter(np.random.default_rng(seed).random((40, 50)), 1)
    return np.rint(255 * (values - values.min()) / np.ptp(values)) / 255


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Four images with two annotators."""
    for seed in range(4):
        write_png(tmp_path / f"pb/{seed}.png", noise(seed))
        write_truth(tmp_path / f"gt/{seed}.mat", noise(seed) > 0.7, noise(seed + 9) > 0.7)
    return tmp_path / "pb", tmp_path / "gt"


def test_formats(tmp_path: Path) -> None:
    values = noise(0)
    write_png(tmp_path / "8.png", values)
    write_png(tmp_path / "16.png", values, bits=16)
    np.save(tmp_path / "a.npy", values.astype(np.float32))
    double = np.zeros((81, 101))
    double[2::2, 2::2] = values
    savemat(tmp_path / "u.mat", {"ucm2": double})
    for name, step in (("8.png", 1 / 255), ("16.png", 1 / 65535), ("a.npy", 1e-6), ("u.mat", 1e-12)):
        found = read_map(tmp_path / name)
        assert (found.dtype, found.shape) == (np.float64, (40, 50))
        assert np.abs(found - values).max() <= step / 2
    Image.fromarray(values > 0.5).save(tmp_path / "1.png")
    assert np.array_equal(read_map(tmp_path / "1.png"), values > 0.5)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.metrics.boundary", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_command(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = command(
        *folders, "--json", tmp_path / "out/s.json", "--counts", tmp_path / "c.csv", "--thresholds", 9, "--max-dist", 0.02, "--jobs", 2
    )
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "threshold", "count_r", "sum_r", "count_p", "sum_p"]
    assert [(row["image"], row["threshold"]) for row in rows] == [(str(k), f"0.{t}") for k in range(4) for t in range(1, 10)]
    counts = np.array([[int(row[key]) for key in boundary.COUNTS] for row in rows]).reshape(4, 9, 4)
    for seed in range(4):
        truths = np.stack([noise(seed) > 0.7, noise(seed + 9) > 0.7])
        assert np.array_equal(counts[seed], evaluate(noise(seed), truths, even_thresholds(9), 0.02))
    found = json.loads((tmp_path / "out/s.json").read_text())
    assert found == summarize(even_thresholds(9), counts) | {"max_dist": 0.02, "thin": True}
    assert done.stdout.startswith(f"ODS {found['ods']['f']:.4f} at {found['ods']['threshold']:.4f}, OIS {found['ois']['f']:.4f}")
    thick = command(*folders, "--json", tmp_path / "thick.json", "--thresholds", 9, "--no-thin")
    assert thick.returncode == 0
    assert json.loads((tmp_path / "thick.json").read_text())["curve"][4]["precision"] < found["curve"][4]["precision"]


def test_an_interrupted_evaluation_goes_on(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts_file, thresholds = tmp_path / "c.csv", even_thresholds(9)
    evaluated: list[str] = []
    real = boundary._evaluate_pair
    interrupted_at, interrupted = "2", threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, *arguments: Any, **options: Any) -> None:
            interrupted.set()
            super().shutdown(*arguments, **options)

    def evaluate_pair(prediction: Path, *arguments: object) -> np.ndarray:
        if prediction.stem == interrupted_at:
            wait_for(lambda: counts_file.read_text().count("\n") == 1 + 2 * len(thresholds))  # those before have been written
            raise KeyboardInterrupt
        if interrupted_at:  # the next one is not done before all has come to an end
            assert prediction.stem < interrupted_at or interrupted.wait(PATIENCE)
        evaluated.append(prediction.stem)
        return real(prediction, *arguments)

    def run(*, max_dist: float = 0.02) -> list[str]:
        evaluated.clear()
        evaluate_folders(*folders, thresholds, max_dist, counts_file=counts_file)
        return sorted(evaluated)

    monkeypatch.setattr(boundary, "_evaluate_pair", evaluate_pair)
    monkeypatch.setattr(boundary, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        run()
    interrupted_at = ""
    assert evaluated[:2] == ["0", "1"]
    with counts_file.open("a") as file:
        file.write("3,0.1,5,")  # a row that was being written
    assert run() == ["2", "3"]
    whole = counts_file.read_bytes()
    assert run() == [] and counts_file.read_bytes() == whole
    monkeypatch.setattr(boundary, "_evaluate_pair", real)
    evaluate_folders(*folders, thresholds, 0.02, counts_file=tmp_path / "fresh.csv", jobs=2)
    assert (tmp_path / "fresh.csv").read_bytes() == whole
    monkeypatch.setattr(boundary, "_evaluate_pair", evaluate_pair)
    # Another prediction, another truth, other settings, and rows that are gone.
    write_png(folders[0] / "1.png", noise(5))
    assert run() == ["1"]
    write_truth(folders[1] / "2.mat", noise(2) > 0.6)
    assert run() == ["2"]
    assert run(max_dist=0.03) == ["0", "1", "2", "3"]
    text = counts_file.read_text()
    counts_file.write_text(text.replace(next(row for row in text.splitlines(keepends=True) if row.startswith("3,")), ""))
    assert run(max_dist=0.03) == ["3"]
    counts_file.with_name("c.csv.inputs").unlink()
    assert run(max_dist=0.03) == ["0", "1", "2", "3"]


def test_predictions_of_other_images_are_not_looked_at(folders: tuple[Path, Path]) -> None:
    (folders[0] / "other.png").write_text("no PNG")
    names, counts = evaluate_folders(*folders, even_thresholds(3))
    assert (names, counts.shape) == (["0", "1", "2", "3"], (4, 3, 4))


def test_a_constant_prediction_is_told_of(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    write_png(folders[0] / "2.png", np.ones((40, 50)))
    _, counts = evaluate_folders(*folders, even_thresholds(3))
    assert counts[2, :, [0, 2, 3]].sum() == 0 < counts[2, :, 1].min()
    assert "2.png is constant: it scores 0" in capsys.readouterr().err


def test_bad_input(folders: tuple[Path, Path], tmp_path: Path) -> None:
    predictions, truths = folders

    def refused(match: str, thresholds: int = 3, **options: float | int | Path) -> None:
        with pytest.raises(UserError, match=match):
            evaluate_folders(predictions, truths, even_thresholds(thresholds), **options)

    def bad(name: str, write: object, match: str, file: Path | None = None) -> None:
        """With one bad file; then all is as before."""
        file = file or predictions / name
        kept = file.read_bytes() if file.exists() else None
        write(file)
        refused(match)
        file.unlink(missing_ok=True)
        if kept is not None:
            file.write_bytes(kept)

    write_png_ = lambda values: lambda file: write_png(file, values)  # noqa: E731
    bad("1.png", write_png_(noise(1)[1:]), r"pb/1\.png is 39 x 50 and .*gt/1\.mat 40 x 50")
    bad("1.png", Path.unlink, r"pb has no 1\.png, \.npy or \.mat for .*gt/1\.mat$")
    bad("1.png", lambda file: file.write_bytes(b"no image"), r"pb/1\.png cannot be read: it is no picture of a known format")
    bad("1.png", lambda file: Image.new("RGB", (50, 40)).save(file), r"pb/1\.png is a PNG of mode RGB")
    truth = truths / "1.mat"
    bad("", lambda file: savemat(file, {"other": 1}), r"gt/1\.mat has no variable groundTruth", truth)
    bad("", lambda file: write_truth(file), r"gt/1\.mat: groundTruth is empty", truth)
    bad("", lambda file: write_truth(file, blank()), r"gt/1\.mat 300 x 400", truth)
    bad("", lambda file: write_truth(file, np.zeros((40, 50))), r"gt/1\.mat has no boundary pixel", truth)
    np.save(predictions / "1.npy", noise(1))
    refused(r"pb/1\.png and 1\.npy are both predictions")
    (predictions / "1.png").unlink()
    for values, found in (
        (2 * noise(1), "it goes from 0 to 2"),
        (-noise(1), "it goes from -1 to -?0"),
        (np.where(noise(1) > 0.9, np.nan, noise(1)), "nan"),
        (np.stack([noise(1)]), r"float64 of shape \(1, 40, 50\)"),
        (np.zeros((0, 5)), "it is empty"),
    ):
        np.save(predictions / "1.npy", values)
        refused(rf"pb/1\.npy: .*{found}")
    (predictions / "1.npy").write_bytes(b"nothing")
    refused(r"pb/1\.npy cannot be read as \.npy")
    np.save(predictions / "1.npy", noise(1))
    refused("number of thresholds is 0", thresholds=0)
    refused("max_dist 0 is 0.0 pixels", max_dist=0)
    refused("max_dist nan", max_dist=math.nan)
    refused("number of jobs is 0", jobs=0)
    (tmp_path / "mine.csv").write_text("a,b\n")
    refused(r"mine\.csv exists and is no table of counts", counts_file=tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == "a,b\n"
    with pytest.raises(UserError, match="nowhere is not a folder"):
        evaluate_folders(tmp_path / "nowhere", truths, even_thresholds(3))
    with pytest.raises(UserError, match=r"pb has no \.mat file"):
        evaluate_folders(predictions, predictions, even_thresholds(3))


def test_the_command_says_it_in_one_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[0] / "3.png").unlink()
    done = command(*folders, "--json", tmp_path / "s.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {folders[0]} has no 3.png, .npy or .mat for {folders[1]}/3.mat\n"
    assert not (tmp_path / "s.json").exists()


def test_an_edge_map_is_not_handed_to_other_programs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[0] / "3.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 40\n%%EndComments\nshowpage\n%%EOF\n")
    done = command(*folders, "--json", tmp_path / "s.json", "--thresholds", 3)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {folders[0]}/3.png cannot be read: it is no picture of a known format\n"


def test_where_scores_and_counts_are_written(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Links stay, what is no file is refused or sent the bytes, and what is in the way is one sentence before the work."""
    for name in ("s.json", "c.csv"):
        (tmp_path / name).symlink_to(f"there/{name}")
    few = ("--thresholds", 3, "--max-dist", 0.02)
    done = command(*folders, "--json", tmp_path / "s.json", "--counts", tmp_path / "c.csv", *few)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "s.json").is_symlink() and (tmp_path / "c.csv").is_symlink()
    assert sorted(file.name for file in (tmp_path / "there").iterdir()) == ["c.csv", "c.csv.inputs", "s.json"]
    scores = json.loads((tmp_path / "there/s.json").read_text())
    sent = command(*folders, "--json", "/proc/self/fd/1", *few).stdout.splitlines()  # what /dev/stdout leads to
    assert json.loads("\n".join(sent[:-1])) == scores and sent[-1].startswith("ODS ")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))
    says = {
        ("--json", tmp_path / "there"): f"cannot write {tmp_path}/there: it is a folder; mend that, or give another place",
        ("--json", tmp_path / "s.json/x"): f"cannot write {tmp_path}/s.json/x: Not a directory; mend that, or give another place",
        ("--json", tmp_path / "x", "--counts", tmp_path / "there"): f"cannot write {tmp_path}/there: it is a folder; mend that, or give "
        "another place",
        ("--json", tmp_path / "x", "--counts", tmp_path / "pipe"): f"{tmp_path}/pipe is no file, and --counts is read again to go on from "
        "it: name a file",
    }
    for words, sentence in says.items():
        done = command(*folders, *words, *few)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {sentence}\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_counts_by_a_link_and_by_name_are_the_same_counts(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Else rows written under one name, of other settings, would be taken for those whose hashes stand beside the other."""
    (tmp_path / "link.csv").symlink_to("c.csv")
    wanted = {}
    for max_dist in (0.01, 0.05):
        _, wanted[max_dist] = evaluate_folders(*folders, even_thresholds(3), max_dist)
    assert not np.array_equal(*wanted.values())
    for name, max_dist in (("link.csv", 0.01), ("c.csv", 0.05), ("link.csv", 0.01), ("c.csv", 0.01)):
        _, counts = evaluate_folders(*folders, even_thresholds(3), max_dist, counts_file=tmp_path / name)
        assert np.array_equal(counts, wanted[max_dist])
    assert sorted(file.name for file in tmp_path.glob("*.csv*")) == ["c.csv", "c.csv.inputs", "link.csv"]


# Real data


@pytest.mark.slow
def test_gpb_owt_ucm_scores_as_published(tmp_path: Path) -> None:
    mirror = os.environ.get("THESIS_MIRROR")
    if not mirror or not (Path(mirror) / "bsds500").is_dir():
        pytest.skip("THESIS_MIRROR names no mirror with bsds500")
    base = Path(mirror) / "bsds500"
    thresholds = even_thresholds(99)
    _, counts = evaluate_folders(base / "gPb-owt-ucm/test", base / "BSR/BSDS500/data/groundTruth/test", thresholds, jobs=2)
    found = summarize(thresholds, counts)
    assert found["images"] == 200
    assert found["ods"]["f"] == pytest.approx(0.726, abs=0.001)
    assert (round(found["ois"]["f"], 2), round(found["ap"], 2)) == (0.76, 0.73)
