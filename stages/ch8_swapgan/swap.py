"""Put the clothes of one person in a picture of one's own on another, with a trained model.

    python -m stages.ch8_swapgan.swap data/figures/models/ch8_swapgan/figures/full-seed0 PERSON.jpg CLOTHES.jpg -o OUT.png

Beside PERSON.jpg have to lie PERSON_keypoints.json, its pose as OpenPose writes it (--write_json; 18 or 25 key points), and
PERSON_parsing.png, its segments as indices of LIP's 20 classes, as parsers trained on LIP write them: of the latter its face and hair are
taken, which are pasted onto the result. The thesis made them by OpenPose and by a parser [248]; neither is part of this project. Of
CLOTHES.jpg nothing but the picture is needed.

A model expects pictures like those it was trained on, of the whole person before a plain ground: about.json in its folder has their size.
Other pictures are made square by repeating their last pixels and brought to that size, which OUT.png has too. --no-head leaves the head as
the model makes it.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from stages.ch8_swapgan import people
from stages.ch8_swapgan.model import SwapGAN
from stages.ch8_swapgan.prepare import read_person, squared
from stages.ch8_swapgan.trained import load
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core import json_files
from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import replacing
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.datasets.pictures import open_picture
from stages.gan.images import to_bytes, to_unit

ENDINGS = "_keypoints.json", "_parsing.png"  # of what lies beside a person's photo
LARGEST = 4096  # pixels a side: a size beyond is no model's


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path, help="the folder of a training, with model.pt and about.json")
    options.add_argument("person", type=Path, help="the photo whose person, pose and head stay")
    options.add_argument("clothes", type=Path, help="the photo whose clothes are put on")
    options.add_argument("-o", "--out", type=Path, required=True, help="the PNG to write")
    options.add_argument("--no-head", action="store_true", help="paste no head")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    return options


def open_model(folder: Path, device: torch.device) -> tuple[SwapGAN, int]:
    """A trained model and the size of its pictures; a UserError where the folder holds none."""
    file = folder / "about.json"
    about = json_files.read(file, "variant", "network", "size", stage="ch8_swapgan")
    try:
        variant, network, size = build(Variant, about["variant"]), build(Network, about["network"]), about["size"]
        if type(size) is not int or not 1 <= size <= LARGEST:
            raise ValueError(f"size is {size}")
    except (UserError, AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{file} describes no networks of Section 8.2 ({error}): train it again") from error
    try:
        return load(folder, variant, network, device), size
    except (TypeError, RuntimeError) as error:  # a number that is none, or of which there are no layers
        raise UserError(f"{file} describes no networks of Section 8.2 ({error}): train it again") from error


@torch.no_grad()
def swapped(model: SwapGAN, clothes: NDArray[np.uint8], pose: NDArray[np.uint8], device: torch.device) -> NDArray[np.uint8]:
    """Eq. 8.12 of pictures (S, S, 3) -> (S, S, 3): the head is not pasted."""
    condition, map_of_pose = (to_unit(torch.from_numpy(one)[None].to(device)) for one in (clothes, pose))
    return to_bytes(model.swap(condition, map_of_pose))[0].cpu().numpy()


def beside(photo: Path, ending: str) -> Path:
    return photo.with_name(photo.stem + ending)


def run(args: argparse.Namespace) -> Path:
    """Writes the result; its file."""
    if args.threads < 1:
        raise UserError("--threads must be 1 or more")
    key_points, parsing = (beside(args.person, ending) for ending in ENDINGS)
    for file in (args.person, key_points, parsing, args.clothes, *(args.model / name for name in ("model.pt", "about.json"))):
        if os.path.realpath(args.out) == os.path.realpath(file):
            raise UserError(f"{args.out} would be written over {file}, which is read: give another file as -o")
    device = Runtime(args.device, args.threads, "fp32").start("--device")
    model, size = open_model(args.model, device)
    person = read_person(args.person, key_points, parsing, size)
    made = swapped(model, squared(np.array(open_picture(args.clothes)), size).copy(), person["poses"], device)
    if not args.no_head:
        made = people.paste_head(made[None], person["images"][None], person["heads"][None])[0]
    with replacing(args.out) as aside:
        Image.fromarray(made).save(aside, "PNG")
    return args.out


def main() -> None:
    args = parser().parse_args()
    with exit_on_error():
        print(run(args))


if __name__ == "__main__":
    main()
