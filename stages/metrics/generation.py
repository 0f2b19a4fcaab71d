"""Measures of generated pictures (Section 8.1.4)."""

import numpy as np
from numpy.typing import NDArray


def spread(images: NDArray[np.uint8]) -> float:
    """How much pictures (n, H, W, 3) differ from one another: the mean over pixels and colours of the deviation over the pictures, in
    levels of 0 to 255; 0 where all are the same, as those of a generator that has collapsed. A ValueError: there are none.
    """
    if not len(images):
        raise ValueError("there are no pictures: their deviation over pictures is that of one at least")
    # Row by row: as floats all pictures at once would take eight times their memory.
    return float(np.mean([images[:, row].std(axis=0).mean() for row in range(images.shape[1])]))


def gap(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """How far two sets of pictures, (n, H, W, 3) and (m, H, W, 3), are from each other as sets: the mean absolute difference of their
    mean pictures, in values of -1 to 1, where 2 is the most. Which picture of one belongs to which of the other does not matter.
    """
    means = [images.mean(axis=0, dtype=np.float64) for images in (first, second)]
    return float(np.abs(means[0] - means[1]).mean() / 127.5)
