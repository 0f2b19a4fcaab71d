"""What the networks know of a person beside the photo: pose, segments, mask and head (Section 8.2.1, Figure 8.8)."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.datasets import lip

if TYPE_CHECKING:
    from torch import Tensor

SEGMENTS = ("head", "arms", "legs", "upper", "lower")  # 1 to 5 of a map; 0 is background

# The thesis has five of twenty classes and does not say which of which: clothes that hang from the shoulders are upper ones.
_CLASSES = {
    "head": ("hat", "hair", "sunglasses", "face"),
    "arms": ("glove", "left-arm", "right-arm"),
    "legs": ("socks", "left-leg", "right-leg", "left-shoe", "right-shoe"),
    "upper": ("upper-clothes", "dress", "coat", "jumpsuits", "scarf"),
    "lower": ("pants", "skirt"),
}
REGROUP = np.array([next((1 + i for i, own in enumerate(SEGMENTS) if name in _CLASSES[own]), 0) for name in lip.CLASSES], np.uint8)
HEAD = (lip.CLASSES.index("hair"), lip.CLASSES.index("face"))  # "the head region (face and hair)"

# COCO's key points in OpenPose's order.
NOSE, NECK, RIGHT_HIP, RIGHT_KNEE, LEFT_HIP, LEFT_KNEE, RIGHT_EYE, LEFT_EYE = 0, 1, 8, 9, 11, 12, 14, 15
POINTS = 18

# OpenPose's 17 limbs, by their key points, and the colours that its demonstration in Python draws them in.
LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
COLOURS = np.array(
    [
        *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85), (0, 255, 170)),
        *((0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170)),
    ],
    np.uint8,
)


def regroup(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """LIP's classes, 0 to 19, as 0 or 1 + the place in SEGMENTS: uint8, of the same shape."""
    return REGROUP[classes]


def head_map(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of LIP's classes, 0 to 19, 1 where there is face or hair, and 0 also where a hat or glasses are: uint8, same shape."""
    return np.isin(classes, HEAD).astype(np.uint8)


def pose_map(points: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The limbs between key points (18, 3), of x, y and confidence, as coloured lines on black: uint8 (S, S, 3).

    A pixel's centre is at whole numbers. A limb is drawn where both of its key points have a confidence above 0, later ones over earlier
    ones; a line is size / 32 pixels wide, and at least 2.
    """
    picture = np.zeros((size, size, 3), np.uint8)
    y, x = np.mgrid[:size, :size].astype(np.float64)
    for (a, b), colour in zip(LIMBS, COLOURS, strict=True):
        if points[a, 2] > 0 and points[b, 2] > 0:
            picture[_squared_distances(x, y, points[a], points[b]) <= max(size / 64, 1) ** 2] = colour
    return picture


def _squared_distances(
    x: NDArray[np.float64], y: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Sums and products only, which every processor rounds alike, so that bytes are the same everywhere.
    across, down = b[0] - a[0], b[1] - a[1]
    length = across * across + down * down
    along = ((x - a[0]) * across + (y - a[1]) * down) / length if length else np.zeros_like(x)
    along = along.clip(0, 1)
    dx, dy = x - a[0] - along * across, y - a[1] - along * down
    return dx * dx + dy * dy


def one_hot(parts: "Tensor") -> "Tensor":
    """S of Eq. 8.15: segments (N, S, S), 0 to 5, as a channel each without one for the background: float32 (N, 5, S, S)."""
    import torch  # a second of every process, which what prepares does not need

    # On the segments' own device: a step that is recorded brings nothing there.
    return (parts[:, None] == torch.arange(1, 1 + len(SEGMENTS), device=parts.device)[:, None, None]).float()


def mask(parts: Any) -> Any:
    """M of Eq. 8.17: where an array or a tensor of segments has any; bool, of the same shape."""
    return parts > 0


def paste_head(images: NDArray[np.uint8], references: NDArray[np.uint8], heads: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The images (N, S, S, 3) with X_r where H_r, uint8 (N, S, S), is not 0, and as they are elsewhere."""
    return np.where(heads[..., None] > 0, references, images)


def deformation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """How different two poses (18, 3) are: the mean distance of the key points that both have, in lengths of the torso.

    Both torsos, from the neck to the middle of the hips, have the length 1, and both necks lie upon each other. A UserError where a pose
    has no torso.
    """
    common = (a[:, 2] > 0) & (b[:, 2] > 0)
    difference = (_aligned(a) - _aligned(b))[common]
    return float(np.mean(np.sqrt(difference[:, 0] ** 2 + difference[:, 1] ** 2)))


def torso(points: NDArray[np.float64]) -> float:
    """The distance from the neck to the middle of the hips; 0 where a key point of the three is missing."""
    if not (points[[NECK, RIGHT_HIP, LEFT_HIP], 2] > 0).all():
        return 0.0
    across, down = (points[RIGHT_HIP, :2] + points[LEFT_HIP, :2]) / 2 - points[NECK, :2]
    return float(np.sqrt(across * across + down * down))


def _aligned(points: NDArray[np.float64]) -> NDArray[np.float64]:
    length = torso(points)
    if not length:
        raise UserError("a pose without a neck and two hips apart from it has no torso, by which poses are compared: choose another photo")
    return (points[:, :2] - points[NECK, :2]) / length
