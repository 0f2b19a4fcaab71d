"""Several networks trained one after the other by one stage instance, where starting it takes longer than training a network."""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

from stages.core.stage import Job


class Train(Protocol):
    """Trains the network `name` with its checkpoint at `checkpoint`, leaves it in the folder `out`, returns notes for the run record."""

    def __call__(self, name: str, checkpoint: Path, out: Path) -> dict[str, Any]: ...


def train_block(job: Job, out: str, names: Collection[str], train: Train) -> None:
    """Train each of the networks and leave it in a folder of its name in the stage's output `out`.

    One that has finished lies beside the checkpoints until all have: a stage that was killed does not train it again. What a network
    comes to depends on its own name and settings, not on those of its block, if `train` seeds all that it draws.
    """
    begun = job.checkpoint.parent / f"{job.key}.block"
    notes = {}
    for name in names:
        finished, aside = begun / name, begun / f"{name}.partial"
        # Of one network it lies where any training's does, and so travels with a bundle.
        checkpoint = job.checkpoint if len(names) == 1 else begun / f"{name}.pt"
        if finished.exists():
            notes[name] = {"resumed": True}
            continue
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        notes[name] = train(name, checkpoint, aside)
        aside.rename(finished)
        checkpoint.unlink(missing_ok=True)
    job.note(trainings=notes)
    folder = job.out(out)
    folder.mkdir(parents=True)
    for name in notes:
        shutil.copytree(begun / name, folder / name)
    shutil.rmtree(begun)
