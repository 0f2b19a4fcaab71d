"""Least-squares adversarial losses [233], and the L1 distance of images."""

from torch import Tensor


def real(scores: Tensor) -> Tensor:
    """How far scores of any shape are from 1, what a discriminator answers to real images: the mean of (s - 1)^2.

    The first half of Eq. 8.1; of generated images' scores, what their generator minimises (Eq. 8.14).
    """
    return (scores - 1).square().mean()


def fake(scores: Tensor) -> Tensor:
    """How far scores of any shape are from 0, what a discriminator answers to generated images: the mean of s^2, second half of Eq. 8.1."""
    return scores.square().mean()


def l1(a: Tensor, b: Tensor) -> Tensor:
    """The mean absolute difference of two batches of images, over pixels and channels.

    The norm of Eq. 8.2 is a sum, which at 256 pixels is 196,608 times as much: times 10 it would leave nothing of the adversarial loss.
    """
    return (a - b).abs().mean()
