"""Networks that stand in for the pre-trained ones of Chapters 2 and 4, in torchvision's and timm's names, never trained.

AlexNet, VGG-16 and VGG-19 are narrow; SqueezeNet 1.1 and EfficientNet-Lite0, which are small, have their full width. Inputs are RGB,
normalised to a deviation of about 1.
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.miniatures.vgg16 import PLACES, check_widths, he_uniform, layer, save_state
from stages.miniatures.world import generator

CLASSES = 10

# Places and kernels of the blocks' convolutions in torchvision's `features`; places of the layers in its `classifier`, and the side of
# the maps that this takes.
_ALEXNET = (((0, 11),), ((3, 5),), ((6, 3),), ((8, 3),), ((10, 3),))
_ALEXNET_CLASSIFIER, _ALEXNET_SIDE = (1, 4, 6), 6
_VGG19 = tuple(tuple((place, 3) for place in block) for block in ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)))
_VGG16 = tuple(tuple((place, 3) for place in block) for block in PLACES)
_VGG_CLASSIFIER, _VGG_SIDE = (0, 3, 6), 7

# Random streams: none of other miniatures'. A layer's does not depend on the widths of others.
_STREAMS = {"alexnet": 4_100, "vgg19": 4_101, "squeezenet1_1": 4_102, "efficientnet_lite0": 4_103, "vgg16": 5_110}
_FEATURES, _CLASSIFIER = 0, 1


def write_alexnet(folder: Path, *, widths: list[int], fc: int, seed: int) -> None:
    """Write `folder`/alexnet.pth; `widths` are the five convolutions' channels, `fc` the outputs of each of the two hidden layers after.

    Weights are uniform with He's variance, 2 over the inputs, biases 0; there are ten classes.
    """
    _check("AlexNet", widths, fc)
    state, channels = _features("alexnet", _ALEXNET, widths, seed)
    state |= _classifier("alexnet", _ALEXNET_CLASSIFIER, channels * _ALEXNET_SIDE**2, fc, seed)
    save_state(state, folder / "alexnet.pth")


def write_vgg19(folder: Path, *, widths: list[int], fc: int, seed: int) -> None:
    """Write `folder`/vgg19.pth as `write_alexnet` does; `widths` are the five blocks' channels."""
    _check("VGG-19", widths, fc)
    state, channels = _features("vgg19", _VGG19, widths, seed)
    state |= _classifier("vgg19", _VGG_CLASSIFIER, channels * _VGG_SIDE**2, fc, seed)
    save_state(state, folder / "vgg19.pth")


def write_vgg16_imagenet(folder: Path, *, widths: list[int], fc: int, seed: int) -> None:
    """Write `folder`/vgg16.pth, a whole VGG-16, as `write_alexnet` does; `widths` are the five blocks' channels."""
    _check("VGG-16", widths, fc)
    state, channels = _features("vgg16", _VGG16, widths, seed)
    state |= _classifier("vgg16", _VGG_CLASSIFIER, channels * _VGG_SIDE**2, fc, seed)
    save_state(state, folder / "vgg16.pth")


def write_squeezenet1_1(folder: Path, *, seed: int) -> None:
    """Write `folder`/squeezenet1_1.pth, of torchvision's network for ImageNet, with weights as `write_alexnet`'s."""
    _write_whole(folder, "squeezenet1_1", seed)


def write_efficientnet_lite0(folder: Path, *, seed: int) -> None:
    """Write `folder`/tf_efficientnet_lite0.pth, of timm's network for ImageNet, with weights as `write_alexnet`'s.

    Its batch norms change nothing: weights and variances are 1, biases and means 0.
    """
    _write_whole(folder, "efficientnet_lite0", seed)


def _check(title: str, widths: list[int], fc: int) -> None:
    check_widths(title, widths)
    if fc < 1:
        raise UserError(f"a miniature {title} with fc {fc} cannot be: its hidden layers have 1 or more outputs")


def _features(name: str, blocks: tuple, widths: list[int], seed: int) -> tuple[dict[str, np.ndarray], int]:
    """The convolutions, and how many channels they end with."""
    state: dict[str, np.ndarray] = {}
    channels = 3
    for width, block in zip(widths, blocks, strict=True):
        for place, kernel in block:
            rng = generator(seed, _STREAMS[name], _FEATURES, place)
            state |= layer(rng, f"features.{place}", (width, channels, kernel, kernel))
            channels = width
    return state, channels


def _classifier(name: str, places: tuple[int, ...], inputs: int, fc: int, seed: int) -> dict[str, np.ndarray]:
    state: dict[str, np.ndarray] = {}
    for place, outputs in zip(places, (fc, fc, CLASSES), strict=True):
        state |= layer(generator(seed, _STREAMS[name], _CLASSIFIER, place), f"classifier.{place}", (outputs, inputs))
        inputs = outputs
    return state


def _write_whole(folder: Path, name: str, seed: int) -> None:
    from stages.encoders.vision import ENCODERS

    encoder = ENCODERS[name]
    state = {
        key: _value(generator(seed, _STREAMS[name], index), key, tuple(value.shape))
        for index, (key, value) in enumerate(encoder.build().state_dict().items())
    }
    save_state(state, folder / encoder.file)


def _value(rng: np.random.Generator, key: str, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) > 1:
        return he_uniform(rng, shape)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    return np.full(shape, key.endswith((".running_var", ".weight")), np.float32)
