"""Where and how precisely a stage computes: device, threads, precision, determinism."""

import contextlib
import ctypes
import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from stages.core import settings
from stages.core.errors import UserError

Model = TypeVar("Model", bound=torch.nn.Module)


@dataclass(frozen=True)
class Runtime(settings.Runtime):
    """The parameters `runtime`, of what trains, or `inference`, of what only looks."""

    def start(self) -> torch.device:
        """Set threads and determinism, and return the device."""
        torch.set_num_threads(self.threads)
        _keep_freed_memory()
        name = ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device
        if name == "cuda" and not torch.cuda.is_available():
            raise UserError("runtime.device is cuda, but PyTorch finds no GPU here: set runtime.device to cpu or auto")
        if name == "cpu":
            torch.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, which imports the compiler as well
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # a debugging aid
        else:
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32
        return torch.device(name)

    def place(self, model: Model, device: torch.device) -> Model:
        """`model` on the device, channels last on a GPU, which is cuDNN's own layout."""
        if device.type == "cuda":
            model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    def autocast(self, device: torch.device) -> AbstractContextManager:
        """The context that a forward pass runs in."""
        return torch.autocast(device.type, torch.bfloat16) if self.precision == "bf16" else contextlib.nullcontext()

    def describe(self, device: torch.device) -> dict[str, Any]:
        """What was computed on, and what a repetition may expect: `determinism` is bitwise on a CPU, the same bytes on any
        x86-64 machine, and stochastic on a GPU."""
        determinism = "bitwise" if device.type == "cpu" else "stochastic"
        return {
            "device": device.type,
            "threads": self.threads,
            "precision": self.precision,
            "determinism": determinism,
        }


def _keep_freed_memory() -> None:
    # Else glibc hands every large tensor's memory back and faults it in again: a seventh of a training step's time.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mmap_threshold, trim_threshold = -3, -1
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, 1 << 30)


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A small tensor on the device, without making the host wait for the GPU's queue."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def gpu_name(device: torch.device) -> str | None:
    """The name of the GPU, for run records."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def save(value: Any, path: Path) -> None:
    """`torch.save` with bytes that depend on `value` alone (written to a file, the archive would hold the file's name)."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def load(path: Path, device: torch.device | str = "cpu") -> Any:
    """What `save` wrote, tensors and plain values only."""
    return torch.load(path, map_location=device, weights_only=True)
