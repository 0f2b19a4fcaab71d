"""A folder of captioned pictures such as anyone may have: images, and captions.csv, with labels and without parts."""

from pathlib import Path

from stages.core.files import write_csv
from stages.miniatures import request
from stages.miniatures.captioned import THINGS, draw, sentence

_STREAM = 6_050  # of random numbers: data sets never share a scene


def write(folder: Path, *, images: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/images and captions.csv: one to three sentences of each picture, labelled with the things in it."""
    request.check("set of one's own", {"images": images}, width, height)
    rows = []
    for index in range(images):
        file = f"images/{index + 1:04d}.jpg"
        content, rng = draw(folder / file, seed, _STREAM, index, (width, height))
        label = ";".join(THINGS[kind][0] for kind in content.things)
        rows += [{"file": file, "caption": sentence(rng, content), "label": label} for _ in range(1 + index % 3)]
    write_csv(folder / "captions.csv", rows)
