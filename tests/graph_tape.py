"""What stands in for a CUDA graph where there is no GPU: a tape of the operations on tensors that a step consists of.

Like a graph it knows no Python: a replay does the recorded operations again, on the same memory, with the numbers that were there when
it was recorded. What a recording does is undone, as a graph does nothing while it is recorded.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

Named = dict[str, Tensor]


def memory(tensor: Tensor) -> tuple:
    """Where a tensor lies: autograd hands out other objects for the same memory."""
    return tensor.untyped_storage()._cdata, tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def written(operation: Any, args: tuple, kwargs: dict[str, Any]) -> list[Tensor]:
    """The arguments that an operation changes, by its schema."""
    values = {argument.name: value for argument, value in zip(operation._schema.arguments, args, strict=False)} | kwargs
    changed = [a.name for a in operation._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    if operation is torch.ops.aten.native_batch_norm.default:  # whose schema keeps silent about it
        changed += ["running_mean", "running_var"]
    return [tensor for name in changed for tensor in tree_iter(values.get(name)) if isinstance(tensor, Tensor)]


class Tape(TorchDispatchMode):
    """A `capture.Graph` on the CPU. refuse : an exception that recording ends with."""

    def __init__(self, refuse: Exception | None = None):
        super().__init__()
        self.refuse = refuse
        self.operations: list[tuple[Any, tuple, dict[str, Any], Any]] = []
        self.before: dict[tuple, tuple[Tensor, Tensor]] = {}
        self.outputs: Named = {}
        self.counts = {"warm_up": 0, "capture": 0, "replay": 0}

    def warm_up(self, work: Callable[[], Named]) -> Named:
        self.counts["warm_up"] += 1
        return work()

    def capture(self, work: Callable[[], Named]) -> Named:
        self.counts["capture"] += 1
        random = torch.get_rng_state()
        with self:
            self.outputs = work()
            if self.refuse:
                raise self.refuse
        with torch.no_grad():
            for tensor, value in self.before.values():
                tensor.copy_(value)
            for output in self.outputs.values():
                output.fill_(torch.nan)  # nothing has been worked out yet
        torch.set_rng_state(random)
        return self.outputs

    def replay(self) -> None:
        self.counts["replay"] += 1
        made: dict[tuple, Tensor] = {}
        with torch.no_grad():
            for operation, args, kwargs, result in self.operations:
                args, kwargs = tree_map_only(Tensor, lambda tensor: made.get(memory(tensor), tensor), (args, kwargs))
                anew = operation(*args, **kwargs)
                for old, new in zip(tree_iter(result), tree_iter(anew), strict=True):
                    if isinstance(old, Tensor):
                        made[memory(old)] = new
            for output in self.outputs.values():
                output.copy_(made[memory(output)])

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        for tensor in written(operation, args, kwargs):
            self.before.setdefault(memory(tensor), (tensor, tensor.clone()))
        result = operation(*args, **kwargs)
        self.operations.append((operation, args, kwargs, result))
        return result
