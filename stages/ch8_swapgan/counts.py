"""Section 8.2.3's numbers of photos and pairs, for which nothing is trained.

python -m stages.ch8_swapgan.counts deepfashion_inshop
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from stages.ch8_swapgan.select import read_list
from stages.core import metrics, stage


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def counts_of(folder: Path) -> dict[str, int]:
    """By the metrics' names, of the lists that select.py has left."""
    pairs, test, swaps = (read_list(folder, f"{name}.csv") for name in ("pairs", "test", "swaps"))
    trained = {name for pair in pairs for name in pair}
    return {"train_images": len(trained), "train_pairs": len(pairs), "test_images": len(test), "test_pairs": len(swaps)}


def records(folder: Path) -> Iterator[metrics.Record]:
    for metric, value in counts_of(folder).items():
        yield metrics.Record("set", metric, value, metric.partition("_")[2], "none", "bitwise")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    folder = job.dep(job.data(f"prepared/ch8_swap_selection/{args.dataset}"))
    metrics.publish(job, "ch8_swapgan", f"{args.dataset}-counts", metrics.dataset_of(folder, args.dataset), records(folder))


if __name__ == "__main__":
    stage.execute(parser(), main)
