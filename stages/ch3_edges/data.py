"""The prepared training images of Chapter 3 as batches: images, and the labels that each output of the network learns from."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.ch3_edges import SIDES
from stages.ch3_edges.labels import supervision, unpacked
from stages.core.runtime import to_device
from stages.encoders.vgg16 import WEIGHTS, normalise


@dataclass(frozen=True)
class EdgeImages:
    """pixels: uint8 (N, 3, H, W). truth: bits of (N, H, W). responses: bits of (N, 5, H, W), None for general supervision.

    All may lie on disk: a batch is read when it is asked for.
    """

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


def read(prepared: Path, relaxed: Path | None, dilated: bool) -> EdgeImages:
    """A prepared set, with the responses of the file `relaxed`."""
    truth = "truth_dilated" if dilated else "truth"
    arrays = [np.load(file, mmap_mode="r") for file in (prepared / "images.npy", prepared / f"{truth}.npy")]
    return EdgeImages(arrays[0], arrays[1], np.load(relaxed, mmap_mode="r") if relaxed else None)
