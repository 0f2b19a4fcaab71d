"""Flickr8k (Hodosh, Young and Hockenmaier, JAIR 2013): Flicker8k_Dataset (so spelled), 8,091 images, and Flickr8k_text.

Flickr8k.token.txt has five captions of each. Flickr_8k.trainImages.txt lists 6,000 images to train on, devImages.txt
and testImages.txt 1,000 each; 91 are in no list. The captions are of 8,092 images, one of which there never was.
"""

from pathlib import Path

from stages.datasets import flickr
from stages.datasets.captioned import CaptionedSet

NEVER_THERE = ("2258277193_586949ec62.jpg.1",)
LISTS = {"train": "train", "val": "dev", "test": "test"}


def read(folder: Path) -> CaptionedSet:
    """The listed images in the lists' order; a UserError: see `flickr.read`."""
    texts = folder / "Flickr8k_text"
    names = flickr.names_of_lists({part: texts / f"Flickr_8k.{name}Images.txt" for part, name in LISTS.items()})
    return flickr.read(folder / "Flicker8k_Dataset", texts / "Flickr8k.token.txt", names, texts, absent=NEVER_THERE)
