"""Where and how precisely a stage computes: device, threads, precision, determinism."""

import contextlib
import ctypes
import io
import sys
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from stages.core import device_errors, fused, settings
from stages.core.errors import UserError

Model = TypeVar("Model", bound=torch.nn.Module)


@dataclass(frozen=True)
class Runtime(settings.Runtime):
    """The parameters `runtime`, of what trains, or `inference`, of what only looks."""

    def start(self, key: str = "runtime") -> torch.device:
        """Set threads and determinism, and return the device. key : of these parameters."""
        torch.set_num_threads(self.threads)
        _keep_freed_memory()
        name = self.device if self.device == "cpu" or _gpu_usable(key, self.device) else "cpu"
        if name == "cpu":
            torch.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, which imports the compiler as well
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # a debugging aid
        else:
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32
        return torch.device(name)

    def place(self, model: Model, device: torch.device, *, unfused_because: str = "") -> Model:
        """`model` on the device, channels last on a GPU, which is cuDNN's own layout, and fused if it is to be.

        unfused_because : why this one cannot be fused, if it cannot.
        """
        if device.type == "cuda":
            model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.fused:
            fused.fuse(model, device, unfused_because)
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


def _gpu_usable(key: str, device: str) -> bool:
    """Whether there is a GPU; a UserError where there is none and `device` is cuda, else what PyTorch says of it on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        return True
    said = " ".join(str(warning.message) for warning in caught)
    old = device_errors.old_driver(said) if any(words in said for words in device_errors.OLD_DRIVER) else ""
    why = f" ({said})" if said else ""
    if device == "cuda":
        raise UserError(f"{key}.device is cuda, but {old or f'PyTorch finds no GPU here{why}: set {key}.device to cpu or auto'}")
    if caught:
        print(f"on the CPU, for {old or said}", file=sys.stderr)
    return False


def _keep_freed_memory() -> None:
    # Else glibc hands every large tensor's memory back and faults it in again: a seventh of a training step's time.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mmap_threshold, trim_threshold = -3, -1
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, 1 << 30)


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A small tensor on the device, without making the host wait for the GPU's queue. Raises RuntimeError in a step that is recorded."""
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        raise RuntimeError("a tensor is brought to the device inside the step, and a replay would bring what was there first")
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
