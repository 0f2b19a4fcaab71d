"""Flickr30K (Young et al., TACL 2014): 31,783 images in flickr30k-images, 158,915 captions in results_20130124.token.

split: mao         flickr30k_entities/{train,val,test}.txt, 29,783, 1,000 and 1,000 names, the sizes of Mao et al. [190]
split: karpathy    dataset_flickr30k.json, 29,000, 1,014 and 1,000 of 31,014: what most later papers use
"""

from pathlib import Path

from stages.core.errors import UserError
from stages.datasets import flickr
from stages.datasets.captioned import PARTS, CaptionedSet
from stages.datasets.json_files import karpathy_names

SPLITS = ("mao", "karpathy")


def read(folder: Path, *, split: str = "mao") -> CaptionedSet:
    """The images of a split, the thesis's is `mao`, in its order; captions are those of the token file with either.

    A UserError: see `flickr.read`; a JSON without a key, and a split that is neither.
    """
    pictures, tokens = folder / "flickr30k-images", folder / "results_20130124.token"
    if split == "mao":
        lists = folder / "flickr30k_entities"
        names = flickr.names_of_lists({part: lists / f"{part}.txt" for part in PARTS})
        return flickr.read(pictures, tokens, names, lists)
    if split == "karpathy":
        file = folder / "dataset_flickr30k.json"
        return flickr.read(pictures, tokens, karpathy_names(file, PARTS), file)
    raise UserError(f"flickr30k has no split {split}: it is one of {', '.join(SPLITS)}")
