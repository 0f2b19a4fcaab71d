"""Which trainings there are: what predicts and evaluates takes those, so that some of a grid of models and seeds can be judged."""

import itertools
import sys
from collections.abc import Iterable
from pathlib import Path

from stages.core.files import read_csv, write_csv
from stages.core.stage import Job


def available(
    job: Job, folder: str, models: Iterable[str], seeds: Iterable[int], name: str = "{model}-seed{seed}"
) -> list[tuple[str, int, Path]]:
    """Each model and seed of which there is a `name` in the folder, with that place, in the lists' order.

    folder : a declared dependency, or below one: models, or what they predicted. Those that are not there are named on
    standard error and in the run record. Where none is, a UserError says of the first, as of any dependency, what to run.
    """
    wanted = [(model, seed, f"{folder}/{name.format(model=model, seed=seed)}") for model, seed in itertools.product(models, seeds)]
    found = [(model, seed, job.dep(path)) for model, seed, path in wanted if Path(path).exists()]
    if wanted and not found:
        job.dep(wanted[0][2])
    if absent := [path for _, _, path in wanted if not Path(path).exists()]:
        print(f"{job.name} goes without {', '.join(absent)}: not there", file=sys.stderr)
        job.note(absent=absent)
    return found


def publish_curves(job: Job, chapter: str, experiment: str, trained: Iterable[tuple[str, int, Path]]) -> None:
    """Write the stage's output reports/metrics/<chapter>/<experiment>.training.csv: the curves of what `available` lists."""
    curves = [{"model": model, "seed": str(seed), **row} for model, seed, folder in trained for row in read_csv(folder / "curve.csv")]
    write_csv(job.out(f"reports/metrics/{chapter}/{experiment}.training.csv"), curves)
