"""Pascal Sentence (Rashtchian et al., 2010): dataset/<class>/2008_000008.jpg, sentence/<class>/2008_000008.txt.

1,000 images, 50 of each of 20 classes of VOC; nearly all have five sentences, a line each, some four or six. The set is
published as a web page; copies have these folders.
"""

from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.captioned import PARTS, CaptionedSet, drawn, gathered
from stages.datasets.labelled import read_lines
from stages.datasets.retrieval import list_pictures


def read(folder: Path, *, val_per_class: int = 5, test_per_class: int = 5, seed: int = 0) -> CaptionedSet:
    """A random split by `seed`: of each class so many images for validation and test, as in the thesis; the others to train on.

    What is drawn of a class depends on no other class's images; nobody has published the thesis's split.
    A UserError names an image without sentences, sentences without their image, and a class with too few images.
    """
    images = list_pictures(folder / "dataset", "*/*.jpg")
    classes = sorted({image.parent.name for image in images})
    parts: dict[str, list[Path]] = {part: [] for part in PARTS}
    for name in classes:
        own = [image for image in images if image.parent.name == name]
        for part, chosen in drawn(own, val_per_class, test_per_class, "pascal_sentence", seed, name).items():
            parts[part] += chosen
    texts = {folder / "sentence" / image.parent.name / f"{image.stem}.txt": image for image in images}
    for text in sorted((folder / "sentence").glob("*/*.txt")):
        if text not in texts:
            raise UserError(f"{text} has sentences of an image that is missing, dataset/{text.parent.name}/{text.stem}.jpg: {AGAIN}")
    captions = {image: [line for line in read_lines(text) if line] for text, image in texts.items()}
    labels = {image: [classes.index(image.parent.name)] for image in images}
    return gathered(parts, captions, folder / "sentence", classes=classes, labels_of=labels)
