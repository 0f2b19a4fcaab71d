"""A network with the weights that a training has left."""

import textwrap
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stages.core import runtime
from stages.core.errors import UserError


def fill(model: nn.Module, file: Path, chapter: str) -> None:
    """Give a network the weights in a file that a training of `chapter` wrote.

    A UserError names the file where that is not there or damaged, no state of networks, of another network, or not finite.
    """
    try:
        state = runtime.load(file)
    except Exception as error:  # a damaged file raises nearly anything
        wrong = "is not there" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__})"
        raise UserError(f"{file} {wrong}: `python -m workflow.repro {chapter}` makes it again") from error
    if not (isinstance(state, dict) and all(isinstance(name, str) and isinstance(values, Tensor) for name, values in state.items())):
        raise UserError(f"{file} holds no weights by their names, as a network's file does: train it again")
    if why := _other(model, state):
        raise UserError(f"{file} is of another network than its settings say ({why}): train it again")
    for name, values in state.items():
        if not values.isfinite().all():
            raise UserError(f"{file} has weights that are not finite ({name}): train it again, at a lower learning rate")


def _other(model: nn.Module, state: dict[str, Any]) -> str:
    """Why the state, which is loaded, is another network's."""
    for name, values in model.state_dict().items():
        if name in state and state[name].dtype != values.dtype:  # which loading would convert
            return f"{name} is of {state[name].dtype}, not {values.dtype}"
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        return textwrap.shorten(str(error).splitlines()[1], 120)  # one of how many there may be
    return ""
