"""The prepared CIFAR sets of Section 2.4.1 as tensors: normalisation, batches, the standard augmentation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core.runtime import Runtime, to_device


@dataclass(frozen=True)
class Images:
    """Images as stored, with what normalises them: uint8 (N, 3, 32, 32), labels (N,), mean and divisor (N,)."""

    pixels: Tensor
    labels: Tensor
    mean: Tensor
    divisor: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Globally contrast-normalised images float32 (len(rows), 3, 32, 32), and their labels."""
        shape = (-1, 1, 1, 1)
        pixels = self.pixels[rows].float()
        return (pixels - self.mean[rows].view(shape)) / self.divisor[rows].view(shape), self.labels[rows]


def read(folder: Path, part: str, device: torch.device) -> Images:
    """The part `train` or `test` of a prepared set, on the device."""
    names = ("images", "labels", "mean", "divisor")
    return Images(*(torch.from_numpy(np.load(folder / f"{part}_{name}.npy")).to(device) for name in names))


def class_count(folder: Path) -> int:
    """Number of classes of a prepared set."""
    return len((folder / "classes.txt").read_text().splitlines())


@torch.no_grad()
def scores_of(model: nn.Module, images: Images, precision: Runtime, batch_size: int = 100) -> torch.Tensor:
    """Class scores float32 (N, C) of all images, in evaluation mode; the model's mode is restored."""
    was_training = model.training
    model.eval()
    device = images.labels.device
    with precision.autocast(device):
        scores = [model(images.batch(rows)[0]).float() for rows in torch.arange(len(images), device=device).split(batch_size)]
    model.train(was_training)
    return torch.cat(scores)


def draw_views(count: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """The standard augmentation [125] of `count` images: shifts (2, count, 1), 0 to 8 down and right, and which are mirrored (count, 1)."""
    shifts = torch.randint(9, (2, count, 1), generator=generator)
    return to_device(shifts, device), to_device(torch.rand(count, 1, generator=generator) < 0.5, device)


def shifted(images: Tensor, shifts: Tensor, mirrored: Tensor) -> Tensor:
    """What `draw_views` has drawn, done: images are padded by 4 zeros, cropped there, and mirrored. Shape is kept."""
    count, _, height, width = images.shape
    rows = shifts[0] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(count, -1)
    columns = shifts[1] + torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    index = torch.arange(count, device=images.device)
    return padded[index[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
