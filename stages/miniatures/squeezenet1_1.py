"""SqueezeNet 1.1 at its full width, never trained, in torchvision's names."""

from pathlib import Path

from stages.encoders.squeezenet1_1 import ENCODER
from stages.miniatures.weights import save_state, whole

_STREAM = 4_102  # of random numbers


def write(folder: Path, *, seed: int) -> None:
    """Write `folder`/squeezenet1_1.pth."""
    save_state(whole(_STREAM, ENCODER.build(), seed), folder / ENCODER.file)
