"""The detectors of the relaxed labels and of the upper half of Table 2.8: Structured Edges, ready or our own, and gPb-owt-ucm.

Canny's is in `canny`. A detector here gives an image's edge map, float (H, W) in 0..1.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stages.ch3_edges import structured
from stages.ch3_edges.detection_settings import ForestSettings
from stages.core.errors import UserError
from stages.datasets import reader
from stages.metrics.edge_maps import SUFFIXES, read_map

Detector = Callable[[str, np.ndarray], np.ndarray]
Contours = Callable[[Path, str, str], np.ndarray]


def structured_edges(folder: Path, settings: ForestSettings, scales: Sequence[float]) -> Detector:
    """The detector in `folder`, not thinned: a forest that `forest` has trained, or ready maps `<image>.png`, `.npy` or ucm2 `.mat`.

    It is called with an image's name and pixels, uint8 (H, W, 3). A UserError names a map that is missing or of another size.
    """
    if (folder / structured.FILE).exists():
        forest = structured.load(folder / structured.FILE, settings)
        return lambda name, image: structured.predict(forest, image, scales)

    def ready(name: str, image: np.ndarray) -> np.ndarray:
        files = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").exists()]
        if len(files) != 1:
            found = (
                " and ".join(file.name for file in files)
                or f"neither {structured.FILE} nor {name}{SUFFIXES[0]}, {' or '.join(SUFFIXES[1:])}"
            )
            raise UserError(f"{folder} (the parameter ch3_edges.structured_edges) has {found}: it needs a forest, or one map an image")
        edges = read_map(files[0])
        if edges.shape != image.shape[:2]:
            raise UserError(f"{files[0]} is {_size(edges)} and its image {_size(image)}: a map must have its image's size")
        return edges

    return ready


def contours_of(name: str) -> Contours:
    """What gives gPb-owt-ucm's map of a folder's image in a split, by the reader of the data set `name`; a UserError without it."""
    read = getattr(reader(name), "read_contours", None)
    if read is None:
        raise UserError(f"stages/datasets/{name}.py has no read_contours, gPb-owt-ucm's maps: take {name} from ch3_edges.sets.train")
    return read


def _size(values: np.ndarray) -> str:
    return f"{values.shape[0]} x {values.shape[1]}"
