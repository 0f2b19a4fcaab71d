"""Global contrast normalisation [131]: each image minus its mean, divided by its own contrast."""

import numpy as np


def contrast_statistics(images: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and divisor of each image, such that (image - mean) / divisor has Euclidean norm `scale`.

    Parameters
    ----------
    images : uint8 (N, C, H, W).
    scale : norm of a normalised image; 55 in [131], where a CIFAR image then has a deviation of 0.99 per value.

    Returns
    -------
    mean, divisor : float32 (N,). The divisor of a constant image is 1.
    """
    flat = images.reshape(len(images), -1)
    # In whole numbers: exact, so the same on every machine, and without a copy of all images as floats.
    total = flat.sum(axis=1, dtype=np.int64)
    squares = np.einsum("ij,ij->i", flat, flat, dtype=np.int64)
    size = flat.shape[1]
    norm = np.sqrt((size * squares - total**2) / size)
    return (total / size).astype(np.float32), np.where(norm == 0, 1, norm / scale).astype(np.float32)
