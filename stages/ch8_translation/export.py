"""A part of a set with label maps as folders of PNGs: what `translate` takes, and what `fcn_score` scores as Table 8.1 does.

    python -m stages.ch8_translation.export facades data/real_cpu/sources/facades -o OUT --size 128

Leaves under OUT, by the names that they have in the data set,

    colours  the label maps in their colours, which networks translate
    photos   the real photos
    labels   the label maps' classes as indices, 255 where there is none: those of facades are decoded from their JPEG's colours

as large as they are, or brought to --size as `prepare` brings them there. With `labels` of the scorer's size, `fcn_score` gives Table 8.1's
Oracle for `photos` of that size, and a network's row for what `translate` makes of `colours` of the networks' size.
"""

import argparse
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from stages.ch8_translation.prepare import Picture, resize_labels, resize_photo
from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import replacing
from stages.datasets import reader
from stages.datasets.translated import PARTS

SETS = ("facades", "cityscapes")  # with label maps, in this section


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("dataset", choices=SETS)
    options.add_argument("folder", type=Path, help="where the set lies in its official layout")
    options.add_argument("-o", "--out", type=Path, required=True, help="the folder to write to")
    options.add_argument("--part", choices=PARTS, default="test", help="%(default)s")
    options.add_argument("--size", type=int, help="pixels a side; as they are unless given")
    return options


def export(name: str, folder: Path, out: Path, part: str, size: int | None) -> int:
    """Write the folders; how many pairs there are. UserErrors as the reader's."""
    if size is not None and size < 1:
        raise UserError(f"--size is {size}: it must be 1 pixel or more")
    dataset = reader(name)
    pairs = dataset.pairs(folder, part)
    for pair in tqdm(pairs, unit="pair", disable=None):
        colours, photo = dataset.read(pair)
        for kind, picture, resize in (
            ("colours", colours, resize_labels),
            ("photos", photo, resize_photo),
            ("labels", dataset.read_labels(pair), resize_labels),
        ):
            write(out / kind / f"{pair.name}.png", resize(picture, size) if size else picture)
    return len(pairs)


def write(file: Path, picture: Picture) -> None:
    with replacing(file) as aside:
        Image.fromarray(picture).save(aside)


def main() -> None:
    with exit_on_error():
        args = parser().parse_args()
        count = export(args.dataset, args.folder, args.out, args.part, args.size)
        print(f"{count} pairs of {args.dataset} in {args.out}: colours, photos, labels")


if __name__ == "__main__":
    main()
