"""Thinning of edge maps as Structured Edges, HED and RDS are thinned before the boundary benchmark (Section 3.4.1)."""

import numpy as np
from scipy import ndimage


def triangle_blur(maps: np.ndarray, radius: int) -> np.ndarray:
    """Blur the last two axes with a triangle filter of 2 `radius` + 1 taps; float32, borders mirrored."""
    taps = np.minimum(np.arange(1, 2 * radius + 2), np.arange(2 * radius + 1, 0, -1)) / (radius + 1) ** 2
    rows = ndimage.convolve1d(maps, taps, axis=-2, mode="reflect", output=np.float32)
    return ndimage.convolve1d(rows, taps, axis=-1, mode="reflect", output=np.float32)


def orientation(edges: np.ndarray, radius: int = 4) -> np.ndarray:
    """Direction across the edge at each pixel, radians in [0, pi) from the x axis: that of the strongest curvature of the blurred map.

    From the second derivatives, as in Dollár and Zitnick's detector; where their mixed one is exactly 0, so that the sign there
    would turn a horizontal edge into a vertical one, it counts as below 0.
    """
    gradient_y, gradient_x = np.gradient(triangle_blur(edges, radius))
    curvature_xy, curvature_xx = np.gradient(gradient_x)
    curvature_yy = np.gradient(gradient_y, axis=0)
    return np.mod(np.arctan2(np.where(curvature_xy > 0, -curvature_yy, curvature_yy), curvature_xx + 1e-5), np.pi)


def suppress(edges: np.ndarray, angle: np.ndarray, radius: int = 1, border: int = 5, multiplier: float = 1.01) -> np.ndarray:
    """Set to 0 what is below a neighbour across the edge, and fade the outermost `border` pixels.

    A pixel stays where `multiplier` times its value is at least each value interpolated at 1..`radius` pixels to both sides
    along `angle`. At distance d < `border` from the image's edge what stays is multiplied by d / `border`, in each direction.
    """
    height, width = edges.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    keep = np.ones(edges.shape, bool)
    for step in (step for step in range(-radius, radius + 1) if step):
        position = np.stack([y + step * np.sin(angle), x + step * np.cos(angle)])
        keep &= edges * np.float32(multiplier) >= ndimage.map_coordinates(edges, position, order=1, mode="nearest")
    fade_y, fade_x = (_fade(length, border) for length in edges.shape)
    return np.where(keep, edges * fade_y[:, None] * fade_x, np.float32(0))


def _fade(length: int, border: int) -> np.ndarray:
    """(length,): 1 but for a ramp from 0 over `border` pixels at both ends."""
    distance = np.minimum(np.arange(length), np.arange(length)[::-1])
    return np.minimum(distance / max(border, 1), 1).astype(np.float32) if border else np.ones(length, np.float32)


def thin_edges(edges: np.ndarray, blur: int = 1, radius: int = 1, border: int = 5, multiplier: float = 1.01) -> np.ndarray:
    """An edge map blurred and thinned by non-maximum suppression: float32 of the map's shape.

    edges : (H, W) in 0..1. The defaults are RDS's: blur 1 for the values, 4 for the orientation, radius 1, border 5, multiplier 1.01.
    """
    smooth = triangle_blur(edges, blur) if blur else np.asarray(edges, np.float32)
    return suppress(smooth, orientation(smooth), radius, border, multiplier)
