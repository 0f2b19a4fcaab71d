"""What a machine's memory, its GPU or its driver make fail, in a sentence. By what PyTorch says: it is not imported for that."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# What CUDA says of a GPU that is gone or broken, but not of errors in a program, which keep their traceback.
LOST = (
    "unspecified launch failure",
    "unknown error",
    "no CUDA-capable device is detected",
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error",
    "hardware stack error",
    "the launch timed out and was terminated",
    "GPU is lost",
    "MPS client was terminated",
    "remote procedural call between the MPS server and the MPS client failed",
)
TAKEN = ("CUDA-capable device(s) is/are busy or unavailable", "MPS server is not ready to accept new MPS client requests")
OLD_DRIVER = ("NVIDIA driver on your system is too old", "CUDA driver version is insufficient for CUDA runtime version")
FOREIGN = "no kernel image is available for execution on the device"


def sentence(error: Exception, stage: str, params: Mapping[str, Any], checkpoint: Callable[[], Path]) -> str | None:
    """What failed in the stage, how much memory was asked for, and what to do; None of an error that is none of the machine's.

    params : the stage's, whose batch sizes may be lowered. checkpoint : asked where the stage goes on from, if it is there.
    """
    if not isinstance(error, RuntimeError | MemoryError):
        return None
    text = str(error)
    if (
        isinstance(error, MemoryError)
        or "out of memory" in text
        or "STATUS_ALLOC_FAILED" in text
        or "DefaultCPUAllocator: can't allocate memory" in text
    ):
        return _out_of_memory(text, stage, params)
    if any(words in text for words in OLD_DRIVER):
        return f"{stage} cannot use the GPU: {old_driver(text)}"
    if FOREIGN in text:
        return f"{stage} cannot use the GPU: {_torch()} was not made for it; install one that was, or set the stage's device to cpu"
    if "CUDA" not in text and "GPU is lost" not in text:
        return None
    first = text.strip().partition("\n")[0]
    if any(words in text for words in TAKEN):
        return f"{stage} does not get the GPU, which others have ({first}): wait for them, or let all share it by NVIDIA's MPS daemon"
    if any(words in text for words in LOST):
        kept = f"goes on from {checkpoint()}" if checkpoint().exists() else "begins anew, for no checkpoint had been written yet"
        return f"{stage} has lost its GPU ({first}): see what `nvidia-smi` says of it, and run again, which {kept}"
    return None


def old_driver(text: str) -> str:
    """A driver that PyTorch calls too old, with its version as NVIDIA writes it, and what to do."""
    found = re.search(r"found version (\d+)", text)
    version = f", for CUDA {int(found[1]) // 1000}.{int(found[1]) % 1000 // 10}," if found else ""
    remedy = "update the driver, install a PyTorch made for it, or set the device to cpu"
    return f"the NVIDIA driver here{version} is too old for {_torch()}: {remedy}"


def _out_of_memory(text: str, stage: str, params: Mapping[str, Any]) -> str:
    asked = re.search(r"Tried to allocate ([\d.]+ \w+)", text)
    asked_bytes = re.search(r"tried to allocate (\d+) bytes", text)
    amount = asked[1] if asked else f"{int(asked_bytes[1]) / 2**30:.2f} GiB" if asked_bytes else "more"
    has = re.search(r"(GPU \d+) has a total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free", text)
    where = f"{has[1]}, of whose {has[2]} {has[3]} are free" if has else "the GPU" if "CU" in text else "this machine"
    others = re.findall(r"Process (\d+) has ([\d.]+ \w+) memory in use", text)
    if others:  # of its own torch says "this process"
        where += f", and {' and '.join(f'process {number} has {size}' for number, size in others)} of it"
    lower = [f"lower {key} ({value})" for key, value in _batch_sizes(params)]
    lower.append("wait for the other" if others else "run fewer stages at a time")
    return f"{stage} is out of memory: it asked for {amount} of {where}; {', or '.join(lower)}"


def _batch_sizes(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _batch_sizes(value, f"{prefix}{name}.")
        elif name == "batch_size" and value > 1:
            yield f"{prefix}{name}", value


def _torch() -> str:
    torch = sys.modules.get("torch")
    return f"PyTorch {torch.__version__}" if torch else "PyTorch"
