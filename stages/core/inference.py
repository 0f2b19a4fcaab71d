"""Where what only looks computes: predictions and features. What a GPU has trained, a CPU can judge."""

import torch

from stages.core import stage
from stages.core.runtime import Runtime


def start(job: stage.Job) -> tuple[Runtime, torch.device]:
    """Set threads and determinism by the parameters `inference`, and return them with the device."""
    precision = job.settings(Runtime, "inference")
    return precision, precision.start("inference")
