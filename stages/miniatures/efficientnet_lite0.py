"""EfficientNet-Lite0 at its full width, never trained, in timm's names."""

from pathlib import Path

from stages.encoders.efficientnet_lite0 import ENCODER
from stages.miniatures.weights import save_state, whole

_STREAM = 4_103  # of random numbers


def write(folder: Path, *, seed: int) -> None:
    """Write `folder`/tf_efficientnet_lite0.pth."""
    save_state(whole(_STREAM, ENCODER.build(), seed), folder / ENCODER.file)
