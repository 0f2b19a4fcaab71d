"""A narrow VGG-19, never trained, in torchvision's names."""

from pathlib import Path

from stages.miniatures.weights import check_network, classifier, features, save_state

# As in alexnet.
_PLACES = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34))
_BLOCKS = tuple(tuple((place, 3) for place in block) for block in _PLACES)
_CLASSIFIER, _SIDE = (0, 3, 6), 7
_STREAM = 4_101  # of random numbers


def write(folder: Path, *, widths: list[int], fc: int, seed: int) -> None:
    """Write `folder`/vgg19.pth; `widths` are the five blocks' channels, `fc` the outputs of each of the two hidden layers after."""
    check_network("VGG-19", widths, fc)
    state, channels = features(_STREAM, _BLOCKS, widths, seed)
    state |= classifier(_STREAM, _CLASSIFIER, channels * _SIDE**2, fc, seed)
    save_state(state, folder / "vgg19.pth")
