"""The ten sentences of each image that Reed et al. (CVPR 2016) collected for Flowers and CUB.

A text is `text_c10/<class>/<image>.txt`, a sentence a line. The .t7 and .h5 files beside them are not read: they hold
character codes, cut at 201; nor the lists of classes, which are of zero-shot splits.
"""

from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.captioned import CaptionedSet, gathered
from stages.datasets.labelled import ClassifiedSet, read_lines

SENTENCES = 10


def described_by(whole: ClassifiedSet, texts: Path) -> CaptionedSet:
    """The images, classes and parts of a set of recognition, without a validation part, with the sentences of `texts`.

    A UserError names an image without a text, a text without its image or of other than ten sentences, and two texts of one image.
    """
    images = {image.stem: image for part in (whole.train, whole.test) for image in part.images}
    captions: dict[Path, list[str]] = {}
    for text in sorted(texts.glob("*/*.txt")):
        if text.stem not in images:
            raise UserError(f"{text} has sentences of an image that is missing, {text.stem}.jpg: {AGAIN}")
        if images[text.stem] in captions:
            raise UserError(f"{text} is the second text of the image {text.stem}.jpg: take one away")
        captions[images[text.stem]] = lines = [line for line in read_lines(text) if line]
        if len(lines) != SENTENCES:
            raise UserError(f"{text} has {len(lines)} sentences, where each image has {SENTENCES}: {AGAIN}")
    parts = {"train": whole.train.images, "val": [], "test": whole.test.images}
    pairs = [pair for part in (whole.train, whole.test) for pair in zip(part.images, part.labels, strict=True)]
    labels = {image: [label] for image, label in pairs}
    return gathered(parts, captions, texts, classes=whole.classes, labels_of=labels)
