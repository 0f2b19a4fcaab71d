"""Key points of people, as OpenPose writes them of a photo (Cao et al., Realtime Multi-Person 2D Pose Estimation, CVPR 2017): JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError

POINTS = 18  # of COCO: nose, neck, right arm, left arm, right leg, left leg, eyes, ears
KEYS = ("pose_keypoints_2d", "pose_keypoints")  # the second of versions before 1.2
BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)  # COCO's 18 of 25, which have a middle of the hips and feet too


def read(file: Path) -> NDArray[np.float64]:
    """The key points of the person of the greatest summed confidence: x, y in pixels and confidence, 0 of one that is missing, (18, 3).

    A UserError where there is nobody, or as `people`.
    """
    points = people(file)
    if not (points[:, :, 2] > 0).any():
        raise UserError(f"{file} has no people, or none with a key point: OpenPose sees nobody in its photo, so take another")
    return points[points[:, :, 2].sum(1).argmax()]


def people(file: Path) -> NDArray[np.float64]:
    """Of all people (k, 18, 3), in the file's order; a UserError of a file that is missing or damaged, or has no key points' numbers."""
    if not file.is_file():
        raise UserError(f"{file} is missing: run OpenPose on its photo and put what it writes with --write_json there")
    try:
        everyone = [dict(person) for person in json.loads(file.read_bytes())["people"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{file} is no JSON with a list of people ({error}): run OpenPose on its photo again") from error
    return np.array([_points(file, person) for person in everyone], np.float64).reshape(-1, POINTS, 3)


def _points(file: Path, person: dict[str, Any]) -> NDArray[np.float64]:
    numbers = next((person[key] for key in KEYS if key in person), None)
    try:
        points = np.array(numbers, np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.shape not in ((3 * POINTS,), (3 * 25,)) or not np.isfinite(points).all():
        raise UserError(
            f"{file}: a person has not 54 numbers (COCO) or 75 (BODY_25), of x, y and confidence, as {KEYS[0]}: run OpenPose with one of "
            "these models"
        )
    points = points.reshape(-1, 3)
    return points if len(points) == POINTS else points[list(BODY_25)]
