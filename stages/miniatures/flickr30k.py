"""A miniature of Flickr30K in its official layout: generated scenes, and sentences that each say some of what is in them."""

from pathlib import Path

from stages.miniatures import flickr

_STREAM = 6_010  # of random numbers: data sets never share a scene


def write(folder: Path, *, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/flickr30k-images, results_20130124.token and flickr30k_entities, the lists, whose names have no .jpg."""
    lists = {folder / f"flickr30k_entities/{part}.txt": count for part, count in (("train", train), ("val", val), ("test", test))}
    tokens = folder / "results_20130124.token"
    flickr.write(folder / "flickr30k-images", tokens, lists, (width, height), seed, _STREAM, ending="")
