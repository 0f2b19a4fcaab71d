"""A miniature of CIFAR-100 in its official layout.

The class of the hundred is the main thing's shape and pattern, that of the twenty its shape and family of patterns.
"""

from pathlib import Path

from stages.miniatures.cifar import TEST, TRAIN, check_counts, draw, python2_pickle
from stages.miniatures.shapes import PATTERN_FAMILIES, PATTERNS, SHAPES

FINE_NAMES = [f"{pattern}_{shape}" for shape in SHAPES for pattern in PATTERNS]
COARSE_NAMES = [f"{family}_{shape}" for shape in SHAPES for family in PATTERN_FAMILIES]


def write(folder: Path, *, train: int, test: int, seed: int) -> None:
    """Write `folder`/cifar-100-python: `train` and `test` images of a hundred classes evenly, in twenty coarse classes of five."""
    check_counts("CIFAR-100", 100, train, test)
    base = folder / "cifar-100-python"
    base.mkdir(parents=True, exist_ok=True)
    for file, title, count, stream in (("train", "training", train, TRAIN), ("test", "testing", test, TEST)):
        labels, data, names = draw(100, count, seed, stream)
        batch = {
            "filenames": names,
            "batch_label": f"{title} batch 1 of 1",
            "fine_labels": labels,
            "coarse_labels": [label // 5 for label in labels],
            "data": data,
        }
        (base / file).write_bytes(python2_pickle(batch))
    (base / "meta").write_bytes(python2_pickle({"fine_label_names": FINE_NAMES, "coarse_label_names": COARSE_NAMES}))
