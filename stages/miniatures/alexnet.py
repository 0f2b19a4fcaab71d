"""A narrow AlexNet, never trained, in torchvision's names."""

from pathlib import Path

from stages.miniatures.weights import check_network, classifier, features, save_state

# Places and kernels of the convolutions in torchvision's `features`; places of the layers in its `classifier`, and the side of the maps
# that this takes.
_BLOCKS = (((0, 11),), ((3, 5),), ((6, 3),), ((8, 3),), ((10, 3),))
_CLASSIFIER, _SIDE = (1, 4, 6), 6
_STREAM = 4_100  # of random numbers


def write(folder: Path, *, widths: list[int], fc: int, seed: int) -> None:
    """Write `folder`/alexnet.pth; `widths` are the five convolutions' channels, `fc` the outputs of each of the two hidden layers after."""
    check_network("AlexNet", widths, fc)
    state, channels = features(_STREAM, _BLOCKS, widths, seed)
    state |= classifier(_STREAM, _CLASSIFIER, channels * _SIDE**2, fc, seed)
    save_state(state, folder / "alexnet.pth")
