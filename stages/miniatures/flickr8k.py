"""A miniature of Flickr8k in its official layout: as Flickr30K's, of other scenes."""

from pathlib import Path

from stages.miniatures import flickr

_STREAM = 6_020  # of random numbers: data sets never share a scene


def write(folder: Path, *, train: int, val: int, test: int, width: int, height: int, seed: int) -> None:
    """Write `folder`/Flicker8k_Dataset and Flickr8k_text: the sentences and a list of each part."""
    texts = folder / "Flickr8k_text"
    lists = {texts / f"Flickr_8k.{part}Images.txt": count for part, count in (("train", train), ("dev", val), ("test", test))}
    flickr.write(folder / "Flicker8k_Dataset", texts / "Flickr8k.token.txt", lists, (width, height), seed, _STREAM)
