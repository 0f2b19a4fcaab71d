"""A narrow ResNet-152, never trained, in torchvision's names."""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.encoders.resnet152 import ENCODER
from stages.miniatures.weights import CLASSES, he_uniform, save_state
from stages.miniatures.world import generator

_STREAM = 4_105  # of random numbers
_WIDTH = 64  # of the first layer as published; all others are multiples of it
_BLOCKS = 50


def write(folder: Path, *, width: int, seed: int) -> None:
    """Write `folder`/resnet152.pth; `width` are the channels of the first layer, of which the last has 32 times as many."""
    if not 1 <= width <= _WIDTH:
        raise UserError(f"a miniature ResNet-152 of width {width} cannot be: it has 1 to {_WIDTH} channels in its first layer")
    state = {
        key: _value(generator(seed, _STREAM, index), key, _narrow(key, tuple(value.shape), width))
        for index, (key, value) in enumerate(ENCODER.build().state_dict().items())
    }
    save_state(state, folder / ENCODER.file)


def _narrow(key: str, shape: tuple[int, ...], width: int) -> tuple[int, ...]:
    return tuple(
        length * width // _WIDTH if axis < 2 and length % _WIDTH == 0 else CLASSES if key.startswith("fc.") and not axis else length
        for axis, length in enumerate(shape)
    )


def _value(rng: np.random.Generator, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Batch norms change nothing, but a block's last: fifty sums of signals as large as their inputs would leave float16."""
    if len(shape) > 1:
        return he_uniform(rng, shape)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    scale = _BLOCKS**-0.5 if key.endswith("bn3.weight") else 1
    return np.full(shape, scale * key.endswith((".running_var", ".weight")), np.float32)
