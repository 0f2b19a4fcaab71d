"""The training loop that every chapter shares: steps, a curve, checkpoints that resume to the same bytes."""

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import torch

from stages.core import fused, runtime
from stages.core.errors import UserError
from stages.core.files import write_csv, write_json
from stages.core.runtime import Runtime, gpu_name
from stages.core.seeds import generator
from stages.core.settings import Schedule
from stages.core.stage import Job

try:
    from tqdm import tqdm
except ImportError:  # a bare machine, where a bundle runs: no progress bar
    tqdm = None

Row = dict[str, float | int]
Losses = torch.Tensor | Mapping[str, torch.Tensor]


LOSS = "train_loss"  # the name of a loss that is the only one


class Stateful(Protocol):
    """Anything whose state a checkpoint must hold: modules, optimisers."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


@dataclass
class Trained:
    """The curve, the steps' time in seconds (over all parts of an interrupted training), and whether there were several."""

    rows: list[Row]
    seconds: float = 0.0
    resumed: bool = False

    def notes(self) -> dict[str, Any]:
        """What a run record says of it."""
        return {"train_seconds": round(self.seconds, 3), "resumed": self.resumed}


def train(
    step: Callable[[int], Losses],
    observe: Callable[[int], Row],
    stateful: Mapping[str, Stateful],
    schedule: Schedule,
    checkpoint: Path,
    label: str,
) -> Trained:
    """Call `step(i)` for i = 0, 1, ... and return the curve and what it took.

    Parameters
    ----------
    step : takes the iteration's number, returns its loss, a scalar tensor left on the device (reading it would make the
        device wait, so it is read every `log_every` iterations only), or several by name, the same in every step. A `capture.Step` is one.
    observe : takes the number of iterations done, returns what the curve holds besides `iteration` and the losses' means over
        the last `log_every` iterations, as `train_loss` or under their names. Its time is not counted.
    stateful : what a checkpoint holds. Randomness inside a step must come from the global generators, which are
        saved along, or from the iteration's number.
    checkpoint : written every `checkpoint_every` iterations, resumed from if it is there. Where only others lie beside it, which are of
        the same stage with other code, data, parameters or packages, standard error is told that the training begins anew.

    Raises
    ------
    UserError : a loss or a weight that is not finite, with its iteration and the last good checkpoint; a damaged checkpoint; SIGTERM,
        after the step in work has been finished and a checkpoint written.
    """
    done, trained, losses = _resume(stateful, checkpoint)
    show = tqdm(total=schedule.iterations, initial=done - len(losses), desc=label, disable=None, leave=False) if tqdm else nullcontext()
    with show as bar, _asked_to_end() as asked:
        started = time.perf_counter()
        for iteration in range(done, schedule.iterations):
            if asked:
                trained.seconds += time.perf_counter() - started
                _refuse_broken(stateful, done, checkpoint)
                _save(stateful, checkpoint, done, trained, losses)
                asked.clear()
                raise UserError(f"ended by SIGTERM after iteration {done} of {schedule.iterations}; run again, it goes on from there")
            losses.append(named(step(iteration)))
            done = iteration + 1
            if done % schedule.log_every and done != schedule.iterations:
                continue
            # The device has come this far when its losses are known.
            means = {name: _mean(name, [one[name] for one in losses], done, checkpoint) for name in losses[0]}
            trained.seconds += time.perf_counter() - started
            trained.rows.append({"iteration": done, **means, **observe(done)})
            if bar is not None:
                bar.update(len(losses))
            losses.clear()
            if done % schedule.checkpoint_every == 0 and done != schedule.iterations:
                _refuse_broken(stateful, done, checkpoint)
                _save(stateful, checkpoint, done, trained, [])
            started = time.perf_counter()
        _refuse_broken(stateful, done, checkpoint)
    return trained


_ASKED: list[int] = []  # of the process: a SIGTERM in a training's last steps ends the next one that its stage begins


@contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """The list that SIGTERM puts itself into; elsewhere than in the main thread, where no handler can be set, one that stays empty."""
    if threading.current_thread() is not threading.main_thread():
        yield []
        return
    before = signal.signal(signal.SIGTERM, lambda sign, _: _ASKED.append(sign))
    try:
        yield _ASKED
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)  # None: not Python's own


def named(losses: Losses) -> dict[str, torch.Tensor]:
    """The losses by name, without their history."""
    return {name: loss.detach() for name, loss in ({LOSS: losses} if isinstance(losses, torch.Tensor) else losses).items()}


def _mean(name: str, losses: list[torch.Tensor], done: int, checkpoint: Path) -> float:
    # Those that a checkpoint held lie on the CPU.
    window = torch.stack([loss.to(losses[-1].device) for loss in losses]).float().cpu()
    if not window.isfinite().all():
        first = done - len(window) + int((~window.isfinite()).nonzero()[0]) + 1
        which = "" if name == LOSS else f" {name}"
        raise UserError(_not_finite(f"the loss{which} is {window[first - done - 1]:.0f}", first, checkpoint))
    return window.mean().item()


def _refuse_broken(stateful: Mapping[str, Stateful], done: int, checkpoint: Path) -> None:
    for item in stateful.values():
        for name, weight in item.named_parameters() if isinstance(item, torch.nn.Module) else ():
            if not weight.isfinite().all():
                raise UserError(_not_finite(f"{name} holds values that are not finite", done, checkpoint))


def _not_finite(what: str, iteration: int, checkpoint: Path) -> str:
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint.exists() else "no checkpoint had been written yet"
    return f"{what} at iteration {iteration}; {kept}; lower the learning rate or change the seed"


def _save(stateful: Mapping[str, Stateful], checkpoint: Path, done: int, trained: Trained, losses: list[dict[str, torch.Tensor]]) -> None:
    """losses : those of the curve's next point that are already known."""
    state = {
        "done": done,
        "losses": [{name: loss.cpu() for name, loss in one.items()} for one in losses],
        "rows": trained.rows,
        "seconds": trained.seconds,
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


def _resume(stateful: Mapping[str, Stateful], checkpoint: Path) -> tuple[int, Trained, list[dict[str, torch.Tensor]]]:
    if not checkpoint.exists():
        if any(checkpoint.parent.glob("*.pt")):
            of_others = f"what lies in {checkpoint.parent} is of other code, data, parameters or packages"
            print(f"the training begins anew, for {of_others}; remove that if you do not go back to them", file=sys.stderr)
        return 0, Trained([]), []
    try:
        state = runtime.load(checkpoint)
        for name, item in stateful.items():
            item.load_state_dict(state["stateful"][name])
        torch.set_rng_state(state["random"])
        if state["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["random_cuda"][: torch.cuda.device_count()])  # there may have been more GPUs
        return state["done"], Trained(state["rows"], state["seconds"], resumed=True), state["losses"]
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, OSError, pickle.UnpicklingError) as error:
        raise UserError(f"the checkpoint {checkpoint} cannot be read ({type(error).__name__}): remove it and run again") from error


def finish(
    job: Job,
    out: str,
    model: torch.nn.Module,
    trained: Trained,
    about: Mapping[str, Any],
    precision: Runtime,
    device: torch.device,
    **notes: Any,
) -> None:
    """Write what a training leaves in its output `out`, and what the run record says of it, with `notes` of this run only.

    The weights as model.pt, on the CPU, the curve as curve.csv, and as about.json `about` with what it was computed on.
    """
    about = {**about, **precision.describe(device)}
    job.note(**trained.notes(), **about, **fused.notes(model), gpu=gpu_name(device), **notes)
    leave(job.out(out), model, trained, about)


def leave(folder: Path, model: torch.nn.Module, trained: Trained, about: Mapping[str, Any]) -> None:
    """Write a network into a folder as `finish` does."""
    runtime.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, folder / "model.pt")
    write_json(folder / "about.json", about)
    write_csv(folder / "curve.csv", trained.rows)


def batches(images: int, batch_size: int, seed: tuple, device: torch.device) -> Callable[[int], torch.Tensor]:
    """Which of the images make an iteration's batch: every epoch has an order of its own, and its incomplete batch is dropped.

    An epoch's order is drawn on the CPU, the same for any device, and taken to the device once.
    """

    @lru_cache(maxsize=1)
    def order(epoch: int) -> torch.Tensor:
        return torch.randperm(images, generator=generator(*seed, "order", epoch)).to(device)

    def rows(iteration: int) -> torch.Tensor:
        epoch, place = divmod(iteration, images // batch_size)
        return order(epoch)[place * batch_size : (place + 1) * batch_size]

    return rows
