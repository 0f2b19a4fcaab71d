"""MSCOCO (Lin et al., ECCV 2014): train2014, 82,783 images, val2014, 40,504, annotations/{captions,instances}_*.json.

    test: mao1k      the 1,000 of val2014 that Mao et al. [190] test on, a name a line in mscoco_test_mao.txt
    test: first1k    the first 1,000 of Karpathy's 5,000 in dataset_coco.json
    test: full5k     all 5,000 (five folds of 1,000, averaged, are for the evaluation)

Trained on is train2014 alone with each, as the thesis counts 82,783 images: never what Karpathy calls restval.
"""

from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.captioned import CaptionedSet, gathered
from stages.datasets.json_files import karpathy_names, load_object, rows
from stages.datasets.labelled import read_lines

TESTS = ("mao1k", "first1k", "full5k")
MOST = 5  # captions of an image; some have six or seven, and 82,783 times five are the thesis's 413,915 pairs


@dataclass(frozen=True)
class _Half:
    """train2014 or val2014: images by name, in their ids' order, captions in their file's, and their categories."""

    images: dict[str, Path]
    captions: dict[Path, list[str]]
    categories: dict[Path, set[int]]
    names: dict[int, str]


def read(folder: Path, *, test: str = "mao1k", val: int = 1000) -> CaptionedSet:
    """train2014, `val` images of val2014 to choose by, and the test images; the first five captions of each image.

    The thesis does not say which images are its validation part. Here they are the first `val` of val2014, by id, that
    are not tested on; with Karpathy's test images the first `val` of his validation images. The rest of val2014 is left
    out, and counted.
    classes : the 80 categories, by id; an image without instances has none of them. Both files of annotations are
    needed.
    A UserError names an image that is missing or without a caption, a row without a key, or of an unknown image or
    category.
    """
    if test not in TESTS:
        raise UserError(f"mscoco has no test images {test}: they are one of {', '.join(TESTS)}")
    train, rest = _half(folder, "train2014"), _half(folder, "val2014")
    if test == "mao1k":
        file = folder / "mscoco_test_mao.txt"
        tested = read_lines(file)
        others = [name for name in rest.images if name not in set(tested)]
    else:
        file = folder / "dataset_coco.json"
        names = karpathy_names(file, ("val", "test"))
        tested, others = names["test"][: 1000 if test == "first1k" else None], names["val"]
    for name in (*others[:val], *tested):
        if name not in rest.images:
            raise UserError(f"{file} lists {name}, which is no image of captions_val2014.json: {AGAIN}")
    parts = {
        "train": list(train.images.values()),
        "val": [rest.images[name] for name in others[:val]],
        "test": [rest.images[name] for name in tested],
    }
    places = {number: place for place, number in enumerate(sorted(train.names | rest.names))}
    captions, categories = train.captions | rest.captions, train.categories | rest.categories
    listed = [image for part in parts.values() for image in part]
    counts = {
        "captions after an image's fifth": sum(max(0, len(captions.get(image, ())) - MOST) for image in listed),
        "images without instances": sum(not categories.get(image) for image in listed),
        "images in no part": len(train.images) + len(rest.images) - len(listed),
    }
    return gathered(
        parts,
        {image: own[:MOST] for image, own in captions.items()},
        folder / "annotations",
        classes=[(train.names | rest.names)[number] for number in places],
        labels_of={image: [places[number] for number in numbers] for image, numbers in categories.items()},
        counts=counts,
    )


def _half(folder: Path, half: str) -> _Half:
    file = folder / f"annotations/captions_{half}.json"
    content = load_object(file, "images", "annotations")
    present = {image.name for image in (folder / half).glob("*.jpg")}
    images: dict[int, Path] = {}
    for number, name in sorted(rows(file, content, "images", id=int, file_name=str)):
        if name not in present:
            raise UserError(f"{file}: the image {folder / half / name} is missing: {AGAIN}")
        images[number] = folder / half / name
    captions: dict[Path, list[str]] = {}
    for row, (number, caption) in enumerate(rows(file, content, "annotations", image_id=int, caption=str)):
        captions.setdefault(_known(images, number, file, row), []).append(" ".join(caption.split()))
    file = folder / f"annotations/instances_{half}.json"
    content = load_object(file, "annotations", "categories")
    names = dict(rows(file, content, "categories", id=int, name=str))
    categories: dict[Path, set[int]] = {}
    for row, (number, category) in enumerate(rows(file, content, "annotations", image_id=int, category_id=int)):
        if category not in names:
            raise UserError(f"{file}: annotations[{row}] is of the category {category}, which categories lacks: {AGAIN}")
        categories.setdefault(_known(images, number, file, row), set()).add(category)
    return _Half({image.name: image for image in images.values()}, captions, categories, names)


def _known(images: dict[int, Path], number: int, file: Path, row: int) -> Path:
    if number not in images:
        raise UserError(f"{file}: annotations[{row}] is of the image {number}, which has no row in images: {AGAIN}")
    return images[number]
