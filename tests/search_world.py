"""A folder of four pictures, and a set's features in the place of what encoders would see: for the tests of the chapters' `search`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from stage_runs import PARAMS

from stages.core import arrays
from stages.matching import search

DATASET = "pets"
FEATURES = Path(f"data/mini/features/matching/{DATASET}")
KNOWN = {"first": 0, "second": 7}  # sentences, as captions of the set: the first image has 4 captions, the next 3
MATCHING = {
    "pictures": {"short_side": 64, "batch_size": 2},
    "texts": {"ear": {"kind": "mean", "words": "wordlist"}},
    "vocabularies": {"wordlist": {"lower": True, "share": 1}},
}


def picture(number: int) -> Path:
    return Path("pictures/more" if number == 3 else "pictures") / f"{number}.png"


def searched(trained: Path, folder: Path, params: dict[str, Any], patch: pytest.MonkeyPatch) -> list[list[str]]:
    """In `folder`, `pictures` of the set's first four images by their numbers; returns which pictures go through the encoder.

    trained : a world with the set's features and networks, which are not to be changed.
    """
    patch.chdir(folder)
    (folder / "data/mini").mkdir(parents=True)
    for name in ("models", "features"):
        (folder / "data/mini" / name).symlink_to(trained / "data/mini" / name)
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | params | {"matching": MATCHING}, sort_keys=False))
    for name, file in (("eye", "eye.pth"), ("wordlist", "words.txt")):
        Path(f"data/mini/sources/{name}").mkdir(parents=True)
        Path(f"data/mini/sources/{name}/{file}").write_text("weights")
    Path("pictures/more").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(picture(number))
    seen: list[list[str]] = []

    def of_pictures(files, encoder, weights, settings, precision, device):
        seen.append([file.name for file in files])
        readable = [number for number, file in enumerate(files) if file.stat().st_size > 10]
        rows = arrays.read(FEATURES / "images/eye/features.npy").astype(np.float32)
        return readable, rows[[Image.open(files[number]).getpixel((0, 0))[0] for number in readable]]

    def of_sentences(sentences, text, vocabulary, vectors, features, device):
        rows = arrays.read(FEATURES / "texts/ear/features.npy").astype(np.float32)
        return rows[[KNOWN.get(one, 0) for one in sentences]], np.array([one in KNOWN for one in sentences])

    patch.setattr(search.encode, "pictures", of_pictures)
    patch.setattr(search.encode, "sentences", of_sentences)
    patch.setattr(search.vision, "encoder", lambda name: type("Encoder", (), {"file": f"{name}.pth"}))
    return seen
