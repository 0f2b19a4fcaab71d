"""Features of images' patches: each picture is decoded once for all networks, ahead of them (Section 4.2.2)."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from stages.ch4_deepindex.patches import LEVELS, BadPicture, Box, open_picture, patches
from stages.core.ahead import map_ahead
from stages.core.runtime import Runtime
from stages.encoders.vision import encoder, features

PATCHES = sum(parts**2 for parts in LEVELS)

Picture = tuple[Path, Box | None]  # a file and the region of it that counts, in pixels of the upright picture
Features = dict[str, np.ndarray]


def extract(
    pictures: Sequence[Picture],
    networks: dict[str, nn.Module],
    layers: dict[str, list[str]],
    *,
    size: int,
    batch_size: int,
    precision: Runtime,
    device: torch.device,
) -> Iterator[tuple[int, Features | BadPicture]]:
    """Of each picture in turn its number and the features of its patches, or why it has none.

    Features are float32 (14, D) by "encoder.layer", every patch's of L2 norm 1 (one of zeros stays so).

    networks : by their names, on `device`. layers : of each network, which. size : of a patch, in pixels.
    batch_size : pictures that go through a network at once, 14 patches each. `precision.threads` threads decode, ahead of the
    networks by a batch; no more than these two batches of pictures are in memory.

    A network's last digits depend on what else is in its batch. So batches are runs of `batch_size` pictures in the given order, and
    a picture that cannot be read is a black one in its batch: the same list and batch size give the same bytes.
    """
    decoding = map_ahead(partial(_decode, size=size), pictures, threads=precision.threads, ahead=batch_size)
    with contextlib.closing(decoding) as decoded, tqdm(total=len(pictures), unit="image", disable=None) as progress:
        for first in range(0, len(pictures), batch_size):
            batch = list(itertools.islice(decoded, batch_size))
            found = _pass(_stack(batch, size).to(device), networks, layers, precision, device)
            for row, one in enumerate(batch):
                yield first + row, one if isinstance(one, BadPicture) else {name: values[row] for name, values in found.items()}
            progress.update(len(batch))


def by_encoder(names: Iterable[str]) -> dict[str, list[str]]:
    """Which layers of each encoder these are, each once; names are "encoder.layer"."""
    layers: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        encoder, layer = name.split(".")
        layers.setdefault(encoder, []).append(layer)
    return layers


def _decode(picture: Picture, size: int) -> np.ndarray | BadPicture:
    file, box = picture
    try:
        opened = open_picture(file)
    except BadPicture as error:
        return error
    try:
        return patches(opened, size, box)
    except BadPicture as error:
        return BadPicture(f"{file} gives no patches: {error}")


def _stack(batch: list[np.ndarray | BadPicture], size: int) -> Tensor:
    """uint8 (pictures * 14, 3, size, size), channels last in memory as decoded: on a CPU too the network is twice as fast on it."""
    pixels = np.zeros((len(batch), PATCHES, size, size, 3), np.uint8)
    for place, one in zip(pixels, batch, strict=True):
        if not isinstance(one, BadPicture):
            place[:] = one
    return torch.from_numpy(pixels).flatten(0, 1).permute(0, 3, 1, 2)


def _pass(
    images: Tensor, networks: dict[str, nn.Module], layers: dict[str, list[str]], precision: Runtime, device: torch.device
) -> Features:
    """Normalised features, (pictures, 14, D) by "encoder.layer"."""
    found = {}
    for name, network in networks.items():
        with precision.autocast(device):
            of_layers = features(network, encoder(name), layers[name], images)
        for layer, values in of_layers.items():
            found[f"{name}.{layer}"] = F.normalize(values, dim=1).unflatten(0, (-1, PATCHES)).cpu().numpy()
    return found
