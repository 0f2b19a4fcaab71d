"""Scene-15 in its official layout: scene_categories/<category>/image_0001.jpg, 4,485 pictures of 15 categories.

Lazebnik et al., CVPR 2006. It has no official split: papers draw 100 pictures of each category to train on, 1,500, and test on the
other 2,985.
"""

from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.labelled import Undivided


def read(folder: Path) -> Undivided:
    """The categories by name; a UserError where there are none."""
    base = folder / "scene_categories"
    categories = sorted(category for category in base.glob("*") if category.is_dir())
    if not categories:
        raise UserError(f"{base} has no categories: {AGAIN}")
    return Undivided({category.name: sorted(category.glob("*.jpg")) for category in categories})
