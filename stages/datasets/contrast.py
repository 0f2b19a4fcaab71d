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
    mean = flat.mean(axis=1, dtype=np.float64)
    norm = np.sqrt(np.square(flat.astype(np.float64) - mean[:, None]).sum(axis=1))
    return mean.astype(np.float32), np.where(norm < 1e-8, 1, norm / scale).astype(np.float32)
