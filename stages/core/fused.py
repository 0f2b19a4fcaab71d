"""A network compiled for training: what only moves memory (ReLU, dropout, pooling, sums) runs in few kernels, not in many."""

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Fused:
    """A model's `forward` in its place, so that the names of its state stay: compiled in training, else, and where that fails, as written.

    Compiled for the shapes of its first inputs only. Its gradient has no gradient of its own. Dropout draws other numbers than as written.

    unfused_because : why it is not to be compiled, if it is not.
    """

    def __init__(self, model: nn.Module, unfused_because: str = ""):
        self.model, self.written, self.unfused_because = model, model.forward, unfused_because
        self.seconds = 0.0  # that compiling took
        self._compiled: Callable[..., Any] | None = None
        self._shapes: list[torch.Size] = []
        if unfused_because:
            self._say()

    def __call__(self, *inputs: Tensor) -> Any:
        if self.unfused_because or not (self.model.training and torch.is_grad_enabled()):
            return self.written(*inputs)
        shapes = [tensor.shape for tensor in inputs]
        if self._compiled is None:
            self._shapes = shapes
            return self._first(*inputs)
        if shapes != self._shapes:
            self._leave("the shapes of its inputs differ")
            return self.written(*inputs)
        return self._compiled(*inputs)

    def notes(self) -> dict[str, Any]:
        """What a run record says of it."""
        if self.unfused_because:
            return {"fused": False, "unfused_because": self.unfused_because}
        return {"fused": self._compiled is not None, "compile_seconds": round(self.seconds, 3)}

    def _first(self, *inputs: Tensor) -> Any:
        started = time.perf_counter()
        try:
            import torch._functorch.config as functions  # here, for it brings the compiler along: a second

            compiled = torch.compile(self.written, dynamic=False, options={"triton.cudagraphs": False})  # `capture.Step` records
            # With the backward pass, which else is compiled when it first runs, and could not be left for one as written.
            with functions.patch(force_non_lazy_backward_lowering=True):
                result = compiled(*inputs)
        except Exception as error:  # one that is not the compiler's comes again
            self._leave(f"it cannot be compiled ({str(error).strip().partition(chr(10))[0] or type(error).__name__})")
            return self.written(*inputs)
        self._compiled, self.seconds = compiled, time.perf_counter() - started
        return result

    def _leave(self, why: str) -> None:
        self.unfused_because = why
        self._say()

    def _say(self) -> None:
        print(f"the network is not fused: {self.unfused_because}", file=sys.stderr)


def fuse(model: nn.Module, device: torch.device, unfused_because: str = "") -> None:
    """Let the model's passes in training be compiled on a GPU, but not on a CPU, whose bytes are pinned."""
    on_cpu = "" if device.type == "cuda" else f"a {device.type.upper()} runs it as written"
    model.forward = Fused(model, on_cpu or unfused_because)


def notes(model: nn.Module) -> dict[str, Any]:
    """What a run record says of a model that was to be fused; else nothing."""
    return model.forward.notes() if isinstance(model.forward, Fused) else {}
