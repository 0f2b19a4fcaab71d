"""A narrow VGG-16, never trained, in torchvision's names: the whole network, for inputs of a deviation of about 1."""

from pathlib import Path

from stages.encoders.vgg16 import BLOCKS, FC_SIDE
from stages.miniatures.weights import check_network, classifier, features, save_state

_BLOCKS = tuple(tuple((place, 3) for place in block) for block in BLOCKS)
_CLASSIFIER = (0, 3, 6)
_STREAM = 5_110  # of random numbers


def write(folder: Path, *, widths: list[int], fc: int, seed: int) -> None:
    """Write `folder`/vgg16.pth; `widths` are the five blocks' channels, `fc` the outputs of each of the two hidden layers after."""
    check_network("VGG-16", widths, fc)
    state, channels = features(_STREAM, _BLOCKS, widths, seed)
    state |= classifier(_STREAM, _CLASSIFIER, channels * FC_SIDE**2, fc, seed)
    save_state(state, folder / "vgg16.pth")
