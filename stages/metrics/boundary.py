"""The boundary benchmark of BSDS500: precision and recall of boundary maps against several annotators; ODS, OIS, AP.

    python -m stages.metrics.boundary PREDICTIONS GROUND_TRUTH --json out.json --counts counts.csv

PREDICTIONS is a folder of 8- or 16-bit PNG, .npy (values 0 to 1) or BSDS `ucm2` .mat, one for each GROUND_TRUTH/*.mat, with
its name; others are not looked at. The measure is the official one (`boundaryBench`, and `edgesEvalDir`, which equals it):

- A map is binarised at each of K thresholds from 1/(K + 1) to K/(K + 1) (`even_thresholds`), `value >= threshold`, and then thinned.
- It is matched with every annotator's boundaries one to one, within `max_dist` times the image's diagonal, at least total
  distance, an unmatched pair of pixels costing 100 times the greatest distance (`correspondence`). count_r and sum_r are the
  matched and all true pixels, summed over annotators; count_p the predicted pixels that any annotator matches; sum_p all.
- ODS: the best F over all images' sums, linearly interpolated between thresholds; OIS: sums of each image's counts at its own
  best threshold; AP: mean precision at recalls 0, 0.01, ..., 1, those out of reach counting 0.

The original finds its assignment in a graph with random edges, differs from run to run and misses some matches (about 1 in
2,000); here it is exact, and of equally good assignments always the same.
On the original's own sample, five images at five thresholds (BSR/bench/data), AP is .3075 of the PNG and of the ucm2, where it
publishes .3076 of both.
"""

import argparse
import csv
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import destination, replacing, write_csv, write_json, writing
from stages.core.fingerprint import syntax_hash
from stages.datasets.edges import read_boundaries
from stages.metrics.edge_maps import SUFFIXES, read_map

COUNTS = ("count_r", "sum_r", "count_p", "sum_p")
MAX_DIST = 0.0075
OUTLIER_COST = 100  # times the greatest distance
LARGEST_RADIUS = 100  # pixels; the matcher's whole numbers overflow at 140


def even_thresholds(number: int) -> np.ndarray:
    """The benchmark's thresholds, evenly between 0 and 1: Matlab's linspace(1 / (K + 1), 1 - 1 / (K + 1), K), to the last digit.

    At K = 5 the second lies a last digit above 2/6, so that 85 of 255 stays below it, as in the original. At K = 99 and 33 no value
    of 8 or 16 bits lies between these and the fractions k / (K + 1).
    """
    if number < 1:
        raise UserError(f"the number of thresholds is {number}: it must be 1 or more (the benchmark's is 99)")
    first, last = 1 / (number + 1), 1 - 1 / (number + 1)
    thresholds = first + np.arange(number) * (last - first) / max(number - 1, 1)  # in Matlab's order; NumPy's linspace divides first
    thresholds[-1] = last
    return thresholds


def evaluate(
    prediction: np.ndarray, truths: np.ndarray, thresholds: np.ndarray, max_dist: float = MAX_DIST, thin: bool = True
) -> np.ndarray:
    """Match one prediction with its annotators at every threshold.

    Parameters
    ----------
    prediction : (H, W), 0 to 1. A constant map marks no boundary: its count_p and sum_p are 0.
    truths : bool (annotators, H, W).
    thresholds : (T,), ascending, above 0.
    max_dist : greatest distance of a match, as a share of the diagonal.
    thin : thin each binarised map.

    Returns
    -------
    int64 (T, 4): count_r, sum_r, count_p, sum_p.
    """
    from stages.metrics import correspondence  # compiles, or loads what it once compiled

    if prediction.shape != truths.shape[1:]:
        raise UserError(f"the prediction is {_size(prediction)} and the ground truth {_size(truths[0])}: they must be equal in size")
    radius = max_dist * math.hypot(*prediction.shape)
    if not 0 < radius <= LARGEST_RADIUS:
        raise UserError(f"max_dist {max_dist} is {radius:.1f} pixels here: it must be above 0, and at most {LARGEST_RADIUS} pixels")
    truths = np.ascontiguousarray(truths)  # Matlab's order would be compiled for anew
    counts = np.zeros((len(thresholds), 4), np.int64)
    counts[:, 1] = np.count_nonzero(truths)
    if prediction.min() == prediction.max():
        return counts
    passed = np.searchsorted(thresholds, prediction, side="right")  # how many thresholds a pixel reaches
    steps = np.unique(passed[passed > 0])  # between them the map stays as it is
    if not len(steps):
        return counts
    maps = np.stack([passed >= step for step in steps[::-1]])  # from few pixels to many
    if thin:
        for each in maps:
            each[:] = correspondence.thin(each)
    matched = np.zeros_like(maps)
    outlier_cost = math.ceil(100 * OUTLIER_COST * radius)
    count_r = sum(correspondence.match_series(maps, truth, radius, outlier_cost, index, matched) for index, truth in enumerate(truths))
    found = np.stack([count_r, matched.sum(axis=(1, 2)), maps.sum(axis=(1, 2))], axis=1)[::-1]
    step_of = np.searchsorted(steps, np.arange(1, len(thresholds) + 1))
    reached = step_of < len(steps)
    counts[reached, 0], counts[reached, 2], counts[reached, 3] = found[step_of[reached]].T
    return counts


def summarize(thresholds: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """The benchmark's scores.

    Parameters
    ----------
    thresholds : (T,), ascending.
    counts : (images, T, 4) as `evaluate` gives them.

    Returns
    -------
    ods {threshold, recall, precision, f}, ois {recall, precision, f}, ap, r50 (the recall at precision 0.5), images, and the
    curve: threshold, recall, precision and f of each threshold. Where nothing is predicted or found the scores are 0.
    """
    thresholds = np.round(thresholds, 12)  # as they are called: .06, where the value compared may be .060000000000000005
    recall, precision, f = _scores(counts.sum(axis=0))
    own_best = _scores(counts)[2].argmax(axis=1)
    ois = _scores(counts[np.arange(len(counts)), own_best].sum(axis=0))
    curve = np.stack([thresholds, recall, precision, f], axis=1).tolist()
    return {
        "ods": _best(thresholds, recall, precision),
        "ois": dict(zip(("recall", "precision", "f"), map(float, ois), strict=True)),
        "ap": _average_precision(recall, precision),
        "r50": _recall_at_half(recall, precision),
        "images": len(counts),
        "curve": [dict(zip(("threshold", "recall", "precision", "f"), point, strict=True)) for point in curve],
    }


def _scores(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall, precision and F of counts (..., 4)."""
    count_r, sum_r, count_p, sum_p = np.moveaxis(counts, -1, 0)
    recall, precision = count_r / np.maximum(sum_r, 1), count_p / np.maximum(sum_p, 1)
    return recall, precision, _f(recall, precision)


def _f(recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return 2 * precision * recall / np.maximum(np.finfo(float).eps, precision + recall)


def _best(thresholds: np.ndarray, recall: np.ndarray, precision: np.ndarray) -> dict[str, float]:
    """The point of best F on the curve, linear in 99 steps between neighbouring thresholds."""
    if len(thresholds) > 1:
        share = np.linspace(0, 1, 100)
        thresholds, recall, precision = (
            (values[1:, None] * share + values[:-1, None] * (1 - share)).ravel() for values in (thresholds, recall, precision)
        )
    f = _f(recall, precision)
    best = f.argmax()
    return {
        name: float(values[best])
        for name, values in zip(("threshold", "recall", "precision", "f"), (thresholds, recall, precision, f), strict=True)
    }


def _average_precision(recall: np.ndarray, precision: np.ndarray) -> float:
    recall, first = np.unique(recall, return_index=True)
    if len(recall) < 2:
        return 0.0
    # 101 values divided by 100, as in the original.
    return float(np.interp(np.arange(101) / 100, recall, precision[first], left=0, right=0).sum() / 100)


def _recall_at_half(recall: np.ndarray, precision: np.ndarray) -> float:
    precision, first = np.unique(precision, return_index=True)
    return float(np.interp(max(precision[0], 0.5), precision, recall[first], right=0))


def evaluate_folders(
    predictions: Path,
    ground_truth: Path,
    thresholds: np.ndarray,
    max_dist: float = MAX_DIST,
    thin: bool = True,
    jobs: int = 1,
    counts_file: Path | None = None,
) -> tuple[list[str], np.ndarray]:
    """Evaluate every image of a folder, on `jobs` threads.

    With `counts_file`, each image's counts are kept there as soon as they are there, and images whose files and settings are
    those of an earlier run are not evaluated again (`counts_file`.inputs has their hashes).

    Returns
    -------
    The images' names, and counts (images, T, 4).
    """
    pairs = _pairs(predictions, ground_truth)
    return list(pairs), evaluate_files(pairs, thresholds, max_dist, thin, jobs, counts_file)


def evaluate_files(
    pairs: Mapping[str, tuple[Path, Path]],
    thresholds: np.ndarray,
    max_dist: float = MAX_DIST,
    thin: bool = True,
    jobs: int = 1,
    counts_file: Path | None = None,
) -> np.ndarray:
    """`evaluate_folders` for the files of each image, by name: prediction and ground truth. Returns counts (images, T, 4)."""
    if jobs < 1:
        raise UserError(f"the number of jobs is {jobs}: it must be 1 or more")
    if counts_file:
        target = destination(counts_file)
        if target is None:
            raise UserError(f"{counts_file} is no file, and --counts is read again to go on from it: name a file")
        counts_file = target  # lest a file and a link to it have different hashes of inputs beside them
    sources = [Path(__file__).with_name(f"{name}.py") for name in ("boundary", "correspondence", "edge_maps")]
    code = [syntax_hash(source.read_text()) for source in sources]
    settings = json.dumps([thresholds.tolist(), max_dist, thin, code])
    keys = {name: _key(settings, *pair) for name, pair in pairs.items()} if counts_file else {}
    done = _resume(counts_file, keys, thresholds) if counts_file else {}
    if counts_file:
        _save(counts_file, keys, done, thresholds)  # without what is half-written or out of date
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(_evaluate_pair, *pairs[name], thresholds, max_dist, thin): name for name in pairs if name not in done}
        try:
            for future in _progress(as_completed(waiting), len(waiting)):
                name = waiting[future]
                done[name] = future.result()
                if counts_file:
                    _append(counts_file, keys[name], name, done[name], thresholds)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if counts_file:
        _save(counts_file, keys, done, thresholds)
    return np.stack([done[name] for name in pairs])


def _pairs(predictions: Path, ground_truth: Path) -> dict[str, tuple[Path, Path]]:
    """The files of each image: name -> prediction, ground truth."""
    for folder in (predictions, ground_truth):
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder")
    truths = {file.stem: file for file in sorted(ground_truth.glob("*.mat"))}
    if not truths:
        raise UserError(f"{ground_truth} has no .mat file: it must be the folder of a split, as groundTruth/test")
    found: dict[str, Path] = {}
    for file in sorted(predictions.iterdir()):
        if file.suffix in SUFFIXES and file.stem in truths:
            if file.stem in found:
                raise UserError(f"{file} and {found[file.stem].name} are both predictions for {truths[file.stem]}: leave one")
            found[file.stem] = file
    missing = [name for name in truths if name not in found]
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{predictions} has no {missing[0]}.png, .npy or .mat for {truths[missing[0]]}{more}")
    return {name: (found[name], truths[name]) for name in truths}


def _evaluate_pair(prediction: Path, truth: Path, thresholds: np.ndarray, max_dist: float, thin: bool) -> np.ndarray:
    values, truths = read_map(prediction), read_boundaries(truth)
    if values.shape != truths.shape[1:]:
        raise UserError(f"{prediction} is {_size(values)} and {truth} {_size(truths[0])}: a prediction must have its ground truth's size")
    if not truths.any():
        raise UserError(f"{truth} has no boundary pixel of any annotator")
    if values.min() == values.max():
        print(f"warning: {prediction} is constant: it scores 0", file=sys.stderr)
    return evaluate(values, truths, thresholds, max_dist, thin)


def _size(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))


def _progress(futures: Iterator, total: int) -> Iterator:
    from tqdm import tqdm

    return tqdm(futures, total=total, unit="image", disable=None)


def _key(settings: str, *files: Path) -> str:
    """Hash of all that an image's counts depend on."""
    digest = hashlib.sha256(settings.encode())
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]


def _inputs(counts_file: Path) -> Path:
    return counts_file.with_name(f"{counts_file.name}.inputs")


def _rows(name: str, counts: np.ndarray, thresholds: np.ndarray) -> list[dict[str, Any]]:
    pairs = zip(thresholds.tolist(), counts.tolist(), strict=True)
    return [{"image": name, "threshold": f"{threshold:.6g}", **dict(zip(COUNTS, row, strict=True))} for threshold, row in pairs]


def _resume(counts_file: Path, keys: dict[str, str], thresholds: np.ndarray) -> dict[str, np.ndarray]:
    """The counts in the file that are whole and belong to these keys."""
    if not counts_file.exists():
        return {}
    rows: dict[str, list[list[str]]] = {}
    with counts_file.open(newline="") as file:
        lines = csv.reader(file)
        if next(lines, None) != ["image", "threshold", *COUNTS]:
            raise UserError(f"{counts_file} exists and is no table of counts: name another file for --counts")
        for line in lines:
            rows.setdefault(line[0] if line else "", []).append(line[2:])
    known = (
        dict(line.split(" ", 1)[::-1] for line in _inputs(counts_file).read_text().splitlines()) if _inputs(counts_file).exists() else {}
    )
    # An image's key is written after its rows, so where there is one they are all there.
    whole = {name for name, key in keys.items() if known.get(name) == key and len(rows.get(name, ())) == len(thresholds)}
    return {name: np.array(rows[name], np.int64) for name in sorted(whole)}


def _save(counts_file: Path, keys: dict[str, str], done: dict[str, np.ndarray], thresholds: np.ndarray) -> None:
    """Write the table of counts anew, by image."""
    with writing(counts_file):
        _inputs(counts_file).unlink(missing_ok=True)  # first, lest its keys stand beside other rows
    rows = [row for name in sorted(done) for row in _rows(name, done[name], thresholds)]
    with replacing(counts_file) as aside:
        write_csv(aside, rows)
        if not rows:
            aside.write_text(",".join(["image", "threshold", *COUNTS]) + "\n")
    with replacing(_inputs(counts_file)) as aside:
        aside.write_text("".join(f"{keys[name]} {name}\n" for name in sorted(done)))


def _append(counts_file: Path, key: str, name: str, counts: np.ndarray, thresholds: np.ndarray) -> None:
    with writing(counts_file), counts_file.open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(row.values() for row in _rows(name, counts, thresholds))
    with writing(counts_file), _inputs(counts_file).open("a") as file:
        file.write(f"{key} {name}\n")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m stages.metrics.boundary", description="The boundary benchmark of BSDS500.")
    options.add_argument("predictions", type=Path, help="folder of PNG (8 or 16 bits), .npy or ucm2 .mat")
    options.add_argument("ground_truth", type=Path, help="folder of BSDS .mat")
    options.add_argument("--json", type=Path, required=True, help="where to write the scores and the curve")
    options.add_argument("--counts", type=Path, help="table of counts by image and threshold; resumes from it")
    options.add_argument("--thresholds", type=int, default=99, help="how many (default: %(default)s)")
    options.add_argument("--max-dist", type=float, default=MAX_DIST, help="tolerance, a share of the diagonal (default: %(default)s)")
    options.add_argument("--no-thin", action="store_true", help="do not thin the binarised maps")
    options.add_argument("--jobs", type=int, default=1, help="threads (default: %(default)s)")
    return options


def main() -> None:
    args = parser().parse_args()
    with exit_on_error():
        destination(args.json)  # before the work
        thresholds = even_thresholds(args.thresholds)
        settings = {"max_dist": args.max_dist, "thin": not args.no_thin}
        _, counts = evaluate_folders(args.predictions, args.ground_truth, thresholds, **settings, jobs=args.jobs, counts_file=args.counts)
        scores = summarize(thresholds, counts)
        write_json(args.json, scores | settings)
        ods, ois = scores["ods"], scores["ois"]
        print(f"ODS {ods['f']:.4f} at {ods['threshold']:.4f}, OIS {ois['f']:.4f}, AP {scores['ap']:.4f}, R50 {scores['r50']:.4f}")


if __name__ == "__main__":
    main()
