"""The prepared training images of Chapter 3 as batches: images, and the labels that each output of the network learns from."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.ch3_edges import RELAXED, SIDES
from stages.ch3_edges.labels import supervision, unpacked
from stages.core.runtime import to_device
from stages.encoders.vgg16 import WEIGHTS, normalise


@dataclass(frozen=True)
class EdgeImages:
    """pixels: uint8 (N, 3, H, W). truth: bits of (N, H, W). responses: bits of (N, 5, H, W), None for general supervision.

    All may lie on disk: a batch is read when it is asked for.
    """

    device = torch.device("cpu")  # where rows are to be

    pixels: np.ndarray
    truth: np.ndarray
    responses: np.ndarray | None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def batch(self, rows: Tensor, supervise: Collection[int], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Images float32 (n, 3, H, W) as the network takes them, labels of the sides uint8 (n, 5, H, W), truth uint8 (n, 1, H, W)."""
        chosen = rows.numpy()
        width = self.size[1]
        truth = unpacked(self.truth[chosen], width)
        responses = np.zeros((len(chosen), SIDES, *self.size), bool) if self.responses is None else unpacked(self.responses[chosen], width)
        labels = supervision(responses, truth, supervise)
        parts = (self.pixels[chosen], labels, truth[:, None].astype(np.uint8))
        pixels, side_labels, truth_labels = (to_device(torch.from_numpy(part), device) for part in parts)
        return normalise(pixels, WEIGHTS), side_labels, truth_labels


@dataclass(frozen=True)
class DeviceImages:
    """The same in a GPU's memory, the maps as bits still: a batch is put together there, without the host's threads and its bus."""

    pixels: Tensor
    truth: Tensor
    responses: Tensor | None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[2], self.pixels.shape[3]

    @property
    def device(self) -> torch.device:
        """Where it lies, and rows are to be."""
        return self.pixels.device

    def batch(self, rows: Tensor, supervise: Collection[int], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """As EdgeImages has it."""
        width = self.size[1]
        truth = unpacked_there(self.truth[rows], width)[:, None]
        labels = truth.to(torch.uint8).repeat(1, SIDES, 1, 1)
        if self.responses is not None:
            labels.masked_fill_(unpacked_there(self.responses[rows], width) & ~truth, RELAXED)  # Eq. 3.1 and 3.2
        for side in set(range(1, SIDES + 1)) - set(supervise):
            labels[:, side - 1] = RELAXED
        return normalise(self.pixels[rows], WEIGHTS), labels, truth.to(torch.uint8)


def unpacked_there(bits: Tensor, width: int) -> Tensor:
    """`labels.unpacked` of bits on a device: uint8 (..., H, bytes) to bool (..., H, width)."""
    places = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)  # a byte's first pixel is its highest bit
    return (bits[..., None] >> places & 1).flatten(-2)[..., :width].bool()


def nearest(images: EdgeImages, device: torch.device) -> EdgeImages | DeviceImages:
    """The images where their batches are soonest at hand: on a GPU, if they take no more than a quarter of its memory that is free."""
    arrays = [array for array in (images.pixels, images.truth, images.responses) if array is not None]
    if device.type != "cuda" or 4 * sum(array.nbytes for array in arrays) > torch.cuda.mem_get_info(device)[0]:
        return images
    return on_device(images, device)


def on_device(images: EdgeImages, device: torch.device) -> DeviceImages:
    """All of the images on the device."""
    pixels, truth = (torch.from_numpy(np.array(array)).to(device) for array in (images.pixels, images.truth))
    return DeviceImages(pixels, truth, None if images.responses is None else torch.from_numpy(np.array(images.responses)).to(device))


def read(prepared: Path, relaxed: Path | None, dilated: bool) -> EdgeImages:
    """A prepared set, with the responses of the file `relaxed`."""
    truth = "truth_dilated" if dilated else "truth"
    arrays = [np.load(file, mmap_mode="r") for file in (prepared / "images.npy", prepared / f"{truth}.npy")]
    return EdgeImages(arrays[0], arrays[1], np.load(relaxed, mmap_mode="r") if relaxed else None)
