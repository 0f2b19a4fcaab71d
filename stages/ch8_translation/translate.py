"""Translate pictures of one's own with a trained model: label maps or sketches to photos, or back.

    python -m stages.ch8_translation.translate data/mini/models/ch8_translation/facades/vanilla-seed0 PICTURES -o OUT
    python -m stages.ch8_translation.translate MODEL PICTURES -o OUT --direction backward

Leaves a PNG for each picture of the folder and of those below it, of the same size. Sides that are no multiples of 4 are made so by
repeating the last pixels, which are cut off again. A model expects pictures of about the size of those it was trained on, which about.json
in its folder has.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from stages.ch8_translation.model import Chain
from stages.ch8_translation.trained import load
from stages.ch8_translation.training_settings import Network, Variant
from stages.core import json_files
from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import replacing
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.datasets.pictures import BadPicture, open_picture, pictures_in
from stages.gan.images import to_bytes, to_unit

LEAST, MULTIPLE = 8, 4  # pixels a side of what generators admit
NO_MEMORY = "out of memory", "can't allocate memory"  # PyTorch's words


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path, help="the folder of a training, with model.pt and about.json")
    options.add_argument("pictures", type=Path, help="a folder, translated with all folders below it")
    options.add_argument("-o", "--out", type=Path, required=True, help="the folder to write to")
    options.add_argument("--direction", choices=["forward", "backward"], default="forward", help="A to B, or B to A (%(default)s)")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    return options


def open_chain(folder: Path, direction: str, device: torch.device) -> Chain:
    """The chain of a trained model; a UserError where the folder holds none, or not this direction."""
    file = folder / "about.json"
    about = json_files.read(file, "variant", "network", stage="ch8_translation")
    try:
        variant, network = build(Variant, about["variant"]), build(Network, about["network"])
    except (UserError, AttributeError, ValueError) as error:
        raise UserError(f"{file} describes no networks of Section 8.1 ({error}): train it again") from error
    try:
        model = load(folder, variant, network, device)
    except TypeError as error:  # a number that is none
        raise UserError(f"{file} describes no networks of Section 8.1 ({error}): train it again") from error
    chain = model.forward_chain if direction == "forward" else model.backward_chain
    if chain is None:
        raise UserError(f"{folder} was trained forward only, and translates nothing back: leave out --direction backward")
    return chain


@torch.no_grad()
def translated(chain: Chain, picture: NDArray[np.uint8], device: torch.device, name: object = "a picture") -> NDArray[np.uint8]:
    """A picture (H, W, 3) of any size from 8 x 8 -> one of the same size. A UserError, with its name, where it is smaller."""
    height, width = picture.shape[:2]
    if min(height, width) < LEAST:
        raise UserError(f"{name} has {width} x {height} pixels, and generators need {LEAST} a side: enlarge it")
    return to_bytes(chain.steps(_padded(to_unit(torch.from_numpy(picture)[None].to(device))))[-1])[0, :height, :width].cpu().numpy()


def _padded(images: Tensor) -> Tensor:
    """To the right and below, to multiples of 4."""
    height, width = images.shape[2:]
    return F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")


def destinations(files: list[Path], folder: Path, out: Path) -> dict[Path, Path]:
    """Where each picture's translation goes; a UserError where two would go to one place."""
    to = {file: out / file.relative_to(folder).with_suffix(".png") for file in files}
    first: dict[Path, Path] = {}
    for file, target in to.items():
        if target in first:
            raise UserError(f"{first[target]} and {file} would both become {target}: rename one")
        if target.resolve() == file.resolve():
            raise UserError(f"{target} would be written over a picture to be translated: give another folder as -o")
        first[target] = file
    return to


def run(args: argparse.Namespace) -> Iterator[str]:
    """Translates; yields the names of the files as they are written. Pictures that cannot be are named on standard error."""
    if args.threads < 1:
        raise UserError("--threads must be 1 or more")
    to = destinations(pictures_in(args.pictures)[0], args.pictures, args.out)
    device = Runtime(args.device, args.threads, "fp32").start("--device")
    chain, done = open_chain(args.model, args.direction, device), 0
    for file, target in to.items():
        try:
            made = translated(chain, np.array(open_picture(file)), device, file)
        except BadPicture as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        except RuntimeError as error:
            if not any(words in str(error) for words in NO_MEMORY):
                raise
            raise UserError(f"{file} has too many pixels for the memory here: make it smaller") from error
        with replacing(target) as aside:
            Image.fromarray(made).save(aside)
        done += 1
        yield str(target)
    if not done:
        raise UserError(f"none of the pictures in {args.pictures} can be read")


def main() -> None:
    args = parser().parse_args()
    with exit_on_error():
        for line in run(args):
            print(line)


if __name__ == "__main__":
    main()
