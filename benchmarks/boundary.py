"""The boundary benchmark beside a plain solver and beside the original C++ matcher, on gPb-owt-ucm's maps of BSDS500; and on two threads.

    python -m benchmarks.boundary PREDICTIONS GROUND_TRUTH

The plain solver is OR-Tools' SimpleLinearSumAssignment on the whole graph of each map and annotator, a dummy beside every pixel;
its matches must be as many as ours. The original is `correspondPixels` as the package pyEdgeEval compiles it, where that is installed
(its matches differ from run to run: it draws edges at random). Both get maps that are thinned already, a sample of the thresholds
and one core; ours is the whole evaluation of all 99 thresholds, with reading the files.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stages.datasets.edges import read_boundaries
from stages.metrics import correspondence
from stages.metrics.boundary import MAX_DIST, evaluate, evaluate_folders, even_thresholds
from stages.metrics.edge_maps import read_map

IMAGES, SAMPLE = 10, slice(4, 99, 10)


def plain_matches(map_: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which pixels of the map are matched, by one assignment problem over all pixels and as many dummies."""
    from ortools.graph.python.linear_sum_assignment import SimpleLinearSumAssignment
    from scipy.spatial import cKDTree

    predicted, true = np.argwhere(map_), np.argwhere(truth)
    matched = np.zeros_like(map_)
    if not len(predicted) or not len(true):
        return matched
    radius = MAX_DIST * math.hypot(*truth.shape)
    near = cKDTree(predicted).sparse_distance_matrix(cKDTree(true), radius, output_type="ndarray")
    i, j, distance = near["i"], near["j"], np.rint(100 * near["v"])
    rows, columns = np.arange(len(predicted)), np.arange(len(true))
    outlier = math.ceil(100 * 100 * radius)
    solver = SimpleLinearSumAssignment()
    solver.add_arcs_with_cost(
        np.concatenate([i, rows, len(rows) + columns, len(rows) + j]),
        np.concatenate([j, len(columns) + rows, columns, len(columns) + i]),
        np.concatenate([distance, np.full(len(rows), outlier), 0 * columns, 0 * i]).astype(np.int64),
    )
    assert solver.solve() == solver.OPTIMAL
    mates = np.array([solver.right_mate(row) for row in range(len(rows))])
    matched[tuple(predicted[mates < len(columns)].T)] = True
    return matched


def original_matches() -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """The same by the original, if it is there."""
    try:
        from pyEdgeEval._lib.correspond_pixels import correspond_pixels
    except ImportError:
        return None
    return lambda map_, truth: correspond_pixels(map_, truth, MAX_DIST)[0] > 0


def measure(matches: Callable, maps: list[np.ndarray], truths: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds, and count_r and count_p of each map."""
    started, counts = time.perf_counter(), []
    for map_ in maps:
        found = [matches(map_, truth) for truth in truths]
        counts.append((sum(each.sum() for each in found), np.any(found, axis=0).sum()))
    return time.perf_counter() - started, np.array(counts)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("predictions", type=Path)
    parser.add_argument("ground_truth", type=Path)
    args = parser.parse_args()
    thresholds = even_thresholds(99)
    truth_files = sorted(args.ground_truth.glob("*.mat"))
    chosen = truth_files[:: max(1, len(truth_files) // IMAGES)]
    peers = {"plain": plain_matches, "original": original_matches()}
    if peers["original"] is None:
        print("original: not measured, pyEdgeEval is not installed")
        del peers["original"]
    evaluate(np.eye(9), np.eye(9)[None] > 0, thresholds)  # compiles
    seconds: dict[str, list[float]] = {}
    counts: dict[str, np.ndarray] = {name: np.zeros(2, np.int64) for name in ("ours", *peers)}
    for file in chosen:
        started = time.perf_counter()
        prediction, truths = read_map(args.predictions / f"{file.stem}.png"), read_boundaries(file)
        ours = evaluate(prediction, truths, thresholds)
        seconds.setdefault("ours", []).append((time.perf_counter() - started) / len(thresholds))
        counts["ours"] += ours[SAMPLE, ::2].sum(axis=0)
        maps = [correspondence.thin(prediction >= threshold) for threshold in thresholds[SAMPLE]]
        for name, matches in peers.items():
            took, found = measure(matches, maps, truths)
            seconds.setdefault(name, []).append(took / len(maps))
            counts[name] += found.sum(axis=0)
            assert name != "plain" or np.array_equal(found[:, 0], ours[SAMPLE, 0]), f"{file.stem}: other numbers of matches"
    for name, values in seconds.items():
        ratio = sum(values) / sum(seconds["ours"])
        count_r, count_p = counts[name]
        print(
            f"{name}: {1000 * np.mean(values):.2f} ms an image and threshold, {ratio:.0f} times ours; count_r {count_r}, count_p {count_p}"
        )
    walls = {}
    for jobs in (1, 2):
        started = time.perf_counter()
        evaluate_folders(args.predictions, args.ground_truth, thresholds, jobs=jobs)
        walls[jobs] = time.perf_counter() - started
        print(f"all {len(truth_files)} images, 99 thresholds, {jobs} jobs: {walls[jobs]:.1f} s")
    print(f"2 jobs are {walls[1] / walls[2]:.2f} times as fast as 1")


if __name__ == "__main__":
    main()
