"""PASCAL VOC 2012's segmentation, with the further label maps of SBD (Hariharan et al., ICCV 2011), each in its official layout.

VOCdevkit/VOC2012 has photographs, maps and lists; benchmark_RELEASE/dataset has SBD's, whose train.txt holds some of VOC's validation
images: what is left of them, officially 904 of 1,449, is the validation set of Section 2.4.4.
"""

from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.matlab import load_mat
from stages.datasets.pictures import read_image, read_stored
from stages.datasets.segmented import IGNORE, Example

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)

VOC, SBD = "VOCdevkit/VOC2012", "benchmark_RELEASE/dataset"


def train_examples(folder: Path) -> list[Example]:
    """VOC's training images and SBD's, by name; where both have a map, VOC's own. A UserError names a file that is missing."""
    own = {name: _voc(folder, name) for split in ("train", "val") for name in _names(folder / VOC / f"ImageSets/Segmentation/{split}.txt")}
    training, further = _names(folder / VOC / "ImageSets/Segmentation/train.txt"), _names(folder / SBD / "train.txt")
    return _checked([own.get(name) or _sbd(folder, name) for name in sorted({*training, *further})])


def val_examples(folder: Path) -> list[Example]:
    """VOC's validation images that SBD's training set does not have, by name; errors as `train_examples`."""
    names = set(_names(folder / VOC / "ImageSets/Segmentation/val.txt")) - set(_names(folder / SBD / "train.txt"))
    if not names:
        raise UserError(f"{folder / SBD}/train.txt lists all images of {folder / VOC}/ImageSets/Segmentation/val.txt: {AGAIN}")
    return _checked([_voc(folder, name) for name in sorted(names)])


def read_labels(file: Path) -> np.ndarray:
    """The class of each pixel or IGNORE, uint8 (H, W). A UserError names a file that is damaged or has a class that there is not."""
    labels = _read_sbd(file) if file.suffix == ".mat" else _read_png(file)
    unknown = np.unique(labels[(labels >= len(CLASSES)) & (labels != IGNORE)])
    if len(unknown):
        raise UserError(f"{file} has the class {unknown[0]}: VOC's are 0 to {len(CLASSES) - 1}, and {IGNORE} where there is none")
    return labels


def read_pair(example: Example) -> tuple[np.ndarray, np.ndarray]:
    """An image and its labels, as above; a UserError where they are not of one size."""
    image, labels = read_image(example.image), read_labels(example.labels)
    if image.shape[:2] != labels.shape:
        sizes = [f"{width} x {height}" for height, width in (labels.shape, image.shape[:2])]
        raise UserError(f"{example.labels} is of {sizes[0]} pixels and {example.image} of {sizes[1]}: {AGAIN}")
    return image, labels


def palette() -> np.ndarray:
    """VOC's colour of each value of a label map, RGB uint8 (256, 3): a value's bits, three at a time, are a colour's from the highest."""
    values = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= (((values >> (3 * place + channel)) & 1) << (7 - place)).astype(np.uint8)
    return colours


def _voc(folder: Path, name: str) -> Example:
    return Example(name, folder / VOC / f"JPEGImages/{name}.jpg", folder / VOC / f"SegmentationClass/{name}.png")


def _sbd(folder: Path, name: str) -> Example:
    return Example(name, folder / SBD / f"img/{name}.jpg", folder / SBD / f"cls/{name}.mat")


def _names(split: Path) -> list[str]:
    try:
        names = split.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{split} is missing or damaged ({type(error).__name__}): {AGAIN}") from error
    if not names:
        raise UserError(f"{split} lists no image: {AGAIN}")
    return names


def _checked(examples: list[Example]) -> list[Example]:
    for example in examples:
        for file in (example.image, example.labels):
            if not file.is_file():
                raise UserError(f"{file}, of an image that the lists of VOC or SBD name, is missing: {AGAIN}")
    return examples


def _read_png(file: Path) -> np.ndarray:
    mode, labels = read_stored(file, ("PNG",))
    if mode not in ("P", "L"):
        raise UserError(f"{file} is a picture of mode {mode}: a label map has a palette, or is grey, of 8 bits")
    return labels


def _read_sbd(file: Path) -> np.ndarray:
    truth = load_mat(file, "GTcls")
    if truth.size != 1 or "Segmentation" not in (truth.dtype.names or ()):
        raise UserError(f"{file}: GTcls is no structure with a Segmentation")
    labels = truth["Segmentation"].item()
    if not isinstance(labels, np.ndarray) or labels.ndim != 2 or not labels.size or labels.dtype.kind not in "ui":
        raise UserError(f"{file}: Segmentation in GTcls is no matrix of integers")
    if labels.min() < 0 or labels.max() > IGNORE:
        raise UserError(f"{file} has the class {labels.min() if labels.min() < 0 else labels.max()}: VOC's are 0 to {len(CLASSES) - 1}")
    return labels.astype(np.uint8)
