"""A training step that a GPU replays as one CUDA graph.

Of a small network the host sets the pace: it launches some hundred kernels a step, one by one, and the GPU waits for them. Recorded once
and launched as a whole, the same kernels on the same memory take as long as the GPU needs. What a step has of Python is not run again: what
changes from step to step must lie in tensors on the device (the batch, the rates, the state of random generators).
"""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from stages.core.errors import UserError
from stages.core.loop import Losses, named
from stages.core.optimisers import hold_rates

# Steps done as written before one is recorded: in them cuDNN tries its algorithms, which a recording may not, cuBLAS gets its memory,
# and gradients and momenta come to be.
EAGER = 3

Batch = tuple[Tensor, ...]
Named = dict[str, Tensor]


class Graph(Protocol):
    """A recording of work on the device."""

    def warm_up(self, work: Callable[[], Named]) -> Named:
        """Do the work as it is written."""

    def capture(self, work: Callable[[], Named]) -> Named:
        """Record the work without doing it. What is returned holds values after a replay only, and the next overwrites them."""

    def replay(self) -> None:
        """Do the recorded work."""


class CudaGraph:
    """torch's, on a stream of its own, as recording demands."""

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.graph = torch.cuda.CUDAGraph()

    def warm_up(self, work: Callable[[], Named]) -> Named:
        here = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            losses = work()
        here.wait_stream(self.stream)
        return losses

    def capture(self, work: Callable[[], Named]) -> Named:
        here = torch.cuda.current_stream(self.device)
        index = torch.cuda.current_device() if self.device.index is None else self.device.index
        own, pool = torch.cuda.default_generators[index], torch.cuda.graph_pool_handle()
        before = own.clone_state()
        try:
            # thread_local: threads that prepare batches may allocate pinned memory meanwhile.
            with torch.cuda.graph(self.graph, pool=pool, stream=self.stream, capture_error_mode="thread_local"):
                return work()
        except Exception:
            with contextlib.suppress(Exception):  # one that was ended well has told the allocator, a spoilt one has not (torch up to 2.11):
                torch._C._cuda_endAllocateToPool(index, pool)  # it would free no cached memory any more, and abort at the next recording
            own.graphsafe_set_state(before)  # else it counts itself as being recorded, and refuses the next draw
            raise
        finally:
            torch.cuda.set_stream(here)  # a recording that fails at its end does not come back by itself

    def replay(self) -> None:
        self.graph.replay()


class Step:
    """The step of a training, for `loop.train`: on a GPU replayed, if it can be, else done as written.

    Parameters
    ----------
    batch : what an iteration works on, as tensors on the device. Runs every time, so this is where a schedule sets its rates
        (`optimisers.set_rate`) and the host draws random numbers.
    work : takes those tensors; gradients, updates; returns the loss, or several by name. On a GPU it must not wait for the device
        (`.item()`, masks as indices, tensors made of Python's numbers), nor do anything else on the host that matters, for in
        a replay it would not happen. `optimisers.update` and `optimisers.clear` zero gradients as a recording needs.
    optimisers : whose rates and state `work` uses. Their rates become tensors, before the first step and so after a resumption.
    eager_because : why this step is not to be recorded, if it is not.
    graph : what records; by default a CUDA graph on a GPU, and nothing elsewhere.

    Steps of two kinds that alternate are two of these, each with its own recording.
    """

    def __init__(
        self,
        batch: Callable[[int], Batch],
        work: Callable[..., Losses],
        optimisers: Sequence[torch.optim.Optimizer],
        device: torch.device,
        *,
        eager_because: str = "",
        graph: Graph | None = None,
    ):
        self.batch, self.work, self.optimisers, self.device = batch, work, optimisers, device
        self.eager_because = _switched_off() or eager_because
        if graph is None and device.type != "cuda":
            self.eager_because = f"there are no graphs on a {device.type.upper()}"
        elif self.eager_because:
            self._say()
        self._graph = graph
        self._warm = 0
        self._like: Batch | None = None  # a batch of the shape that all must have, and once recorded, the memory that they are copied to
        self._losses: Named | None = None  # where a replay leaves them

    def __call__(self, iteration: int) -> Losses:
        """The step of this iteration; its losses."""
        if not self.eager_because and self._like is None:
            for optimiser in self.optimisers:
                hold_rates(optimiser, self.device)
        batch = self.batch(iteration)
        if not self.eager_because and (change := self._change(batch)):
            self._fall_back(f"the shapes of their batches differ ({change})")
        if self.eager_because:
            return self.work(*batch)
        if self._warm < EAGER:
            self._warm += 1
            return self._on_graph().warm_up(partial(self._named, *batch))
        if self._losses is None and not self._record(batch):
            return self.work(*batch)
        return self._replay(batch)

    def notes(self) -> dict[str, Any]:
        """What a run record says of it."""
        if self.eager_because:
            return {"captured": False, "eager_because": self.eager_because}
        return {"captured": self._losses is not None}  # a training of EAGER steps or fewer is not

    def _change(self, batch: Batch) -> str:
        """How the batch differs from the first, in words."""
        if self._like is None:
            self._like = tuple(torch.empty_like(tensor, device="meta") for tensor in batch)
        before, now = ([(*tensor.shape, tensor.dtype) for tensor in tensors] for tensors in (self._like, batch))
        return "" if before == now else f"{_shapes(self._like)}, then {_shapes(batch)}"

    def _on_graph(self) -> Graph:
        if self._graph is None:
            self._graph = CudaGraph(self.device)
        return self._graph

    def _named(self, *batch: Tensor) -> Named:
        # Without their history, whose nodes belong to the stream that they were made on and would be met again in the recording.
        return named(self.work(*batch))

    def _record(self, batch: Batch) -> bool:
        inputs = tuple(tensor.clone() for tensor in batch)
        try:
            self._losses = self._on_graph().capture(partial(self._named, *inputs))
        except Exception as error:
            # At the end of a recording that was spoilt torch raises that it was; what had spoilt it comes before.
            first = error.__context__ if isinstance(error.__context__, Exception) else error
            line = str(first).strip().partition("\n")[0]
            self._fall_back(f"they cannot be recorded ({type(first).__name__}: {line})")
            return False
        self._like = inputs
        return True

    def _replay(self, batch: Batch) -> Named:
        assert self._like is not None and self._losses is not None
        for place, tensor in zip(self._like, batch, strict=True):
            place.copy_(tensor)
        self._on_graph().replay()
        return {name: loss.clone() for name, loss in self._losses.items()}

    def _fall_back(self, why: str) -> None:
        self.eager_because = why  # the graph is kept: of one whose recording failed the allocator still knows the address
        self._losses = None
        self._say()

    def _say(self) -> None:
        print(f"the training's steps are not replayed as a CUDA graph: {self.eager_because}", file=sys.stderr)


def _shapes(batch: Batch) -> str:
    return ", ".join(f"{'x'.join(map(str, tensor.shape)) or 'scalar'} {str(tensor.dtype).removeprefix('torch.')}" for tensor in batch)


def _switched_off() -> str:
    asked = os.environ.get("THESIS_CAPTURE", "")
    if asked not in ("", "0", "1"):
        raise UserError(f"THESIS_CAPTURE is {asked!r}: it must be 0, so that a GPU replays no steps, or 1, or not set")
    return "THESIS_CAPTURE is 0" if asked == "0" else ""
