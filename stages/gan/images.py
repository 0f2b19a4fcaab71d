"""Pictures as bytes, and as the networks have them: channels first, in -1..1."""

import torch
from torch import Tensor


def to_unit(pictures: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W): 0 is -1, 255 is 1."""
    return pictures.permute(0, 3, 1, 2).float().contiguous() / 127.5 - 1


def to_bytes(images: Tensor) -> Tensor:
    """float (N, 3, H, W) in -1..1 -> uint8 (N, H, W, 3): to the nearest byte, halves to the even one, so that `to_unit` is undone exactly.

    What lies beyond -1..1 becomes 0 or 255. CycleGAN's public code cuts the fraction off, by which pictures are half a step darker.
    """
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
