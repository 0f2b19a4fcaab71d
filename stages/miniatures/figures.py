"""Jointed figures, dressed: the people of the generated world, each with its parsing map and its key points.

A figure is a `Body` in a `Pose` in `Clothes`, which change independently: the same body and pose in another figure's clothes is the true
swap that photographs cannot show. Its limbs are tapered strips along the bones between its joints (Figure 8.8's maps follow from them).
As in world.py every operation is one that IEEE 754 defines to the last bit, so that pictures are the same bytes on every machine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.datasets.lip import CLASSES
from stages.miniatures.strips import Strip, plain
from stages.miniatures.world import Colour, Surface, direction

POINTS = (  # OpenPose's 18 key points, in COCO's order; the figure's own right and left
    *("nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist"),
    *("right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle", "right eye", "left eye", "right ear", "left ear"),
)
NOSE, NECK, ARMS, LEGS, EYES, EARS = 0, 1, ((2, 3, 4), (5, 6, 7)), ((8, 9, 10), (11, 12, 13)), (14, 15), (16, 17)

# LIP's classes that figures have; of those that come in two, the figure's right and left.
HAIR, UPPER, PANTS, FACE = (CLASSES.index(name) for name in ("hair", "upper-clothes", "pants", "face"))
ARM, LEG, SHOE = ([CLASSES.index(f"{side}-{name}") for side in ("right", "left")] for name in ("arm", "leg", "shoe"))

# Lengths and half widths in picture widths, of a figure of scale 1.
_TRUNK, _HEAD, _UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.245, 0.1, 0.13, 0.12, 0.185, 0.185
_SHOULDER, _HIP, _EYE, _EAR = 0.08, 0.046, 0.024, 0.054
_SLEEVE, _TROUSER = 0.009, 0.008  # how much wider than the limb
_HIDDEN_EAR = 0.4  # of a turn: from there the further ear is not seen
_WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Body:
    """Colours of skin, hair and shoes; `girth` and `limbs` are multiples of usual widths and of usual lengths of arms and legs."""

    skin: Colour
    hair: Colour
    shoes: Colour
    long_hair: bool = False
    girth: float = 1.0
    limbs: float = 1.0


@dataclass(frozen=True)
class Pose:
    """Angles in degrees; of arms and legs, the figure's right and left: outwards from hanging down, and by how much more below the bend.

    lean : of the trunk, clockwise. turn : of the head, -1 to 1 (to the picture's right). centre : between the hips, in picture widths.
    behind : which arm is behind the back. back : seen from behind.
    """

    arms: tuple[tuple[float, float], tuple[float, float]] = ((12.0, 0.0), (12.0, 0.0))
    legs: tuple[tuple[float, float], tuple[float, float]] = ((4.0, 0.0), (4.0, 0.0))
    lean: float = 0.0
    turn: float = 0.0
    scale: float = 1.0
    centre: tuple[float, float] = (0.5, 0.49)
    behind: tuple[bool, bool] = (False, False)
    back: bool = False


@dataclass(frozen=True)
class Clothes:
    """A top of long or short sleeves, and trousers or shorts."""

    top: Surface
    bottom: Surface
    long: bool
    shorts: bool


def joints(body: Body, pose: Pose) -> NDArray[np.float64]:
    """Where the 18 key points are, hidden or not: float64 (18, 2), x and y in picture widths from the top left corner."""
    points = np.zeros((len(POINTS), 2))
    cosine, sine = direction(pose.lean)
    across, up = pose.scale * np.array([cosine, sine]), pose.scale * np.array([sine, -cosine])
    pelvis = np.array(pose.centre)
    points[NECK] = pelvis + _TRUNK * up
    head = points[NECK] + _HEAD * up
    points[NOSE] = head + 0.03 * pose.turn * across
    for which in (0, 1):
        side = (1.0 if which else -1.0) * (-1.0 if pose.back else 1.0)  # a figure that faces us has its right at our left
        shoulder = points[NECK] - 0.018 * up + side * _SHOULDER * body.girth * across
        hip = pelvis + side * _HIP * body.girth * across
        points[list(ARMS[which])] = _chain(shoulder, pose.arms[which], side, pose.scale * body.limbs, (_UPPER_ARM, _FOREARM))
        points[list(LEGS[which])] = _chain(hip, pose.legs[which], side, pose.scale * body.limbs, (_THIGH, _SHIN))
        points[EYES[which]] = points[NOSE] + 0.016 * up + side * _EYE * across
        points[EARS[which]] = head + side * _EAR * across
    return points


def figure(body: Body, pose: Pose, clothes: Clothes) -> list[Strip]:
    """All of a dressed figure, the nearest last."""
    points = joints(body, pose)
    arms = {which: [*_arm(body, pose, points, which), *_sleeve(body, pose, clothes, points, which)] for which in (0, 1)}
    behind = [strip for which in (0, 1) if pose.behind[which] != pose.back for strip in arms[which]]
    before = [strip for which in (0, 1) if pose.behind[which] == pose.back for strip in arms[which]]
    legs = [strip for which in (0, 1) for strip in _leg(body, pose, points, which)]
    trousers = [strip for which in (0, 1) for strip in _trouser(body, pose, clothes, points, which)]
    cap, face = _head(body, pose, points)
    head = [*face, *cap] if pose.back else [*cap, *face]
    neck = _strip(pose, FACE, NOSE, points[NECK], points[NOSE], (0.028, 0.028), body.skin)
    curtain = _curtain(body, pose, points)
    drawn = [*behind, *legs, *trousers, neck, *_trunk(body, pose, clothes, points), *before, *head]
    return [*drawn, *curtain] if pose.back else [*curtain, *drawn]


def flat(clothes: Clothes) -> list[Strip]:
    """A figure's top alone, as it lies on a table."""
    body = Body(_WHITE, _WHITE, _WHITE)
    pose = Pose(((38.0, 0.0), (38.0, 0.0)), scale=1.7, centre=(0.5, 0.7))
    points = joints(body, pose)
    return [*_sleeve(body, pose, clothes, points, 0), *_sleeve(body, pose, clothes, points, 1), *_trunk(body, pose, clothes, points)]


def key_points(body: Body, pose: Pose, limbs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """x and y in pixels (0 is the middle of the first) and a confidence, 1: float64 (18, 3); all 0 where a point is hidden.

    Hidden are points outside the picture, those of the face from behind and the far ear of a turned head, and elbows and wrists that
    something else covers. limbs : as `draw` has them.
    """
    size = len(limbs)
    points = joints(body, pose)
    seen = np.floor(points * size).astype(np.int64)
    shown = [bool(0 <= column < size and 0 <= row < size) for column, row in seen]
    for which in (0, 1):
        for joint in ARMS[which][1:]:
            shown[joint] &= shown[joint] and limbs[seen[joint, 1], seen[joint, 0]] in ARMS[which]
        side = (1.0 if which else -1.0) * (-1.0 if pose.back else 1.0)
        shown[EARS[which]] &= side * pose.turn < _HIDDEN_EAR  # the head turns its ear away that is on the side it turns to
    for point in (NOSE, *EYES):
        shown[point] &= not pose.back
    return np.where(np.array(shown)[:, None], np.column_stack([points * size - 0.5, np.ones(len(points))]), 0.0)


# ------------------------------------------------------------------------------------------------------------------- its parts


def _chain(start: NDArray, angles: tuple[float, float], side: float, scale: float, lengths: tuple[float, float]) -> NDArray[np.float64]:
    """A limb's three joints (3, 2)."""
    points, angle = [start], 0.0
    for length, more in zip(lengths, angles, strict=True):
        angle += more
        cosine, sine = direction(angle)
        points.append(points[-1] + scale * length * np.array([side * sine, cosine]))
    return np.array(points)


def _strip(
    pose: Pose,
    label: int,
    limb: int,
    start: NDArray,
    end: NDArray,
    widths: tuple[float, float],
    look: Surface | Colour,
    *,
    flat: bool = False,
) -> Strip:
    surface = look if isinstance(look, Surface) else plain(look)
    return Strip(label, limb, start, end, (pose.scale * widths[0], pose.scale * widths[1]), surface, flat, pose.scale)


def _along(start: NDArray, end: NDArray, share: float) -> NDArray:
    return start + share * (end - start)


def _arm(body: Body, pose: Pose, points: NDArray, which: int) -> list[Strip]:
    shoulder, elbow, wrist = (points[joint] for joint in ARMS[which])
    wide, label, skin = body.girth, ARM[which], body.skin
    return [
        _strip(pose, label, ARMS[which][1], shoulder, elbow, (0.03 * wide, 0.026 * wide), skin),
        _strip(pose, label, ARMS[which][2], elbow, wrist, (0.026 * wide, 0.021 * wide), skin),
        _strip(pose, label, ARMS[which][2], wrist, _along(elbow, wrist, 1.22), (0.023, 0.021), skin),
    ]


def _sleeve(body: Body, pose: Pose, clothes: Clothes, points: NDArray, which: int) -> list[Strip]:
    shoulder, elbow, wrist = (points[joint] for joint in ARMS[which])
    start, end = 0.03 * body.girth + _SLEEVE, 0.026 * body.girth + _SLEEVE
    if not clothes.long:
        return [_strip(pose, UPPER, ARMS[which][1], shoulder, _along(shoulder, elbow, 0.5), (start, end), clothes.top)]
    return [
        _strip(pose, UPPER, ARMS[which][1], shoulder, elbow, (start, end), clothes.top),
        _strip(pose, UPPER, ARMS[which][2], elbow, _along(elbow, wrist, 0.85), (end, end - 0.004), clothes.top),
    ]


def _leg(body: Body, pose: Pose, points: NDArray, which: int) -> list[Strip]:
    hip, knee, ankle = (points[joint] for joint in LEGS[which])
    wide, label = body.girth, LEG[which]
    outwards = np.array([1.0 if hip[0] > pose.centre[0] else -1.0, 0.0])
    heel = ankle + np.array([0.0, 0.012 * pose.scale])
    return [
        _strip(pose, label, LEGS[which][1], hip, knee, (0.046 * wide, 0.033 * wide), body.skin),
        _strip(pose, label, LEGS[which][2], knee, ankle, (0.033 * wide, 0.023 * wide), body.skin),
        _strip(pose, SHOE[which], LEGS[which][2], heel, heel + 0.022 * pose.scale * outwards, (0.029, 0.024), body.shoes),
    ]


def _trouser(body: Body, pose: Pose, clothes: Clothes, points: NDArray, which: int) -> list[Strip]:
    hip, knee, ankle = (points[joint] for joint in LEGS[which])
    start, end = 0.046 * body.girth + _TROUSER, 0.033 * body.girth + _TROUSER
    seat = _strip(pose, PANTS, LEGS[which][0], np.array(pose.centre), hip, (0.05, 0.05 * body.girth), clothes.bottom)
    if clothes.shorts:
        short = _along(hip, knee, 0.62)
        return [seat, _strip(pose, PANTS, LEGS[which][1], hip, short, (start, _along(start, end, 0.4)), clothes.bottom)]  # type: ignore[arg-type]
    return [
        seat,
        _strip(pose, PANTS, LEGS[which][1], hip, knee, (start, end), clothes.bottom),
        _strip(pose, PANTS, LEGS[which][2], knee, _along(knee, ankle, 0.88), (end, 0.023 * body.girth + _TROUSER), clothes.bottom),
    ]


def _trunk(body: Body, pose: Pose, clothes: Clothes, points: NDArray) -> list[Strip]:
    pelvis, (right, left) = np.array(pose.centre), (points[arm[0]] for arm in ARMS)
    hem, shoulders = _along(points[NECK], pelvis, 1.14), (right + left) / 2
    return [
        _strip(pose, UPPER, NECK, right, left, (0.028, 0.028), clothes.top),
        _strip(pose, UPPER, NECK, shoulders, hem, (_SHOULDER * body.girth + 0.012, _HIP * body.girth + 0.032), clothes.top, flat=True),
    ]


def _head(body: Body, pose: Pose, points: NDArray) -> tuple[list[Strip], list[Strip]]:
    """The hair's cap, and the face with its features."""
    head = _along(points[EARS[0]], points[EARS[1]], 0.5)
    up = (head - points[NECK]) / _HEAD
    cap = [_strip(pose, HAIR, NOSE, head + 0.02 * up, head + 0.022 * up, (0.064, 0.064), body.hair)]
    face = [_strip(pose, FACE, NOSE, head - 0.018 * up, head + 0.012 * up, (0.05, 0.054), body.skin)]
    if not pose.back:
        right, left = (points[eye] for eye in EYES)
        face += [_strip(pose, FACE, NOSE, eye, eye + 0.004 * up, (0.0095, 0.0095), (0.12, 0.1, 0.12)) for eye in (right, left)]
        mouth = points[NOSE] - 0.026 * up
        wide = (left - right) / 4
        face.append(_strip(pose, FACE, NOSE, mouth - wide, mouth + wide, (0.006, 0.006), (0.7, 0.25, 0.25)))
        wide = points[EARS[1]] - points[EARS[0]]
        crown = head + 0.056 * up
        face.append(_strip(pose, HAIR, NOSE, crown - 0.3 * wide, crown + 0.3 * wide, (0.019, 0.019), body.hair))
    return cap, face


def _curtain(body: Body, pose: Pose, points: NDArray) -> list[Strip]:
    """Long hair: behind a figure that faces us, before one that does not."""
    if not body.long_hair:
        return []
    head = _along(points[EARS[0]], points[EARS[1]], 0.5)
    return [_strip(pose, HAIR, NOSE, head, _along(head, points[NECK], 1.1), (0.066, 0.058), body.hair)]
