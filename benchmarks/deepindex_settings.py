"""How the claim of Section 4.4.2, that 2-D beats 1-D once MA is above 1, fares under other readings of idf and other codebook sizes.

    python -m benchmarks.deepindex_settings FEATURES CODEBOOKS

FEATURES and CODEBOOKS are the folders of one data set and seed that `ch4_features` and `ch4_codebooks` made, such as
data/real_cpu/features/ch4_deepindex/smvs_dvd and data/real_cpu/codebooks/ch4_deepindex/smvs_dvd/seed0. Prints N-S, or mAP
where queries have other than four answers, of each variant in params.yaml at MA 1, 5 and 10.
"""

import argparse
from pathlib import Path

import numpy as np

from stages.ch4_deepindex import inverted
from stages.ch4_deepindex.evaluate import scores
from stages.ch4_deepindex.rank import Task, indexed, load_words
from stages.ch4_deepindex.settings import Variant
from stages.core.settings import build
from stages.datasets.described import load_set
from workflow.parameters import PARAMS
from workflow.scale import read

ASSIGNMENTS = (1, 5, 10)
READINGS = {"N/n": "ratio", "log(N/n)": "log", "no idf": "none"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("codebooks", type=Path)
    args = parser.parse_args()
    inverted.IDF["none"] = np.ones_like
    about = load_set(args.features)
    queries, images = about["queries"], len(about["images"])
    variants = {name: build(Variant, own) for name, own in read(PARAMS)["ch4_deepindex"]["variants"].items()}
    by_four = all(len(query["relevant"]) == 4 for query in queries)
    sizes = sorted({int(file.stem.split("_")[2]) for file in args.codebooks.glob("words_fc6_*.npy") if "pca" not in file.stem})
    for size in sizes:
        for reading, idf in READINGS.items():
            task = Task(images, [query["item"] for query in queries], idf, images)
            print(f"{size} words, {reading}:")
            for name, variant in variants.items():
                words = load_words(args.codebooks, variant.layers, size)
                found = [scores(indexed(task, words, each), queries, by_four)["ns" if by_four else "map"] for each in ASSIGNMENTS]
                print(
                    f"  {name:10}", "  ".join(f"MA {each}: {value:.3f}" for each, value in zip(ASSIGNMENTS, found, strict=True)), flush=True
                )


if __name__ == "__main__":
    main()
