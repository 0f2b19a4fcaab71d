"""The training loop that every chapter shares: steps, a curve, checkpoints that resume to the same bytes."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from stages.core import runtime
from stages.core.errors import UserError

Row = dict[str, float | int]


class Stateful(Protocol):
    """Anything whose state a checkpoint must hold: modules, optimisers."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


@dataclass(frozen=True)
class Schedule:
    """Lengths in iterations; `checkpoint_every` is a multiple of `log_every`."""

    iterations: int
    log_every: int
    checkpoint_every: int


def train(
    step: Callable[[int], torch.Tensor],
    observe: Callable[[int], Row],
    stateful: Mapping[str, Stateful],
    schedule: Schedule,
    checkpoint: Path,
    label: str,
) -> list[Row]:
    """Call `step(i)` for i = 0, 1, ... and return the curve.

    Parameters
    ----------
    step : takes the iteration's number, returns its loss, a scalar tensor left on the device (reading it would make the
        device wait, so it is read every `log_every` iterations only).
    observe : takes the number of iterations done, returns what the curve holds besides `iteration` and `train_loss`
        (the mean over the last `log_every` iterations).
    stateful : what a checkpoint holds. Randomness inside a step must come from the global generators, which are
        saved along, or from the iteration's number.
    checkpoint : written every `checkpoint_every` iterations, resumed from if it is there.

    Raises
    ------
    UserError : a loss that is not finite, with its iteration and the last good checkpoint.
    """
    done, rows = _resume(stateful, checkpoint)
    losses: list[torch.Tensor] = []
    with tqdm(total=schedule.iterations, initial=done, desc=label, disable=None, leave=False) as bar:
        for iteration in range(done, schedule.iterations):
            losses.append(step(iteration).detach())
            done = iteration + 1
            if done % schedule.log_every and done != schedule.iterations:
                continue
            rows.append({"iteration": done, "train_loss": _mean(losses, done, checkpoint), **observe(done)})
            bar.update(len(losses))
            losses.clear()
            if done % schedule.checkpoint_every == 0 and done != schedule.iterations:
                _save(stateful, checkpoint, done, rows)
    return rows


def _mean(losses: list[torch.Tensor], done: int, checkpoint: Path) -> float:
    window = torch.stack(losses).float().cpu()
    if not window.isfinite().all():
        first = done - len(window) + int((~window.isfinite()).nonzero()[0]) + 1
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint.exists() else "no checkpoint had been written yet"
        raise UserError(
            f"the loss is {window[first - done - 1]:.0f} at iteration {first}; {kept}; lower the learning rate or change the seed"
        )
    return window.mean().item()


def _save(stateful: Mapping[str, Stateful], checkpoint: Path, done: int, rows: list[Row]) -> None:
    state = {
        "done": done,
        "rows": rows,
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "stateful": {name: item.state_dict() for name, item in stateful.items()},
    }
    aside = checkpoint.with_name(f"{checkpoint.name}.{os.getpid()}.partial")
    try:
        runtime.save(state, aside)
        aside.replace(checkpoint)
    finally:
        aside.unlink(missing_ok=True)


def _resume(stateful: Mapping[str, Stateful], checkpoint: Path) -> tuple[int, list[Row]]:
    if not checkpoint.exists():
        return 0, []
    state = runtime.load(checkpoint)
    for name, item in stateful.items():
        item.load_state_dict(state["stateful"][name])
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
    return state["done"], state["rows"]
