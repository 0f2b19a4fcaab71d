"""Images as the network takes them."""

import torch
from torch import Tensor

MEAN = (122.67892, 116.66877, 104.00699)  # red, green, blue, of bytes


def normalise(pixels: Tensor) -> Tensor:
    """RGB bytes (N, 3, H, W) minus MEAN, float32."""
    return pixels.float() - torch.tensor(MEAN, device=pixels.device).view(1, 3, 1, 1)
