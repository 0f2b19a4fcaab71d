"""ImageNet as prepared: JPEGs of one size in one file, decoded ahead of the network; crops, mirror images, mean (Section 2.4.2)."""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.core.runtime import to_device
from stages.core.seeds import generator
from stages.datasets.pictures import decoded

CHANNEL_MEAN = (123.0, 117.0, 104.0)  # red, green, blue of bytes: the author's, who has them in Caffe's order


class Pictures:
    """A part, train or val, of a prepared ImageNet; `labels` (N,). What is in memory does not grow with the part, nor is a file open twice.

    The part is `<part>.jpegs`, one JPEG after the other, `<part>_offsets.npy` (N + 1,), where each begins, and `<part>_labels.npy`.
    """

    def __init__(self, folder: Path, part: str):
        self.labels: NDArray[np.int64] = np.load(folder / f"{part}_labels.npy", mmap_mode="r")
        self._offsets: NDArray[np.int64] = np.load(folder / f"{part}_offsets.npy", mmap_mode="r")
        self._file = (folder / f"{part}.jpegs").open("rb")

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, row: int) -> NDArray[np.uint8]:
        """A picture, uint8 (S, S, 3); several threads may ask at once."""
        first, end = int(self._offsets[row]), int(self._offsets[row + 1])
        stored = io.BytesIO(os.pread(self._file.fileno(), end - first, first))
        return decoded(stored, np.asarray, ("JPEG",), f"picture {row} of {self._file.name}")


@dataclass(frozen=True)
class Crops:
    """Parts of a batch's pictures, as stored: uint8 (N, crop, crop, 3), mirrored where `mirrored` (N,) says so, labels (N,).

    corners : (N, 2), the row and column of each part's upper left corner.
    """

    pixels: Tensor
    labels: Tensor
    corners: Tensor
    mirrored: Tensor

    def normalised(self, mean: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Float32 (N, 3, crop, crop) less the mean at the same place, channels last, and the labels; on the device.

        mean : (3, S, S), per pixel of a whole picture, or (3, 1, 1), on the device.
        """
        pixels = to_device(self.pixels, device).permute(0, 3, 1, 2).float()
        if mean.shape[-1] == 1:
            return pixels - mean, to_device(self.labels, device)
        steps = torch.arange(pixels.shape[-1])
        columns = torch.where(self.mirrored[:, None], steps.flip(0), steps) + self.corners[:, 1, None]
        rows = to_device(self.corners[:, 0, None] + steps, device)
        of_pixels = mean[:, rows[:, :, None], to_device(columns, device)[:, None, :]]  # (3, N, crop, crop)
        return pixels - of_pixels.transpose(0, 1), to_device(self.labels, device)


def random_crops(pictures: Pictures, rows: Tensor, crop: int, seed: tuple[Any, ...]) -> Crops:
    """A random part of each picture or, every second time, of its mirror image; drawn from `seed` alone."""
    draws, whole = generator(*seed), [pictures.pixels(row) for row in rows.tolist()]
    corners = torch.randint(len(whole[0]) - crop + 1, (len(rows), 2), generator=draws)
    return _cut(whole, pictures.labels[rows.numpy()], crop, corners, torch.rand(len(rows), generator=draws) < 0.5)


def central_crops(pictures: Pictures, rows: Tensor, crop: int) -> Crops:
    """The middle of each picture: "single crop"."""
    whole = [pictures.pixels(row) for row in rows.tolist()]
    corners = torch.full((len(rows), 2), (len(whole[0]) - crop) // 2)
    return _cut(whole, pictures.labels[rows.numpy()], crop, corners, torch.zeros(len(rows), dtype=torch.bool))


def load_mean(facts: Path, kind: str, device: torch.device) -> Tensor:
    """What is subtracted: kind `pixel`, the thesis's, the mean training picture (3, S, S); kind `channel`, the author's, (3, 1, 1)."""
    if kind == "pixel":
        return torch.from_numpy(np.load(facts / "mean.npy")).permute(2, 0, 1).contiguous().to(device)
    return torch.tensor(CHANNEL_MEAN, device=device).view(3, 1, 1)


def class_names(facts: Path) -> list[str]:
    """The classes of a prepared ImageNet, by their numbers."""
    return (facts / "classes.txt").read_text().splitlines()


def in_batches(count: int, size: int) -> list[Tensor]:
    """The numbers below `count`, `size` at a time."""
    return list(torch.arange(count).split(size))


def _cut(whole: list[NDArray[np.uint8]], labels: NDArray[np.int64], crop: int, corners: Tensor, mirrored: Tensor) -> Crops:
    pixels = np.empty((len(whole), crop, crop, 3), np.uint8)
    for place, picture, (top, left), mirror in zip(pixels, whole, corners.tolist(), mirrored.tolist(), strict=True):
        part = picture[top : top + crop, left : left + crop]
        place[:] = part[:, ::-1] if mirror else part
    return Crops(torch.from_numpy(pixels), torch.from_numpy(np.array(labels)), corners, mirrored)
