"""Chapter 2's training images for segmentation, each as a batch of its own."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from stages.core.ahead import map_ahead, workers
from stages.core.errors import UserError
from stages.core.seeds import generator
from stages.datasets.segmented import Example

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class TrainingImages:
    """Which image an iteration has, and whether it is mirrored, by the iteration's number alone: trainings resume to the step.

    reader : the data set's module of stages/datasets. rows_of : an iteration's row of `examples`.
    seed : of the mirroring; None for none.
    """

    reader: ModuleType
    examples: Sequence[Example]
    rows_of: Callable[[int], Tensor]
    seed: tuple | None

    def batch(self, iteration: int) -> Batch:
        """Bytes uint8 (1, 3, H, W) and labels uint8 (1, H, W)."""
        image, labels = self.reader.read_pair(self.examples[int(self.rows_of(iteration))])
        if self.seed is not None and torch.rand((), generator=generator(*self.seed, "mirror", iteration)) < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        return pixels_of(image), torch.from_numpy(labels[None].copy())


def check(reader: ModuleType, examples: Sequence[Example], largest: Sequence[int]) -> None:
    """Read every image and label map once: a UserError, as of `reader.read_pair`, comes before the training, not amid it.

    largest : height and width that no image may exceed, of those that local fusions have weights for.
    """
    with contextlib.closing(map_ahead(partial(_shape, reader), examples, threads=workers(), ahead=4 * workers())) as shapes:
        for example, (height, width) in zip(examples, shapes, strict=True):
            if height > largest[0] or width > largest[1]:
                raise UserError(
                    f"{example.image} has {width} x {height} pixels, more than the {largest[1]} x {largest[0]} that "
                    "ch2_segmentation.network.size has weights for: raise it"
                )


def _shape(reader: ModuleType, example: Example) -> tuple[int, int]:
    height, width = reader.read_pair(example)[1].shape
    return height, width


def pixels_of(image: np.ndarray) -> Tensor:
    """An image uint8 (H, W, 3) as a batch of one, uint8 (1, 3, H, W)."""
    return torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
