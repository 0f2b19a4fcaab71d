"""How far ODS, OIS and AP move with the choice of test images: the tolerance of Chapter 3's tables, by bootstrap.

    python -m stages.metrics.boundary PREDICTIONS GROUND_TRUTH --json out.json --counts counts.csv
    python -m benchmarks.boundary_error counts.csv

Images are drawn with replacement, as many as there are; the half width is half the distance between the 2.5 % and 97.5 % quantiles.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from stages.metrics.boundary import COUNTS, summarize

DRAWS = 2000


def half_widths(thresholds: np.ndarray, counts: np.ndarray, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Of a 95 % interval for each score. counts : (images, T, 4)."""
    found = []
    for _ in range(draws):
        scores = summarize(thresholds, counts[rng.integers(len(counts), size=len(counts))])
        found.append([scores["ods"]["f"], scores["ois"]["f"], scores["ap"]])
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return dict(zip(("ods", "ois", "ap"), (high - low) / 2, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path)
    table = pd.read_csv(parser.parse_args().counts)
    thresholds = table.threshold.unique()
    counts = table[list(COUNTS)].to_numpy().reshape(-1, len(thresholds), len(COUNTS))
    for name, width in half_widths(thresholds, counts, DRAWS, np.random.default_rng(0)).items():
        print(f"{name}: +-{width:.4f} over {len(counts)} images, {DRAWS} draws")


if __name__ == "__main__":
    main()
